"""The security read model: every notice and what was done to users, for search, with nothing in clear."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest

from application.ledger import Ledger, Submission
from domain import security
from domain.events import Event, Recorded
from domain.provenance import Provenance
from domain.security import AuthenticationFailed, Noticed, key_of, stream_of
from domain.transfers import PostTransfer
from domain.users import Erased, Registered
from projections.audit.words import describe
from projections.catalogue import read_model
from projections.security import queries
from projections.security.projection import ADMIN_ACTION, KINDS
from projections.security.queries import NoticeRow, Wanted
from tests.conftest import Database
from tests.projections.histories import busy_history, open_accounts, recorded, write
from tests.projections.people import People
from tests.projections.running import ask_pages, caught_up, project_all, projected, rows, running

SECURITY = read_model("security")
LAST_HOUR = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)

Conn = psycopg.Connection[Any]


def notices(events: list[Recorded]) -> list[NoticeRow]:
    """What the read model must hold, newest first."""
    found = []
    for e in events:
        data = e.data
        if isinstance(data, Noticed):
            row = NoticeRow(
                e.position, e.recorded_at, e.topic[len("security."):], data.reason, data.action,
                data.actor, data.address, data.user_agent, key_of(e.recorded_at),
                data.correlation_id, data.count,
            )  # fmt: skip
        elif e.topic.startswith(("user.", "approval.")):
            origin = msgspec.json.decode(e.metadata)
            row = NoticeRow(
                e.position, e.recorded_at, "admin_action", e.topic, describe(data, ""),
                origin["actor"], "", "", None, origin.get("correlation_id", ""), 1,
            )  # fmt: skip
        else:
            continue
        found.append(row)
    return found[::-1]


def search_all(url: str, size: int = 1_000, **wanted: Any) -> list[NoticeRow]:
    """Page after page, all of them full but the last."""
    pages = ask_pages(url, queries.search, Wanted(**wanted), limit=size)
    assert all(len(page) == size for page in pages[:-1])
    return [row for page in pages for row in page]


@pytest.mark.parametrize("size", [1, 4, 1_000])
def test_batches_may_be_cut_anywhere(size: int, conn: Conn, ledger: Ledger) -> None:
    people = People(Random(1), open_accounts(ledger, 4))
    for _ in range(6):
        write(ledger, people.commands())
    log = recorded(conn)
    expected = notices(log)
    assert {row.kind for row in expected} == set(KINDS)
    found = [NoticeRow(*row) for row in projected(conn, SECURITY, log, size)]
    assert found[::-1] == expected


def test_every_notice_is_there_live_and_rebuilt(
    database: Database, ledger: Ledger, conn: Conn
) -> None:
    with running(database.url):
        busy_history(ledger)
        caught_up(conn, "security")
    assert search_all(database.url) == notices(recorded(conn))
    live = rows(conn, "security")
    project_all(database.url, "security")
    assert rows(conn, "security") == live


def test_search_finds_by_each_filter_and_by_several(
    database: Database, ledger: Ledger, conn: Conn
) -> None:
    people = People(Random(2), open_accounts(ledger, 4))
    for n in range(8):
        who = Provenance(f"user:{n % 3}", f"request {n}")
        ledger.submit_and_wait(Submission(people.commands(40), who))
    project_all(database.url, "security")
    all_ = notices(recorded(conn))
    some = all_[len(all_) // 2]
    since, until = all_[-20].recorded_at, all_[20].recorded_at
    cases: list[dict[str, Any]] = [
        {},
        *({"kind": kind} for kind in KINDS),
        {"actor": "user:1"},
        {"actor": ""},
        {"reason": "invalid_token"},
        {"reason": "user.registered"},
        {"recorded_from": since},
        {"recorded_to": until},
        {"recorded_from": some.recorded_at, "recorded_to": some.recorded_at + timedelta.resolution},
        {"kind": ADMIN_ACTION, "actor": "user:2", "recorded_from": since, "recorded_to": until},
        {"kind": "rate_limited", "actor": "user:1", "reason": "forbidden"},
    ]
    for wanted in cases:
        expected = [row for row in all_ if is_wanted(row, wanted)]
        assert expected, wanted
        for size in (2, len(expected), 1_000):
            assert search_all(database.url, size, **wanted) == expected, wanted
    assert search_all(database.url, actor="nobody") == []


def is_wanted(row: NoticeRow, wanted: dict[str, Any]) -> bool:
    return (
        all(
            getattr(row, name) == wanted[name]
            for name in wanted.keys() & {"kind", "actor", "reason"}
        )
        and wanted.get("recorded_from", row.recorded_at) <= row.recorded_at
        and ("recorded_to" not in wanted or row.recorded_at < wanted["recorded_to"])
    )


def test_only_what_concerns_people_is_in_it(database: Database, ledger: Ledger, conn: Conn) -> None:
    a, b = open_accounts(ledger, 2)
    write(ledger, [PostTransfer(uuid4(), b, a, 5, "EUR")])
    project_all(database.url, "security")
    assert search_all(database.url) == []


@pytest.mark.parametrize("delay", [timedelta(0), timedelta(seconds=2), timedelta(minutes=59)])
def test_the_key_is_that_of_the_hour_in_which_it_was_noticed(conn: Conn, delay: timedelta) -> None:
    event = AuthenticationFailed("invalid_token", "GET /", address="sealed:1:a")
    log = [logged(stream_of(LAST_HOUR), LAST_HOUR + delay, event)]
    (row,) = projected(conn, SECURITY, log, 1)
    assert NoticeRow(*row).key_id == key_of(LAST_HOUR)


def test_the_next_months_first_notice_has_the_next_months_key(conn: Conn) -> None:
    moment = LAST_HOUR + timedelta(seconds=1)
    log = [logged(stream_of(moment), moment, AuthenticationFailed("invalid_token", "GET /"))]
    (row,) = projected(conn, SECURITY, log, 1)
    assert NoticeRow(*row).key_id == key_of(moment) != key_of(LAST_HOUR)


def test_what_was_done_to_users_says_nothing_personal(conn: Conn) -> None:
    person = uuid4()
    log = [
        logged(person, LAST_HOUR, Registered("sealed:1:secret", "sealed:1:secret", "admin")),
        logged(person, LAST_HOUR, Erased(), 2),
    ]
    found = [NoticeRow(*row) for row in projected(conn, SECURITY, log, 10)]
    assert [(r.kind, r.reason, r.action) for r in found] == [
        ("admin_action", "user.registered", "registered as admin"),
        ("admin_action", "user.erased", "erased: the key of what is personal was destroyed"),
    ]
    assert "secret" not in str(found)


def test_every_kind_of_notice_is_one_of_the_kinds() -> None:
    assert set(KINDS) == {
        "authentication_failed", "authorization_failed", "rate_limited", "suspicious_request",
        "admin_action",
    }  # fmt: skip
    assert len(KINDS) == len(security.EVENTS) + 1


def logged(stream_id: UUID, at: datetime, event: Event, position: int = 1) -> Recorded:
    return Recorded(position, stream_id, position, event.topic, at, event, b"{}")
