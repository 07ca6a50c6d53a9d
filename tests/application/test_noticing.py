"""Notices reach the log once, sealed under one key a month, whoever else writes at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from psycopg import AsyncConnection, Connection

from application import noticing
from application.ledger import Done, Ledger, Submission
from application.privacy import person_keys
from application.privacy.master_keys import MasterKeys
from application.privacy.sealing import SealBrokenError, is_sealed, open_sealed
from domain.security import AuthenticationFailed, Noticed, RateLimited, key_of, stream_of
from tests.conftest import Database

MASTERS = MasterKeys(bytes(range(32)))
NOTICE = AuthenticationFailed(
    "invalid_token", "GET /api/accounts", "", "203.0.113.7", "curl", "request-1", 12
)
BARE = RateLimited("rate_limited", "GET /api/accounts", "user:1", correlation_id="request-2")

Act = Callable[[AsyncConnection[Any]], Awaitable[None]]


def run(database: Database, act: Act) -> None:
    async def connected() -> None:
        async with await AsyncConnection.connect(database.url, autocommit=True) as conn:
            await act(conn)

    asyncio.run(connected())


def write(database: Database, ledger: Ledger, batch_id: UUID, *notices: Noticed) -> None:
    run(database, lambda conn: noticing.write(ledger, conn, MASTERS, batch_id, notices))


def opened(database: Database) -> list[tuple[str, str, dict[str, Any]]]:
    """Stream, topic and content of all notices, what is personal opened with the keys that are kept."""
    found = []
    with database.connect() as conn:
        rows = conn.execute(
            "SELECT originator_id, topic, state, recorded_at FROM events ORDER BY notification_id"
        ).fetchall()
        for stream_id, topic, state, recorded_at in rows:
            id_, key = key_for(conn, stream_id, recorded_at)
            data = msgspec.json.decode(state)
            for field in ("address", "user_agent"):
                if is_sealed(data.get(field)):
                    data[field] = open_sealed(key, data[field], noticing.field_place(id_, field))
                else:
                    assert not data.get(field), "in clear"
            found.append((str(stream_id), topic, data))
    return found


def key_for(conn: Connection[Any], stream_id: UUID, recorded_at: datetime) -> tuple[UUID, bytes]:
    """The key of the moment, in the hour that the stream is of, at which something was sealed."""
    moments = (recorded_at.astimezone(UTC), recorded_at.astimezone(UTC) - timedelta(minutes=5))
    (id_,) = {key_of(moment) for moment in moments if stream_of(moment) == stream_id}
    return id_, person_keys.load_sync(conn, MASTERS, [id_])[id_]


def test_they_are_in_the_stream_of_the_hour_with_all_that_they_tell(database: Database) -> None:
    with Ledger(database.url) as ledger:
        write(database, ledger, uuid4(), NOTICE, BARE)
        write(database, ledger, uuid4(), BARE)
    first, second, third = opened(database)
    assert first[1:] == (NOTICE.topic, msgspec.to_builtins(NOTICE))
    bare = {name: value for name, value in msgspec.to_builtins(BARE).items() if value}
    for _, topic, data in (second, third):
        assert topic == BARE.topic
        assert {name: value for name, value in data.items() if value} == bare


def test_the_same_batch_is_written_once(database: Database) -> None:
    batch_id = uuid4()
    with Ledger(database.url) as ledger, Ledger(database.url) as other:
        for one in (ledger, other, ledger):
            write(database, one, batch_id, NOTICE, BARE)
        write(database, ledger, uuid4(), NOTICE)
    assert len(opened(database)) == 3


class Late(Ledger):
    """Lets something happen between the sealing and the first writing."""

    before: Callable[[], Awaitable[None]] | None = None

    async def post(self, submission: Submission) -> Done:
        before, self.before = self.before, None
        if before is not None:
            await before()
        return await super().post(submission)


def test_of_two_servers_that_need_the_months_key_first_one_makes_it(database: Database) -> None:
    async def race(conn: AsyncConnection[Any]) -> None:
        late.before = lambda: noticing.write(other, conn, MASTERS, uuid4(), [NOTICE])
        await noticing.write(late, conn, MASTERS, uuid4(), [NOTICE, BARE])

    late = Late(database.url)
    with late, Ledger(database.url) as other:
        run(database, race)
    assert [topic for _, topic, _ in opened(database)] == [NOTICE.topic, NOTICE.topic, BARE.topic]
    with database.connect() as conn:
        assert conn.execute("SELECT count(*) FROM person_keys").fetchone() == (1,)


def test_what_is_sealed_opens_in_its_own_field_only(database: Database) -> None:
    with Ledger(database.url) as ledger:
        write(database, ledger, uuid4(), NOTICE)
    with database.connect() as conn:
        row = conn.execute("SELECT originator_id, recorded_at, state FROM events").fetchone()
        assert row is not None
        id_, key = key_for(conn, row[0], row[1])
    address = msgspec.json.decode(row[2])["address"]
    with pytest.raises(SealBrokenError):
        open_sealed(key, address, noticing.field_place(id_, "user_agent"))
