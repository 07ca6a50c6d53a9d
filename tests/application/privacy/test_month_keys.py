"""A month's key is made once, kept with what it first seals, and destroyed with all months before one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from psycopg import AsyncConnection

from application.privacy import month_keys, person_keys
from application.privacy.master_keys import MasterKeys
from application.privacy.month_keys import MonthInUseError, MonthKey
from domain.refusals import Refusal
from domain.security import key_of
from tests.conftest import Database

MASTERS = MasterKeys(bytes(range(32)))
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def current(database: Database) -> MonthKey:
    async def ask() -> MonthKey:
        async with await AsyncConnection.connect(database.url, autocommit=True) as conn:
            await conn.execute("SET timezone = 'Pacific/Kiritimati'")
            return await month_keys.current(conn, MASTERS)

    return asyncio.run(ask())


def test_a_month_has_one_key_from_the_first_to_keep_it(database: Database) -> None:
    first, second = current(database), current(database)
    assert first.is_new
    assert second.is_new
    assert first.key.key != second.key.key
    with database.connect() as conn:
        conn.execute("BEGIN")
        month_keys.keep(conn, MASTERS, first.key)
        with pytest.raises(Refusal, match="already_processed"):
            month_keys.keep(conn, MASTERS, second.key)
        conn.execute("COMMIT")  # the transaction goes on
    assert current(database)._replace(moment=first.moment) == first._replace(is_new=False)


def test_it_is_that_of_the_moment_in_utc(database: Database) -> None:
    before = datetime.now(UTC) - timedelta(minutes=5)
    month = current(database)
    assert month.moment.utcoffset() == timedelta(0)
    assert before <= month.moment
    assert month.key.person_id == key_of(month.moment)


def test_what_comes_before_a_month_is_forgotten_and_nothing_else(database: Database) -> None:
    months = [datetime(*month, 1, tzinfo=UTC) for month in [(2024, 12), (2026, 2), (2026, 3)]]
    other = person_keys.new(key_of(MARCH.replace(year=1990)))
    with database.connect() as conn:
        for month in months:
            person_keys.keep(conn, MASTERS, person_keys.new(key_of(month)))
        person_keys.keep(conn, MASTERS, other)
        last_of_march = MARCH + timedelta(days=30)
        forgotten = month_keys.forget_before(conn, MARCH, last_of_march)
        assert forgotten == ["2024-12", "2026-02"]
        left = set(person_keys.load_sync(conn, MASTERS, [*map(key_of, months), other.person_id]))
        assert left == {key_of(MARCH), other.person_id}
        assert month_keys.forget_before(conn, last_of_march, last_of_march) == []


def test_the_month_that_still_is_cannot_be_forgotten(database: Database) -> None:
    with (
        database.connect() as conn,
        pytest.raises(MonthInUseError, match="give 2026-02, or a month before"),
    ):
        month_keys.forget_before(conn, MARCH, MARCH - timedelta(seconds=1))
