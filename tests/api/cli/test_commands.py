"""Every command does what its help says: readable, as JSON too, with the exit status that is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from api.cli.commands import COMMANDS, daybook
from projections.catalogue import read_model
from tests.api.cli.conftest import Ledgered
from tests.projections.running import NAMES
from tests.support.processes import COMMAND, ROOT, environment, settings_of

PLAIN: dict[str, tuple[str, ...]] = {
    "accounts": ("checking", "active", "EUR", "65.00", "available"),
    "transfers": ("posted", "30.00", "INV-1", "pending"),
    "trial-balance": ("EUR", "130.00", "0.00"),
    "events show": ("account.opened", "transfer.posted", "account.held"),
    "projections list": (*NAMES, "not running"),
    "projections rebuild balances": ("events_per_s", "swapped"),
    "projections verify balances": ("events_per_s", "verified"),
    "projections status": ("name", "events_total"),
    "migrate status": ("event_log", "write_side", "read_side"),
}
"""Commands that need no more words and print a table, and words that it must have."""

ELSEWHERE = {
    "projections show", "projections pause", "projections resume", "projections cancel",
    "projections rollback", "projections run", "projections retry", "doctor", "export",
    "balance", "statement", "replay", "events tail", "migrate up", "migrate down", "config database-url",
    "config check", "config new-secret", "up", "serve",
    "project", "bench", "worker", "reconcile",
}  # fmt: skip
"""Commands with tests of their own."""

WITH_THEIR_FEATURE = {
    "apikeys",
    "audit",
    "cache",
    "decisions",
    "import",
    "jobs",
    "keys",
    "privacy",
    "processes",
    "sandbox",
    "users",
}
"""Groups that are tested beside what they start."""


def test_no_command_goes_without_a_test() -> None:
    found = set()
    for name, command in daybook.loaded().items():
        inside = getattr(command, "commands", None)
        found |= {name} if inside is None else {f"{name} {each}" for each in inside}
    found = {name for name in found if name.split()[0] not in WITH_THEIR_FEATURE}
    assert found == {name.removesuffix(" balances") for name in PLAIN} | ELSEWHERE


@pytest.mark.parametrize(("command", "words"), PLAIN.items(), ids=list(PLAIN))
def test_it_prints_a_table_or_json(
    command: str, words: tuple[str, ...], ledgered: Ledgered
) -> None:
    table = ledgered.daybook.here.done(*command.split())
    assert not [word for word in words if word not in table], table
    rows = ledgered.daybook.here.json(*command.split())
    assert isinstance(rows, list)
    heading, *_ = (line for line in table.splitlines() if line.strip())
    assert set(heading.split()) <= rows[0].keys(), "all that people see, programs see too"


def test_accounts_are_filtered(ledgered: Ledgered) -> None:
    def found(*options: str) -> list[str]:
        return [row["id"] for row in ledgered.daybook.here.json("accounts", *options)]

    assert found("--type", "savings", "--status", "active") == [str(ledgered.bob)]
    assert found("--currency", "USD") == []
    assert found("--limit", "1") == [str(ledgered.bob)]


def test_transfers_are_filtered(ledgered: Ledgered) -> None:
    def found(*options: str) -> list[str]:
        return [row["id"] for row in ledgered.daybook.here.json("transfers", *options)]

    assert found("--status", "pending") == [str(ledgered.pending)]
    assert found("--reference", "INV-1") == [str(ledgered.posted)]
    assert found("--account", str(ledgered.bob)) == [str(ledgered.pending), str(ledgered.posted)]


def test_a_balance_now_and_then(ledgered: Ledgered) -> None:
    daybook, alice = ledgered.daybook.here, str(ledgered.alice)
    balance = ("balance", alice)
    text = ledgered.daybook.done(*balance)
    assert "70.00" in text
    assert "65.00" in text
    (now,) = daybook.json(*balance)
    assert (now["account_id"], now["balance"], now["held"]) == (alice, "70.00", "5.00")
    (then,) = daybook.json(*balance, "--position", 6)
    assert (then["balance"], then["position"]) == ("100.00", 6)
    begun = daybook.json("events", "show", "--limit", 1)[0]["recorded_at"]
    said = daybook.refused(1, *balance, "--at", begun)
    assert f"Account {alice} was not open at that moment" in said


def test_a_balance_that_nobody_can_know_is_refused(ledgered: Ledgered) -> None:
    daybook, balance = ledgered.daybook.here, ("balance", str(ledgered.alice))
    assert "ask for a moment up to then" in daybook.refused(1, *balance, "--position", 999)
    assert "ask for a moment up to then" in daybook.refused(1, *balance, "--at", "2199-01-01")
    assert "RFC 3339" in daybook.refused(2, *balance, "--at", "tomorrow")
    both = ("--at", "2026-01-01", "--position", 1)
    assert "not both" in daybook.refused(2, *balance, *both)
    nobody = str(ledgered.posted)
    assert f"There is no account {nobody}." in daybook.refused(1, "balance", nobody)


def test_events_are_shown_by_stream_and_topic(ledgered: Ledgered) -> None:
    def found(*options: object) -> list[tuple[int, str]]:
        rows = ledgered.daybook.here.json("events", "show", *options)
        return [(row["version"], row["topic"]) for row in rows]

    stream = ("--stream", ledgered.bob)
    assert found(*stream) == [(1, "account.opened"), (2, "account.credited")]
    assert found("--topic", "transfer.reserved") == [(1, "transfer.reserved")]
    assert found("--after", 99) == []


def test_a_rare_event_is_found_however_far_away(
    ledgered: Ledgered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.log.MAX_SCAN", 2)
    (held,) = ledgered.daybook.here.json("events", "show", "--topic", "account.held")
    assert held["stream_id"] == str(ledgered.alice)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("accounts --type bank", "'checking', 'savings'"),
        ("accounts --status open", "'active', 'inactive'"),
        ("accounts --currency eur", "ISO 4217"),
        ("accounts --limit 0", "greater than or equal to 1"),
        ("transfers --status done", "'pending', 'posted'"),
        ("balance alice", "valid UUID"),
        ("events show --topic opened", "account.opened"),
        ("bench --only everything", "http_vs_noop"),
        ("projections rebuild", "Missing argument"),
        ("import statement /no/such/file.sta", "can't be read"),
        ("reckon", "No such command"),
    ],
)
def test_a_wrong_word_is_answered_with_the_right_ones(
    line: str, words: str, ledgered: Ledgered
) -> None:
    assert words in ledgered.daybook.here.refused(2, *line.split())


def test_an_unknown_read_model_is_answered_with_the_known_ones(ledgered: Ledgered) -> None:
    said = ledgered.daybook.here.refused(1, "projections", "rebuild", "ledger")
    assert f"there are: {', '.join(NAMES)}, and one of your own by its file" in said


def test_the_list_says_of_each_command_what_its_own_help_says_first() -> None:
    listed = {each.name: each.help for each in COMMANDS}
    said = {name: command.help.split("\n\n")[0] for name, command in daybook.loaded().items()}
    assert {name: " ".join(text.split()) for name, text in said.items()} == listed


def test_no_command_waits_for_what_another_one_needs() -> None:
    program = """
import sys
from api.cli.commands import daybook
assert not {"psycopg", "pydantic", "domain.accounts"} & sys.modules.keys()
daybook.loaded()
assert not {"fastapi", "uvicorn", "api.wiring", "api.bench", "zen"} & sys.modules.keys()
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=environment({}),
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_help_lists_the_commands(ledgered: Ledgered) -> None:
    text = ledgered.daybook.done("--help")
    assert "Exit status" in text
    for name in ("up", "serve", "project", "import", "trial-balance"):
        assert f"│ {name} " in text
    assert ledgered.daybook().returncode == 2


def test_a_ledger_that_is_out_of_balance_is_an_exit_status(ledgered: Ledgered) -> None:
    ledgered.daybook.here.done("trial-balance")
    with ledgered.database.connect() as conn:
        change = "UPDATE balances.account SET debits = debits {} 1 WHERE type = 'cash'"
        conn.execute(change.format("+"))
        result = ledgered.daybook.here("trial-balance")
        conn.execute(change.format("-"))
    assert (result.returncode, result.stderr) == (1, "")
    assert "-0.01" in result.stdout


def test_a_read_model_of_another_version_is_read_as_it_is(ledgered: Ledgered) -> None:
    daybook = ledgered.daybook.here
    daybook.done("accounts")
    change = "UPDATE checkpoints SET code_version = {}, position = position + {} WHERE name = %s"
    with ledgered.database.connect() as conn:
        conn.execute(change.format(0, -1).encode(), ("balances",))
        result = daybook("accounts")
        conn.execute(change.format(read_model("balances").version, 1).encode(), ("balances",))
    assert result.returncode == 0
    assert "65.00" in result.stdout
    assert "not up to date: balances" in result.stderr


def test_settings_that_cannot_be_used_are_named(ledgered: Ledgered) -> None:
    refused = ledgered.daybook.here.refused
    assert "PORT: 'abc' cannot be used" in refused(1, "accounts", PORT="abc")
    assert "can be reached from outside" in refused(1, "serve", HOST="0.0.0.0")
    said = refused(1, "accounts", DATABASE_URL="mysql://somewhere")
    assert "write it as postgresql://" in said
    said = refused(1, "accounts", DATABASE_URL="postgresql://daybook@/books?colour=red")
    assert "cannot be used" in said
    nowhere = "postgresql://daybook@127.0.0.1:1/books"
    said = refused(1, "accounts", DATABASE_URL=nowhere, DATABASE_ADMIN_URL=nowhere)
    assert "the database cannot be reached" in said
    assert said.endswith("See whether it runs, and whether DATABASE_URL is right.")


def test_output_that_cannot_be_written_is_a_sentence(ledgered: Ledgered) -> None:
    with Path(os.devnull).open() as read_only:
        ended = subprocess.run(
            [*COMMAND, "accounts"],
            env=environment(settings_of(ledgered.database)),
            cwd=ROOT,
            stdout=read_only,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == "daybook: [Errno 9] Bad file descriptor\n"
