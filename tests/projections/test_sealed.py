"""Sealed texts are hidden from whoever is shown events, and exports say which of them are erased."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, ClassVar, get_args
from uuid import UUID, uuid4

import psycopg
import pytest
from msgspec import Struct

from application.ledger import Ledger, Submission
from application.privacy import person_keys
from application.privacy.master_keys import MasterKeys
from domain import approvals, bank_transfers, movements
from domain.accounts import Opened
from domain.asked import BankTransferAsked, InvestmentAsked
from domain.credit_applications import WithdrawApplication, Withdrawn
from domain.events import Event, Recorded
from domain.provenance import Provenance
from domain.security import AuthenticationFailed, key_of, stream_of
from domain.users import ChangeProfile, EraseUser, Registered, RegisterUser
from projections.exporting.writing import Format
from projections.histories import state_at
from projections.log import stream_events
from projections.sealed import hide, hide_in, hide_logged
from tests.conftest import Database
from tests.projections.exporting.reading import export, exported_rows
from tests.projections.histories import a_day, append, log_of, recorded, write
from tests.projections.lending import asked, changed, reported, submit
from tests.projections.people import sealed
from tests.projections.running import ask

MASTERS = MasterKeys(b"0123456789abcdef0123456789abcdef")
ALICE, BOB = UUID(int=1), UUID(int=2)

Conn = psycopg.Connection[Any]


def put_key(conn: Conn, person_id: UUID) -> None:
    person_keys.keep(conn, MASTERS, person_keys.new(person_id))


def register(ledger: Ledger, person_id: UUID) -> None:
    """With the key that a person has until it is erased."""
    command = RegisterUser(person_id, sealed(Random(1)), sealed(Random(2)))
    ledger.submit_and_wait(
        Submission([command], Provenance("test"), beside=lambda conn: put_key(conn, person_id))
    )


@pytest.mark.parametrize("format", get_args(Format))
def test_an_export_holds_no_sealed_text_before_an_erasure_or_after_it(
    format: Format, database: Database, ledger: Ledger, tmp_path: Path
) -> None:
    register(ledger, ALICE)
    register(ledger, BOB)
    write(ledger, [ChangeProfile(ALICE, full_name=sealed(Random(3)))])
    ids = {"Alice": str(ALICE), "Bob": str(BOB)}

    def texts(folder: Path) -> dict[str, set[str]]:
        export(database.url, folder, format)
        for path in folder.rglob("topic=*/*/*"):
            assert b"sealed:1:" not in path.read_bytes()
        rows = exported_rows(folder)
        shown = [(r["stream_id"], r["full_name"]) for r in rows["user.profile_changed"]]
        for name in ("email", "full_name"):
            shown += [(r["stream_id"], r[name]) for r in rows["user.registered"]]
        assert len(shown) == 5
        return {who: {text for id_, text in shown if id_ == ids[who]} for who in ids}

    assert texts(tmp_path / "before") == {"Alice": {"[sealed]"}, "Bob": {"[sealed]"}}
    write(ledger, [EraseUser(ALICE)])
    assert texts(tmp_path / "after") == {"Alice": {"[erased]"}, "Bob": {"[sealed]"}}


class Letter(Struct, frozen=True):
    to: str
    lines: tuple[str, ...] = ()


class Written(Event, frozen=True):
    topic: ClassVar[str] = "test.written"
    letters: list[Letter]
    notes: dict[str, list[str]]
    author: UUID = ALICE


def hidden(conn: Conn, *happened: tuple[UUID, Event]) -> list[Event]:
    return [event.data for event in hide(conn, log_of(*happened))]


def test_texts_are_hidden_however_deep_they_are(conn: Conn) -> None:
    secret = sealed(Random(1))
    data = Written([Letter(secret, ("dear", secret))], {"a": ["b", secret]})
    assert hidden(conn, (ALICE, data)) == [
        Written([Letter("[erased]", ("dear", "[erased]"))], {"a": ["b", "[erased]"]})
    ]
    assert data.letters[0].to == secret


def test_all_else_stays_as_it_is(conn: Conn) -> None:
    opened = Opened('say "sealed:1:x"', "checking", "EUR", BOB)
    registered = Registered(sealed(Random(1)), "sealed?", "admin", BOB)
    log = log_of((ALICE, opened), (BOB, registered))
    first, second = hide(conn, log)
    assert first == log[0]
    expected = Registered("[erased]", "sealed?", "admin", BOB)
    assert second == Recorded(
        2, BOB, 1, "user.registered", log[1].recorded_at, expected, log[1].metadata
    )


def test_an_account_at_another_bank_is_its_persons(conn: Conn) -> None:
    """Whatever stream it is in: of the bank transfer, or of what the bank is to move."""
    secret = sealed(Random(1))

    def shown(person_id: UUID | None) -> list[Event]:
        return hidden(
            conn,
            (uuid4(), transfer_asked(secret, person_id)),
            (uuid4(), instructed(secret, person_id)),
        )

    for person_id, key, text in (
        (ALICE, ALICE, "[sealed]"), (BOB, ALICE, "[erased]"), (None, ALICE, "[erased]"),
    ):  # fmt: skip
        conn.execute("DELETE FROM person_keys")
        put_key(conn, key)
        expected = [transfer_asked(text, person_id), instructed(text, person_id)]
        assert shown(person_id) == expected


def transfer_asked(account: str, person_id: UUID | None) -> bank_transfers.Requested:
    """With a part of the account to be seen, as long as the person is known."""
    hint = account if account == "[erased]" else "**3000"
    return bank_transfers.Requested("deposit", BOB, "EUR", 100, account, hint, person_id)


def instructed(account: str, person_id: UUID | None) -> movements.Instructed:
    return movements.Instructed("deposit", BOB, "collection", "in", account, "EUR", 100, person_id)


async def told(conn: psycopg.AsyncConnection[Any], stream_id: UUID) -> tuple[set[str], set[str]]:
    """What stands for sealed texts in a stream's events, and in its state after each of them."""
    events = await stream_events(conn, stream_id, after_version=0, limit=100)
    hidden = await hide_logged(conn, events)
    states = [
        await hide_in(conn, event, (await state_at(conn, stream_id, event.version)).state)
        for event in events
    ]
    marks = ("[sealed]", "[erased]", "sealed:1:")
    shown, held = str([event.data for event in hidden]), str(states)
    return {mark for mark in marks if mark in shown}, {mark for mark in marks if mark in held}


def test_a_credit_application_is_its_persons(
    ledger: Ledger, database: Database, conn: Conn
) -> None:
    """Also where only its first event names who that is."""
    id_ = uuid4()
    write(
        ledger,
        [
            submit(id_, asked(person_id=BOB)), reported(id_),
            changed(id_, ALICE), reported(id_, 700, 2),
        ],
    )  # fmt: skip
    for key, text in ((BOB, "[sealed]"), (id_, "[erased]"), (ALICE, "[erased]")):
        conn.execute("DELETE FROM person_keys")
        put_key(conn, key)
        found = [event.data for event in hide(conn, recorded(conn))]
        personal = [getattr(data, "full_name", None) or getattr(data, "raw", "") for data in found]
        assert [one for one in personal if one] == [text] * 4
        assert ask(database.url, told, id_) == ({text}, {text})
    other = uuid4()
    write(ledger, [submit(other, asked())])
    put_key(conn, other)
    assert ask(database.url, told, other) == ({"[sealed]"}, {"[sealed]"})


def test_what_waits_for_a_second_person_is_its_persons(database: Database, conn: Conn) -> None:
    """Also what is told of the approval after later events, which do not name the person."""
    id_, person = uuid4(), uuid4()
    asked_for = BankTransferAsked(
        uuid4(), "deposit", BOB, "EUR", 100, sealed(Random(1)), "**3000", person
    )
    requested = approvals.Requested(ALICE, a_day(1), asked=asked_for)
    append(database, (id_, requested), (id_, approvals.Rejected(BOB)))
    for text, has_hint in (("[erased]", False), ("[sealed]", True)):
        if has_hint:
            put_key(conn, person)
        assert ask(database.url, told, id_) == ({text}, {text})
        first = hide(conn, recorded(conn))[0].data
        for shown in (str(first), ask(database.url, state_shown, id_)):
            assert ("**3000" in shown) == has_hint


def test_what_a_customer_said_of_what_waits_is_forgotten_and_what_staff_said_is_not(
    database: Database, conn: Conn
) -> None:
    person, said = uuid4(), approvals.Withdrawn("ill")
    of = (uuid4(), BOB, uuid4(), 100, "EUR")
    hers, staffs = (
        (uuid4(), approvals.Requested(owner or ALICE, a_day(1), asked=InvestmentAsked(*of, owner)))
        for owner in (person, None)
    )
    append(database, hers, staffs, (hers[0], said), (staffs[0], said))

    def shown(id_: UUID) -> list[bool]:
        events = [event for event in recorded(conn) if event.stream_id == id_]
        return [
            "'ill'" in text
            for text in (str(hide(conn, events)), ask(database.url, state_shown, id_))
        ]

    for is_known in (True, False):
        if is_known:
            put_key(conn, person)
        else:
            conn.execute("DELETE FROM person_keys")
        assert (shown(hers[0]), shown(staffs[0])) == ([is_known] * 2, [True] * 2)


def test_what_shows_a_part_of_a_document_or_was_said_is_forgotten_too(
    ledger: Ledger, database: Database, conn: Conn
) -> None:
    id_, person = uuid4(), uuid4()
    put_key(conn, person)
    write(
        ledger,
        [
            submit(id_, asked(person_id=person)),
            changed(id_, ALICE),
            WithdrawApplication(id_, "ill"),
        ],
    )

    def shown() -> tuple[list[str], list[str], str]:
        found = [event.data for event in hide(conn, recorded(conn))]
        hints = [text for data in found if (text := getattr(data, "document_hint", ""))]
        said = [data.reason for data in found if isinstance(data, Withdrawn)]
        return hints, said, ask(database.url, state_shown, id_)

    hints, said, state = shown()
    assert (len(hints), said) == (2, ["ill"])
    assert "[erased]" not in hints
    assert hints[-1] in state
    assert "('ill',)" in state
    conn.execute("DELETE FROM person_keys WHERE person_id = %s", (person,))
    assert shown()[:2] == (["[erased]"] * 2, ["[erased]"])
    assert hints[-1] not in shown()[2]
    assert "'ill'" not in shown()[2]


async def state_shown(conn: psycopg.AsyncConnection[Any], stream_id: UUID) -> str:
    event = (await stream_events(conn, stream_id, after_version=0, limit=100))[-1]
    state = (await state_at(conn, stream_id, event.version)).state
    return str(await hide_in(conn, event, state))


def test_the_security_log_is_forgotten_month_by_month(conn: Conn) -> None:
    failed = AuthenticationFailed("invalid_token", "GET /", address=sealed(Random(1)))
    at = a_day(0)
    months = [at, at + timedelta(days=31), at + timedelta(days=31, hours=1)]
    log = [
        Recorded(n, stream_of(moment), 1, failed.topic, moment, failed, b"{}")
        for n, moment in enumerate(months)
    ]
    put_key(conn, key_of(months[1]))

    def addresses(events: Sequence[Recorded]) -> list[str]:
        return [getattr(event.data, "address", "") for event in events]

    assert addresses(hide(conn, log)) == ["[erased]", "[sealed]", "[sealed]"]


class Counting(psycopg.Connection[Any]):
    """A connection that knows how often it was asked something."""

    asked = 0

    def execute(self, *args: Any, **kwargs: Any) -> psycopg.Cursor[Any]:
        self.asked += 1
        return super().execute(*args, **kwargs)


def test_the_database_is_asked_once_a_batch_and_only_when_something_is_sealed(
    database: Database, conn: Conn
) -> None:
    people = [uuid4() for _ in range(50)]
    for person in people[::2]:
        put_key(conn, person)
    nothing = log_of((ALICE, Opened("a", "cash", "EUR")))
    registered = log_of(*((person, Registered(sealed(Random(1)), "")) for person in people))
    with Counting.connect(database.url, autocommit=True) as counting:
        assert hide(counting, nothing) is nothing
        assert counting.asked == 0
        found = hide(counting, registered)
        assert counting.asked == 1
    assert [getattr(e.data, "email", "") for e in found] == ["[sealed]", "[erased]"] * 25
