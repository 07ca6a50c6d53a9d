"""`daybook users`, `apikeys` and `privacy`: what the people of an installation do to its users."""

from __future__ import annotations

import getpass
import os
import pty
import subprocess
import termios
from collections.abc import Iterator
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest

from application.ledger import Ledger
from domain.accounts import OpenAccount
from tests.api.cli.conftest import CommandLine
from tests.conftest import Database, MakeDatabase
from tests.support.ledgers import accepted
from tests.support.processes import COMMAND, PATIENCE_S, ROOT, environment, settings_of
from tests.support.serving import serving
from tests.support.visitors import log_in, new_email, refresh, try_login, visiting
from tests.support.waiting import until

PASSWORD = "fifteen letters"


@pytest.fixture(scope="module")
def house(make_database: MakeDatabase) -> Iterator[Database]:
    with make_database() as database:
        yield database


@pytest.fixture(scope="module")
def base_url(house: Database) -> Iterator[str]:
    """A server that runs beside the commands."""
    with serving(house.url) as url:
        yield url


@pytest.fixture
def visitor(base_url: str) -> Iterator[httpx2.Client]:
    with visiting(base_url) as client:
        yield client


@pytest.fixture
def daybook(house: Database) -> CommandLine:
    return CommandLine(settings_of(house)).here


def made(daybook: CommandLine, role: str = "user") -> tuple[str, str]:
    """The id and the address of a new user."""
    email = new_email()
    options = ("--name", "Ann Lee", "--role", role, "--password-stdin")
    (row,) = daybook.given(f"{PASSWORD}\n").json("users", "create", email, *options)
    return row["id"], email


def events_of(house: Database, id_: str) -> list[tuple[str, str]]:
    """Type and actor of the events of a user."""
    with house.connect() as conn:
        return conn.execute(
            "SELECT topic, convert_from(metadata, 'UTF8')::jsonb ->> 'actor' FROM events"
            " WHERE originator_id = %s ORDER BY originator_version",
            (id_,),
        ).fetchall()


def test_the_first_administrator_is_made_here(
    house: Database, daybook: CommandLine, visitor: httpx2.Client
) -> None:
    id_, email = made(daybook, "admin")
    login = log_in(visitor, email, PASSWORD)
    shown = visitor.get(f"/api/users/{id_}", headers=login.bearer, params={"min_position": 1})
    assert shown.json()["role"] == "admin"
    assert events_of(house, id_) == [("user.registered", f"cli:{getpass.getuser()}")]


def test_a_user_is_shown_masked(daybook: CommandLine) -> None:
    id_, email = made(daybook, "support")
    for who in (id_, email, email.upper()):
        (row,) = daybook.json("users", "show", who)
        assert (row["id"], row["email"], row["full_name"]) == (id_, "p***@example.com", "A. L.")
        assert (row["role"], row["status"], row["registered_by"]) == ("support", "ACTIVE", None)
    table = daybook.done("users", "show", email)
    assert id_ in table
    assert email not in table


def test_users_are_listed(daybook: CommandLine) -> None:
    (first, _), (second, _) = made(daybook, "operator"), made(daybook, "operator")
    daybook.done("users", "suspend", first)

    def found(*options: str) -> list[str]:
        return [row["id"] for row in daybook.json("users", "list", *options)]

    assert found("--role", "operator") == [second, first]
    assert found("--role", "operator", "--status", "suspended") == [first]
    assert found("--limit", "1") == [second]
    assert second in daybook.done("users", "list")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("nobody", "--name", "Ann Lee"), 2, "Give an address like name@example.com"),
        (("a@example.com", "--name", "A"), 2, "It takes 2 to 255 characters"),
        (("a@example.com", "--name", "Ann Lee", "--role", "owner"), 2, "'owner' is not one of"),
        (
            ("a@example.com", "--name", "Ann Lee", "--role", "admin"),
            1,
            "15 for every role but user",
        ),
    ],
)
def test_what_is_no_user_is_not_made(
    arguments: tuple[str, ...], status: int, words: str, daybook: CommandLine
) -> None:
    typing = daybook.given("fourteen chars\n")
    assert words in typing.refused(status, "users", "create", *arguments, "--password-stdin")


def test_an_address_is_given_once(daybook: CommandLine) -> None:
    _, email = made(daybook)
    again = ("users", "create", email.upper(), "--name", "Ann Lee", "--password-stdin")
    assert "Another user has this address" in daybook.given(PASSWORD).refused(1, *again)


def test_without_a_terminal_a_password_is_not_waited_for(daybook: CommandLine) -> None:
    said = daybook.refused(2, "users", "create", new_email(), "--name", "Ann Lee")
    assert "add --password-stdin" in said


def test_a_password_is_asked_for_twice_and_not_shown(
    house: Database, visitor: httpx2.Client
) -> None:
    email = new_email()
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "users", "create", email, "--name", "Ann Lee"],
        env=environment(settings_of(house)),
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    said = ""
    try:
        os.close(theirs)
        os.set_blocking(ours, False)

        def says(words: str) -> bool:
            nonlocal said
            try:
                said += os.read(ours, 10_000).decode()
            except (BlockingIOError, OSError):  # nothing yet, or it has ended
                assert process.poll() in (None, 0), said
            return words in said

        def hides() -> bool:
            return not termios.tcgetattr(ours)[3] & termios.ECHO

        for prompt in ("New password", "Repeat for confirmation"):
            until(lambda prompt=prompt: says(prompt))  # type: ignore[misc]
            until(hides)  # what is typed before that is thrown away
            os.write(ours, f"{PASSWORD}\n".encode())
        until(lambda: says("ACTIVE"))
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert PASSWORD not in said
    log_in(visitor, email, PASSWORD)


def test_who_is_suspended_is_out_at_a_server_that_runs(
    house: Database, daybook: CommandLine, visitor: httpx2.Client
) -> None:
    id_, email = made(daybook)
    login = log_in(visitor, email, PASSWORD)
    assert "SUSPENDED" in daybook.done("users", "suspend", email, "--reason", "fraud?")
    until(lambda: visitor.get("/api/profile", headers=login.bearer).status_code == 401)
    assert try_login(visitor, email, PASSWORD).status_code == 422
    said = daybook.refused(1, "users", "suspend", id_)
    assert "From suspended to suspended is not allowed" in said
    assert "ACTIVE" in daybook.done("users", "activate", id_)
    log_in(visitor, email, PASSWORD)
    assert [topic for topic, _ in events_of(house, id_)][1:] == ["user.suspended", "user.activated"]


def test_a_password_is_reset_and_all_sessions_end(
    house: Database, daybook: CommandLine, visitor: httpx2.Client
) -> None:
    id_, email = made(daybook)
    login = log_in(visitor, email, PASSWORD)
    reset = daybook.given("another password\n")(
        "users", "reset-password", email, "--password-stdin"
    )
    assert (reset.returncode, reset.stdout) == (0, "")
    assert try_login(visitor, email, PASSWORD).status_code == 401
    log_in(visitor, email, "another password")
    assert refresh(visitor, login).status_code == 401
    until(lambda: visitor.get("/api/profile", headers=login.bearer).status_code == 401)
    generated = daybook("users", "reset-password", id_, "--generate")
    password = generated.stdout.strip()
    assert len(password) == 24
    log_in(visitor, email, password)
    assert password not in generated.stderr
    topics = [topic for topic, _ in events_of(house, id_)]
    assert topics == ["user.registered", *["user.password_changed"] * 2]


def test_a_password_that_does_not_fit_the_role_is_not_set(
    daybook: CommandLine, visitor: httpx2.Client
) -> None:
    _, email = made(daybook, "support")
    arguments = ("users", "reset-password", email, "--password-stdin")
    assert "15 for every role" in daybook.given("fourteen chars").refused(1, *arguments)
    assert "not both" in daybook.refused(2, *arguments, "--generate")
    log_in(visitor, email, PASSWORD)


def test_a_program_gets_a_key_for_a_time(
    house: Database, daybook: CommandLine, base_url: str
) -> None:
    id_, email = made(daybook)
    options = ("--name", "the shop", "--scope", "accounts:read", "--scope", "transfers:read")
    issued = daybook("apikeys", "create", email, *options, "--expires-in-days", "30")
    key = issued.stdout.strip()
    assert key not in issued.stderr
    (row,) = daybook.json("apikeys", "list", email)
    assert (row["name"], row["scopes"]) == ("the shop", ["accounts:read", "transfers:read"])
    assert key.startswith(row["hint"])
    assert row["expires_at"] is not None
    assert row["id"] in issued.stderr

    def status() -> int:
        return httpx2.get(f"{base_url}/api/accounts", headers={"X-API-Key": key}).status_code

    until(lambda: status() == 200)
    assert row["id"] in daybook.done("apikeys", "revoke", row["id"])
    until(lambda: status() == 401)
    assert "or it is revoked" in daybook.refused(1, "apikeys", "revoke", row["id"])
    assert "There is no API key" in daybook.refused(1, "apikeys", "revoke", str(uuid4()))
    topics = [topic for topic, _ in events_of(house, id_)]
    assert topics[1:] == ["user.api_key_issued", "user.api_key_revoked"]


def test_a_key_is_issued_for_what_its_user_may_do(daybook: CommandLine) -> None:
    _, email = made(daybook)
    arguments = ("apikeys", "create", email, "--name", "k", "--scope")
    assert "some of: accounts:read" in daybook.refused(1, *arguments, "users:read")
    assert daybook.json("apikeys", "list", email) == []
    shown = daybook.json(*arguments, "profile:read")[0]
    assert shown["key"].startswith(shown["hint"])


def test_personal_data_are_shown_for_a_purpose(house: Database, daybook: CommandLine) -> None:
    id_, email = made(daybook)
    (row,) = daybook.json("privacy", "disclose", id_, "--purpose", "court order 7")
    assert row == {"id": id_, "email": email, "full_name": "Ann Lee"}
    assert email in daybook.done("privacy", "disclose", email, "--purpose", "a call back")
    assert "too long" in daybook.refused(2, "privacy", "disclose", id_, "--purpose", "x")
    disclosed = ("user.disclosed", f"cli:{getpass.getuser()}")
    assert events_of(house, id_)[1:] == [disclosed, disclosed]


def test_a_person_is_erased_when_that_is_confirmed(
    house: Database, daybook: CommandLine, visitor: httpx2.Client
) -> None:
    id_, email = made(daybook)
    for answer in ("", "n\n"):
        ended = daybook.given(answer)("privacy", "erase", email)
        assert ended.returncode == 1
        assert "Erase" in ended.stderr
        assert "Aborted" in ended.stderr
    log_in(visitor, email, PASSWORD)
    erased = daybook.given("y\n")("privacy", "erase", email)
    assert erased.returncode == 0, erased
    assert "[erased]" in erased.stdout
    assert try_login(visitor, email, PASSWORD).status_code == 401
    assert [topic for topic, _ in events_of(house, id_)][1:] == ["user.deleted", "user.erased"]
    assert "There is no user" in daybook.refused(1, "privacy", "erase", email, "--yes")
    assert "was erased before" in daybook.refused(1, "privacy", "erase", id_, "--yes")
    (row,) = daybook.json("users", "show", id_)
    assert (row["email"], row["full_name"], row["status"]) == ("[erased]", "[erased]", "DELETED")


def test_a_person_is_erased_without_being_asked(daybook: CommandLine) -> None:
    id_, _ = made(daybook)
    (row,) = daybook.json("privacy", "erase", id_, "--yes", "--reason", "asked for it")
    assert (row["id"], row["email"]) == (id_, "[erased]")


@pytest.mark.parametrize("who", ["nobody@example.com", str(UUID(int=7)), "nobody"])
def test_nobody_is_found(who: str, daybook: CommandLine) -> None:
    for arguments in (
        ("users", "show", who),
        ("users", "suspend", who),
        ("users", "activate", who),
        ("users", "reset-password", who, "--generate"),
        ("apikeys", "list", who),
        ("apikeys", "create", who, "--name", "k", "--scope", "profile:read"),
        ("privacy", "disclose", who, "--purpose", "court order 7"),
        ("privacy", "erase", who, "--yes"),
    ):
        assert f"There is no user {who}." in daybook.refused(1, *arguments)


def test_an_account_is_no_user(house: Database, daybook: CommandLine) -> None:
    account = uuid4()
    with Ledger(house.url) as ledger:
        accepted(ledger, OpenAccount(account, "any", "checking", "EUR"))
    assert "There is no user" in daybook.refused(1, "users", "suspend", str(account))


def test_another_installations_key_is_a_sentence(house: Database, daybook: CommandLine) -> None:
    made(daybook)
    other = "b3RoZXIga2V5IG9mIHRoaXJ0eS10d28gYnl0ZXMhISE="
    with psycopg.connect(house.url) as conn:
        before = conn.execute("SELECT count(*) FROM service_keys").fetchone()
        said = daybook.refused(1, "users", "list", ENCRYPTION_KEY=other)
        assert "add it to ENCRYPTION_KEYS_OLD" in said
        assert conn.execute("SELECT count(*) FROM service_keys").fetchone() == before
