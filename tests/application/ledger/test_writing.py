"""What one transaction does beside its events: provenance, time, deadlines, and who fails alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from application.ledger import Accepted, Ledger, Submission
from domain.catalogue import UnknownEventError
from domain.provenance import Provenance
from domain.transfers import ExpirePending, PostPending, PostTransfer, ReverseTransfer, VoidPending
from tests.conftest import Database
from tests.support.ledgers import (
    accepted,
    ask,
    balances,
    open_account,
    pay,
    receipt,
    refusal,
    submission,
    submit,
)
from tests.support.log import (
    assert_sound,
    busy,
    head,
    rows,
    transactions,
    write_raw,
    writers_waiting,
)
from tests.support.waiting import until


def turn_clock_to(conn: psycopg.Connection[Any], moment: datetime) -> None:
    """Ledger time never goes back, so a head from the future takes the ledger there."""
    conn.execute("UPDATE ledger_head SET recorded_at = %s", (moment,))


def deadlines(conn: psycopg.Connection[Any]) -> dict[UUID, datetime]:
    return dict(conn.execute("SELECT transfer_id, due_at FROM deadlines").fetchall())


def hold(source: UUID, destination: UUID, expires_in_s: int = 60) -> PostTransfer:
    return PostTransfer(
        uuid4(), source, destination, 10, "EUR", pending=True, expires_in_s=expires_in_s
    )


def test_each_event_says_who_asked_for_it_and_why(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    who = Provenance("till 7", "request 1", "job 2", "command 3")
    ledger.submit_and_wait(Submission([pay(house, shop, 1)], who))
    for row in rows(admin)[-3:]:
        assert json.loads(row.metadata) == {
            "actor": "till 7",
            "correlation_id": "request 1",
            "causation_id": "job 2",
            "command_id": "command 3",
        }


def test_analysts_see_the_same_log_as_json(ledger: Ledger, database: Database) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    transfer = pay(house, shop, 250)
    accepted(ledger, transfer)
    with database.connect() as conn:
        row = conn.execute(
            "SELECT position, stream_id, version, topic, metadata ->> 'actor', data ->> 'amount'"
            " FROM event_log WHERE topic = 'account.credited'"
        ).fetchone()
    assert row == (5, shop, 2, "account.credited", "somebody", "250")


def test_ledger_time_does_not_go_back_when_the_clock_does(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    tomorrow = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    turn_clock_to(admin, tomorrow)
    for _ in range(2):
        assert accepted(ledger, pay(house, shop, 1)).recorded_at == tomorrow
    assert [row.recorded_at for row in rows(admin)][-6:] == [tomorrow] * 6
    assert_sound(admin)


def test_times_in_the_log_rise_with_positions(
    ledger: Ledger, other_ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    for writer in [ledger, other_ledger] * 10:
        accepted(writer, pay(house, shop, 1))
    times = [row.recorded_at for row in rows(admin)]
    assert times == sorted(times)


def test_a_pending_transfer_has_a_deadline_until_it_is_over(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    holds = [hold(house, shop, expires_in_s=60 + number) for number in range(3)]
    first, *_ = submit(ledger, *holds).outcomes
    assert isinstance(first, Accepted)
    assert deadlines(admin) == {
        h.transfer_id: first.recorded_at + timedelta(seconds=h.expires_in_s) for h in holds
    }
    submit(ledger, PostPending(holds[0].transfer_id, "0.04"), VoidPending(holds[1].transfer_id))
    assert list(deadlines(admin)) == [holds[2].transfer_id]
    turn_clock_to(admin, first.recorded_at + timedelta(seconds=62))
    accepted(ledger, ExpirePending(holds[2].transfer_id))
    assert deadlines(admin) == {}


def test_one_without_a_time_limit_has_no_deadline(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    endless = hold(house, shop, expires_in_s=0)
    brief = hold(house, shop)
    submit(ledger, endless, brief, VoidPending(brief.transfer_id))
    assert deadlines(admin) == {}


def test_a_deadline_does_not_come_back_with_a_reversal(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    held = hold(house, shop)
    submit(
        ledger,
        held,
        PostPending(held.transfer_id),
        ReverseTransfer(held.transfer_id, uuid4(), "0.01"),
    )
    accepted(ledger, ReverseTransfer(held.transfer_id, uuid4(), "0.01"))
    assert deadlines(admin) == {}


def test_a_hold_is_refused_by_ledger_time_and_not_by_the_callers_clock(
    ledger: Ledger, other_ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    held = hold(house, shop)
    at = accepted(ledger, held).recorded_at
    assert refusal(other_ledger, ExpirePending(held.transfer_id)).reason == "transfer_not_due"
    turn_clock_to(admin, at + timedelta(seconds=60))
    assert refusal(ledger, PostPending(held.transfer_id)).reason == "transfer_expired"
    accepted(other_ledger, ExpirePending(held.transfer_id))
    assert refusal(ledger, VoidPending(held.transfer_id)).reason == "transfer_not_pending"


POISON: list[dict[str, Any]] = [
    {"description": "half a character: \ud800"},
    {"expires_in_s": 10**12, "pending": True},
]


@pytest.mark.parametrize("poison", POISON)
@pytest.mark.parametrize("linked", [False, True])
def test_a_command_that_can_not_be_written_fails_alone(
    poison: dict[str, Any], linked: bool, ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    bad = PostTransfer(uuid4(), house, shop, 1, "EUR", **poison)
    before = transactions(admin)
    with busy(admin):
        ledger.submit(submission())
        until(lambda: writers_waiting(admin) == 1)
        futures = [
            ledger.submit(submission(*commands, linked=linked))
            for commands in (
                [pay(house, shop, 10)],
                [pay(house, shop, 100), bad],
                [pay(house, shop, 20)],
            )
        ]
    assert isinstance(futures[0].result(30).outcomes[0], Accepted)
    with pytest.raises((OverflowError, ValueError)):
        futures[1].result(30)
    assert isinstance(futures[2].result(30).outcomes[0], Accepted)
    assert transactions(admin) == before + 2
    assert balances(accepted(ledger, pay(house, shop, 1))) == (-31, 31)
    assert_sound(admin)


def test_a_receipt_that_the_database_refuses_fails_alone(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    with busy(admin):
        ledger.submit(submission())
        until(lambda: writers_waiting(admin) == 1)
        bad = ledger.submit(submission(pay(house, shop, 100), receipt=receipt("no\0key")))
        good = ledger.submit(submission(pay(house, shop, 10), receipt=receipt("key")))
    with pytest.raises(psycopg.DataError):
        bad.result(30)
    assert balances(good.result(30).outcomes[0]) == (-10, 10)
    assert_sound(admin)


def test_a_large_batch_is_sent_in_parts_and_is_one_transaction(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    before = transactions(admin)
    outcomes = submit(ledger, *[pay(house, shop, 1) for _ in range(1_500)]).outcomes
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert transactions(admin) == before + 1
    assert_sound(admin)


def test_a_large_batch_that_fails_at_its_end_leaves_nothing(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    before = head(admin)
    bad = PostTransfer(uuid4(), house, shop, 1, "EUR", **POISON[0])
    with pytest.raises(UnicodeEncodeError):
        submit(ledger, *[pay(house, shop, 1) for _ in range(1_000)], bad)
    assert head(admin) == before
    assert isinstance(ask(ledger, pay(house, shop, 1)), Accepted)
    assert_sound(admin)


def test_an_event_that_this_version_does_not_know_stops_who_would_build_on_it(
    ledger: Ledger, other_ledger: Ledger, admin: psycopg.Connection[Any], database: Database
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    write_raw(database.url, shop, 2, "account.renamed", b"{}")
    before = head(admin)
    for writer in (ledger, other_ledger):
        with pytest.raises(UnknownEventError, match=r"account\.renamed.*deploy the version"):
            ask(writer, pay(house, shop, 1))
    assert head(admin) == before
    two_more = open_account(other_ledger, "cash"), open_account(other_ledger)
    assert isinstance(ask(other_ledger, pay(*two_more, 1)), Accepted)
