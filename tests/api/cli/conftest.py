"""The command line as people and programs have it, on a database that has something in it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.cli.commands import run
from application.ledger import Ledger
from domain.transfers import PostTransfer
from tests.conftest import Database, MakeDatabase
from tests.support.folders import data_folder
from tests.support.ledgers import accepted, open_account, pay
from tests.support.processes import COMMAND, PATIENCE_S, ROOT, environment, settings_of

Result = subprocess.CompletedProcess[str]


class CommandLine:
    """Runs `daybook` in a process of its own; its output goes to pipes, and its input is `given`."""

    def __init__(self, settings: Mapping[str, str], given: str = "") -> None:
        self._settings = settings
        self._given = given

    @property
    def here(self) -> CommandLine:
        """The same within this process: a tenth of the time, and no other exit status."""
        return _WithoutProcess(self._settings, self._given)

    def given(self, text: str) -> CommandLine:
        """The same with this to read."""
        return type(self)(self._settings, text)

    def __call__(self, *arguments: object, **settings: str) -> Result:
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            env=environment({**self._settings, **settings}),
            cwd=ROOT,
            input=self._given,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE_S,
            check=False,
        )

    def done(self, *arguments: object, **settings: str) -> str:
        """What it prints when all is well."""
        result = self(*arguments, **settings)
        assert (result.returncode, result.stderr) == (0, ""), result
        return result.stdout

    def json(self, *arguments: object, **settings: str) -> Any:
        return json.loads(self.done(*arguments, "--json", **settings))

    def refused(self, status: int, *arguments: object, **settings: str) -> str:
        """What it tells a person when it ends with this status, its lines put together."""
        result = self(*arguments, **settings)
        assert result.returncode == status, result
        assert "Traceback" not in result.stderr, result.stderr
        return " ".join(result.stderr.replace("│", " ").split())


class _WithoutProcess(CommandLine):
    def __call__(self, *arguments: object, **settings: str) -> Result:
        line = ["daybook", *map(str, arguments)]
        out, err = StringIO(), StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name, value in environment({**self._settings, **settings}).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", line)
            patch.setattr(sys, "stdin", StringIO(self._given))
            with pytest.raises(SystemExit) as ended:
                run()
        assert isinstance(ended.value.code, int)
        return Result(line, ended.value.code, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Ledgered:
    """A database with three accounts, a posted and a pending transfer between them, and a command line
    on it. No runner fills its read models."""

    database: Database
    daybook: CommandLine
    cash: UUID
    alice: UUID
    bob: UUID
    posted: UUID
    pending: UUID


@pytest.fixture(scope="module")
def ledgered(make_database: MakeDatabase) -> Iterator[Ledgered]:
    with make_database() as database, Ledger(database.url) as ledger:
        cash = open_account(ledger, "cash")
        alice, bob = open_account(ledger), open_account(ledger, "savings")
        accepted(ledger, pay(cash, alice, 100_00))
        rent = PostTransfer(UUID(int=1), alice, bob, 30_00, "EUR", reference="INV-1")
        deposit = PostTransfer(UUID(int=2), alice, bob, 5_00, "EUR", pending=True)
        posted, pending = accepted(ledger, rent).id, accepted(ledger, deposit).id
        daybook = CommandLine(settings_of(database))
        yield Ledgered(database, daybook, cash, alice, bob, posted, pending)


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder with a short path that other users can be let into."""
    with data_folder() as path:
        yield path
