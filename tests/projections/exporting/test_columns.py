"""Columns: typed by the events' fields, for every topic there is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, ClassVar, get_args
from uuid import UUID

import duckdb
import psycopg
import pytest

from domain import catalogue
from domain.events import Event, Recorded
from projections.exporting.columns import OWN, Column, columns_of, values_of
from projections.exporting.writing import Format
from tests.conftest import Database
from tests.house.test_stored_names import GOLDEN
from tests.projections.exporting.reading import (
    expected_rows,
    export,
    exported_rows,
    manifest,
)
from tests.projections.histories import recorded, write_all_raw

OWN_TYPES = {
    "position": "BIGINT",
    "stream_id": "VARCHAR",
    "version": "BIGINT",
    "recorded_at": "TIMESTAMP WITH TIME ZONE",
    "actor": "VARCHAR",
    "correlation_id": "VARCHAR",
    "causation_id": "VARCHAR",
    "command_id": "VARCHAR",
}

TYPES = {
    "account.debited": {
        "transfer_id": "VARCHAR",
        "counterparty_id": "VARCHAR",
        "amount": "BIGINT",
        "balance": "BIGINT",
        "held": "BIGINT",
        "released": "BIGINT",
        "effective_at": "TIMESTAMP WITH TIME ZONE",
        "description": "VARCHAR",
        "reference": "VARCHAR",
    },
    "transfer.reserved": {
        "source_id": "VARCHAR",
        "destination_id": "VARCHAR",
        "currency": "VARCHAR",
        "amount": "BIGINT",
        "requested": "BIGINT",
        "up_to": "BOOLEAN",
        "description": "VARCHAR",
        "reference": "VARCHAR",
        "effective_at": "TIMESTAMP WITH TIME ZONE",
        "metadata": "VARCHAR",
        "expires_at": "TIMESTAMP WITH TIME ZONE",
        "expires_in_s": "BIGINT",
        "owner_id": "VARCHAR",
    },
    "statement.imported": {
        "account_id": "VARCHAR",
        "bank_account": "VARCHAR",
        "reference": "VARCHAR",
        "number": "VARCHAR",
        "currency": "VARCHAR",
        "opening": "BIGINT",
        "closing": "BIGINT",
        "lines": "BIGINT",
        "opened_on": "DATE",
        "closed_on": "DATE",
        "source": "VARCHAR",
    },
    "transfer.expired": {},
}


def write_all_shapes(database: Database) -> None:
    """Every event of the catalogue, with all of its fields and with the least that is stored."""
    write_all_raw(
        database,
        [(topic, text.encode()) for topic, it in GOLDEN.items() for text in it["examples"]],
    )


@pytest.mark.parametrize("format", get_args(Format))
def test_every_topic_is_exported_with_all_fields_and_with_none(
    format: Format, database: Database, conn: psycopg.Connection[Any], tmp_path: Path
) -> None:
    write_all_shapes(database)
    export(database.url, tmp_path, format)
    assert set(manifest(tmp_path)["topics"]) == set(catalogue.EVENT_TYPES)
    found = exported_rows(tmp_path)
    assert set(found) == set(catalogue.EVENT_TYPES)
    assert found == expected_rows(recorded(conn))


def test_readers_see_typed_columns(database: Database, tmp_path: Path) -> None:
    write_all_shapes(database)
    export(database.url, tmp_path)
    with duckdb.connect() as duck:
        for topic, types in TYPES.items():
            files = tmp_path / f"topic={topic}" / "*" / "*.parquet"
            seen = duck.execute(
                f"DESCRIBE SELECT * FROM read_parquet('{files}', hive_partitioning = false)"
            ).fetchall()
            assert {row[0]: row[1] for row in seen} == OWN_TYPES | types
            assert list(OWN_TYPES | types) == [row[0] for row in seen]


def test_no_field_is_called_as_a_column_that_every_topic_has() -> None:
    for event in catalogue.EVENT_TYPES.values():
        names = [column.name for column in columns_of(event)]
        assert len({*names, "topic", "month"}) == len(names) + 2, event.topic


class Listed(Event, frozen=True):
    topic: ClassVar[str] = "test.listed"
    ratio: float
    tags: list[UUID]
    pair: tuple[int, ...] | None = None


class Odd(Event, frozen=True):
    topic: ClassVar[str] = "test.odd"
    either: int | str | None = None


class Timed(Event, frozen=True):
    topic: ClassVar[str] = "test.timed"
    at: datetime
    on: date


def test_what_holds_several_values_is_json() -> None:
    assert columns_of(Listed)[len(OWN) :] == (
        Column("ratio", "float64"),
        Column("tags", "json"),
        Column("pair", "json", nullable=True),
    )
    values = values_of(Listed, [_recorded(Listed(0.5, [UUID(int=1)]))])
    assert values[len(OWN) :] == [[0.5], [f'["{UUID(int=1)}"]'], [None]]


def test_a_field_that_could_hold_this_or_that_has_no_column() -> None:
    with pytest.raises(TypeError, match=r"test\.odd\.either"):
        columns_of(Odd)


def test_times_are_in_utc_whatever_zone_they_name() -> None:
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    there = noon.astimezone(timezone(timedelta(hours=9)))
    for at in (noon, there, noon.replace(tzinfo=None)):
        values = values_of(Timed, [_recorded(Timed(at, noon.date()))])
        assert values[len(OWN) :] == [[noon], [noon.date()]]
        assert values[len(OWN)][0].tzinfo is UTC  # type: ignore[union-attr]


def test_a_time_that_utc_has_no_name_for_is_the_nearest_that_has_one() -> None:
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)
    for nearest, hours in ((first, 14), (last, -14)):
        at = nearest.replace(tzinfo=timezone(timedelta(hours=hours)))
        (found, _) = values_of(Timed, [_recorded(Timed(at, at.date()))])[len(OWN) :]
        assert found == [nearest]


def _recorded(data: Event) -> Recorded:
    return Recorded(1, UUID(int=7), 1, data.topic, datetime(2026, 1, 1, tzinfo=UTC), data, b"{}")
