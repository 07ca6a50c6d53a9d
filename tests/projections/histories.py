"""Logs with a bit of everything, written by a real ledger, and what they come to when folded."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import msgspec
from eventsourcing.persistence import StoredEvent
from psycopg import Connection
from psycopg_pool import ConnectionPool

from application.event_store.recorder import LogRecorder
from application.ledger import Accepted, Ledger, Submission
from application.ledger.outcomes import Command
from domain import catalogue
from domain.accounts import ChangeAccountStatus, OpenAccount
from domain.catalogue import AggregateState
from domain.events import Event, Recorded
from domain.provenance import Provenance
from domain.reconciliations import Made, MakeReconciliation, MatchedLine, MissingMovement
from domain.transfers import PostPending, PostTransfer, ReverseTransfer, VoidPending
from projections.log import head_position, read_batch
from tests.conftest import Database
from tests.projections.flowing import Flows
from tests.projections.lending import Lending
from tests.projections.people import People

WHO = Provenance(actor="somebody", correlation_id="a test")


def open_accounts(
    ledger: Ledger, count: int, currency: str = "EUR", random: Random | None = None
) -> list[UUID]:
    """A cash account, first, and `count` - 1 accounts that it has funded with 10,000 each."""
    ids = [uuid(random or Random()) for _ in range(count)]
    commands: list[Command] = [OpenAccount(ids[0], "cash", "cash", currency)]
    for n, id_ in enumerate(ids[1:]):
        commands.append(OpenAccount(id_, f"account {n}", "checking", currency, owner_id=ids[0]))
    for id_ in ids[1:]:
        commands.append(PostTransfer(uuid(random or Random()), ids[0], id_, 10_000, currency))
    write(ledger, commands)
    return ids


def write(ledger: Ledger, commands: list[Command]) -> list[UUID]:
    """Submit commands, at most 50 a transaction; answers the ids of what was accepted."""
    accepted = []
    for start in range(0, len(commands), 50):
        done = ledger.submit_and_wait(Submission(commands[start : start + 50], WHO))
        accepted += [o.id for o in done.outcomes if isinstance(o, Accepted)]
    return accepted


def uuid(random: Random) -> UUID:
    return UUID(int=random.getrandbits(128), version=4)


def pay(random: Random, accounts: list[UUID], currency: str = "EUR") -> PostTransfer:
    """Some transfer between two of the accounts, pending or not, which may well be refused."""
    source, destination = random.sample(accounts, 2)
    return PostTransfer(
        uuid(random),
        source,
        destination,
        random.randint(1, 3_000),
        currency,
        description=random.choice(["", "rent", "café"]),
        reference=random.choice(["", "", "INV-1", "INV-2"]),
        effective_at=random.choice([None, None, a_day(random.randint(0, 30))]),
        metadata=random.choice([{}, {"order": "é7", "n": 1, "gift": True}]),
        pending=random.random() < 0.3,
        expires_in_s=random.choice([0, 3600]),
        up_to=random.random() < 0.2,
    )


def a_day(number: int) -> datetime:
    return datetime(2020, 1, 1, 12, tzinfo=UTC) + timedelta(days=number)


EVEN = Made(
    account="NL91ABNA0417164300",
    currency="EUR",
    opened_on=date(2026, 3, 1),
    closed_on=date(2026, 3, 31),
    statement_reference="S1",
    number="3/1",
    digest="ab" * 32,
    opening=-100,
    closing=200,
    lines=1,
    movements=2,
    matched_total=1,
    missing_total=1,
    unexpected_total=0,
    mismatched_total=0,
    matched=(MatchedLine(1, UUID(int=11), 300, "reference"),),
    missing=(MissingMovement(UUID(int=12), -7),),
)
"""A statement that nobody has to look at."""


def busy_history(ledger: Ledger, seed: int = 1, transfers: int = 300) -> dict[str, list[UUID]]:
    """Accounts of two currencies, and all that can happen to them, to people, flows and credit meanwhile;
    answers the accounts by currency."""
    random = Random(seed)
    accounts = {c: open_accounts(ledger, 8, c, random) for c in ("EUR", "JPY")}
    people = People(Random(seed), accounts["EUR"])
    flows = Flows(Random(f"flows {seed}"), accounts["EUR"][1:])
    credit = Lending(Random(f"credit {seed}"), accounts["EUR"])
    others = Random(f"reconciliations {seed}")
    begun: list[UUID] = []
    for _ in range(transfers // 30):
        commands: list[Command] = []
        for _ in range(30):
            currency = random.choice(["EUR", "JPY"])
            commands.append(pay(random, accounts[currency], currency))
        for id_ in random.sample(begun, min(15, len(begun))):
            part = random.choice([None, None, "1"])
            endings: list[Command] = [PostPending(id_, part), VoidPending(id_, "not wanted")]
            commands += [
                random.choice(endings),
                ReverseTransfer(id_, uuid(random), part, "goods came back"),
            ]
        id_ = random.choice(accounts["EUR"][1:])
        commands.append(ChangeAccountStatus(id_, random.choice(["frozen", "inactive"]), "why not"))
        begun += write(ledger, commands)
        write(ledger, [ChangeAccountStatus(id_, "active")])
        write(ledger, people.commands())
        write(ledger, flows.commands())
        write(ledger, credit.commands())
        write(ledger, [MakeReconciliation(uuid(others), EVEN) for _ in range(2)])
    return accounts


@contextmanager
def keeping_busy(ledger: Ledger) -> Iterator[None]:
    """While the block runs, somebody writes such histories, a fifth of the time: on a slow machine too
    the log must not grow out of hand."""
    stop = threading.Event()

    def write_on() -> None:
        pause_s, seed = 0.0, 100
        while not stop.wait(pause_s):
            started = time.monotonic()
            busy_history(ledger, seed, transfers=30)
            pause_s, seed = 4 * (time.monotonic() - started), seed + 1

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


def recorded(conn: Connection[Any]) -> list[Recorded]:
    """The whole log."""
    return read_batch(conn, 0, max(head_position(conn), 1))


def log_of(*happened: tuple[UUID, Event]) -> list[Recorded]:
    """A log of such events of streams, one an hour, that no ledger has decided."""
    versions: Counter[UUID] = Counter()
    events = []
    for position, (id_, event) in enumerate(happened, 1):
        versions[id_] += 1
        at = a_day(0) + timedelta(hours=position)
        events.append(Recorded(position, id_, versions[id_], event.topic, at, event, b"{}"))
    return events


def append(database: Database, *happened: tuple[UUID, Event]) -> None:
    """Append such events, the first ones of their streams, as they are."""
    stored = [
        StoredEvent(e.stream_id, e.version, e.topic, msgspec.json.encode(e.data))
        for e in log_of(*happened)
    ]
    with ConnectionPool(database.url, min_size=1) as pool:
        LogRecorder(pool).insert_events(stored)


def write_raw(database: Database, topic: str, state: bytes) -> None:
    """Append an event that no ledger of this version would write."""
    write_all_raw(database, [(topic, state)])


def write_all_raw(database: Database, events: Iterable[tuple[str, bytes]]) -> None:
    """Append such events, each the first of a stream."""
    stored = [StoredEvent(uuid4(), 1, topic, state) for topic, state in events]
    with ConnectionPool(database.url, min_size=1) as pool:
        LogRecorder(pool).insert_events(stored)


def fold(events: list[Recorded]) -> Iterator[tuple[Recorded, AggregateState]]:
    """Each event with the state of its aggregate right after it."""
    states: dict[UUID, AggregateState] = {}
    for event in events:
        before = states.get(event.stream_id)
        states[event.stream_id] = catalogue.evolve(before, event.data, event.stream_id)
        yield event, states[event.stream_id]
