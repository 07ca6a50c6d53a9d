"""What the commands about people share: the way in, who is meant, what is typed, and what is shown."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from psycopg import AsyncConnection
from pydantic import TypeAdapter, ValidationError

from api import databases, people_views, secrets, views
from api.cli.reading import catch_up
from api.credit_erasing import check_called_off, withdrawals
from api.problems import explain, of_validation
from api.settings import Settings, load_settings
from api.views import Json
from application.ledger import Accepted, Ledger, Refused, Submission
from application.people.credentials import login_by_id
from application.people.registering import Beside
from application.people.vault import Login, Vault
from domain import users
from domain.provenance import Provenance
from domain.refusals import Refusal
from domain.users import User

T = TypeVar("T")

COLUMNS = ("id", "email", "full_name", "role", "status", "verified")

Who = Annotated[str, typer.Argument(metavar="USER", help="The user's id or e-mail address.")]
FromStdin = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read the password from a line of standard input."),
]


@dataclass(frozen=True)
class House:
    """The ledger of this installation, for what its own people do to users."""

    ledger: Ledger
    conninfo: str
    vault: Vault
    settings: Settings

    def find(self, who: str) -> Login:
        """The user that an id or an e-mail address names. Refuses `user_not_found`."""

        async def find(conn: AsyncConnection[Any]) -> Login | None:
            if (id_ := _uuid_or_none(who)) is not None:
                return await login_by_id(conn, id_)
            return await self.vault.login_of(conn, who)

        found = self.ask(find)
        if found is None:
            raise Refusal("user_not_found", user_id=who)
        return found

    def carry_out(self, command: users.Command, beside: Beside | None = None) -> User:
        """The user after a command. Raises what it is refused with."""
        done = self.ledger.submit_and_wait(Submission([command], _provenance(), beside=beside))
        (outcome,) = done.outcomes
        if isinstance(outcome, Refused):
            raise Refusal(outcome.reason, **outcome.details)
        assert isinstance(outcome, Accepted)
        assert isinstance(outcome.state, User), "a command on a user leads to one"
        return outcome.state

    def call_off(self, user_id: UUID) -> None:
        """Withdraw a user's applications for credit that are not paid out, when the user is erased."""
        commands = self.ask(lambda conn: withdrawals(conn, user_id))
        if commands:
            done = self.ledger.submit_and_wait(Submission(commands, _provenance()))
            check_called_off(done.outcomes)

    def ask(self, question: Callable[[AsyncConnection[Any]], Awaitable[T]]) -> T:
        """What a query of ordinary tables answers."""

        async def answer() -> T:
            async with await AsyncConnection.connect(self.conninfo, autocommit=True) as conn:
                return await question(conn)

        return asyncio.run(answer())

    def hash(self, password: str) -> str:
        hasher = databases.make_hasher(self.settings)
        try:
            return hasher.hash_sync(password)
        finally:
            hasher.close()

    def in_clear(self, user: User) -> Json:
        """The user with what is personal opened, `[erased]` when the key is gone."""
        return self.ask(lambda conn: self.vault.open_one(conn, user.id, views.user(user)))

    def masked(self, user: User) -> Json:
        """The user as staff see one."""
        return people_views.mask(self.in_clear(user))


def _provenance() -> Provenance:
    return Provenance(actor=f"cli:{person()}")


@contextmanager
def opened() -> Iterator[House]:
    """Beside a running server or alone."""
    settings = load_settings()
    masters = secrets.master_keys(settings)
    with databases.open_ledger() as (ledger, conninfo):
        yield House(ledger, conninfo, Vault.open(conninfo, masters), settings)


def read(ask: Callable[[AsyncConnection[Any], Vault], Awaitable[T]]) -> T:
    """What a query of the read models answers, once these have everything that is in the log."""
    settings = load_settings()
    masters = secrets.master_keys(settings)
    with databases.ready_database(settings) as conninfo:
        catch_up(conninfo)
        vault = Vault.open(conninfo, masters)

        async def answer() -> T:
            async with await AsyncConnection.connect(conninfo, autocommit=True) as conn:
                return await ask(conn, vault)

        return asyncio.run(answer())


def new_password(*, from_stdin: bool) -> str:
    """A password as somebody types it, twice on a terminal; never one of the command line's words, which
    other users of the machine can read."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask for a password: add --password-stdin")
    typed: str = typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True)
    return typed


def parsed(kind: Any, value: object) -> Any:
    """A value as the API takes it. Raises `typer.BadParameter` with what the API would say."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        reason, details = of_validation(error.errors())
        said = explain(reason, details)
        if "max_length" in details:
            said += f" It takes {details['min_length']} to {details['max_length']} characters."
        raise typer.BadParameter(said) from None


def _uuid_or_none(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def person() -> str:
    """Who runs the command, as the system knows him; a container may have no names."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid())
