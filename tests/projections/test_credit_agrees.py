"""Credit applications and loans against the log: whatever is wrong in any of their columns is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
import pytest

from application.ledger import Ledger
from tests.conftest import Database, MakeDatabase
from tests.projections.histories import append
from tests.projections.running import differences, fill, kept
from tests.projections.test_applications import everything, lender
from tests.projections.test_loans import Lent, ways

Conn = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def written(make_database: MakeDatabase) -> Iterator[Database]:
    """A log in which everything has become of applications and loans, and read models that show it.
    Tests leave it as it was."""
    world = Lent()
    ways(world)
    loans = [(e.stream_id, e.data) for e in world.events if e.topic.startswith("loan.")]
    with make_database() as database:
        with Ledger(database.url) as ledger:
            everything(lender(ledger))
        append(database, *loans)
        fill(database.url)
        yield database


@pytest.fixture
def shown(written: Database) -> Iterator[Conn]:
    with written.connect() as conn:
        yield conn


ODD: dict[str, tuple[str, str]] = {
    "uuid": ("gen_random_uuid()", " is "),
    "text": ("'odd'", " is odd, by the log"),
    "int8": ("-1000 - coalesce({}, 0)", " is -"),
    "bool": ("NOT {}", " is "),
    "timestamptz": ("'1999-01-01'", " is 1999"),
    "date": ("'1999-01-01'", " is 1999"),
    "_text": ("'{{odd}}'", " is ['odd'], by the log"),
    "_uuid": ("'{{}}'", " is [], by the log"),
    "jsonb": ("'[7]'", " is [7], by the log"),
}
"""Type of a column -> what is set in it, and words that tell of it."""

TABLES: dict[LiteralString, set[str]] = {
    "applications.application": {"id"},
    "applications.application_step": {"application_id", "number"},
    "applications.assessment": {"application_id"},
    "loans.loan": {"id"},
    "loans.instalment": {"loan_id", "number"},
    "loans.repayment": {"id"},
}
"""Table -> the columns by which a row is found: another value is another row."""


_COLUMNS = """
SELECT column_name, udt_name FROM information_schema.columns
 WHERE table_schema || '.' || table_name = %s
"""


@pytest.mark.parametrize("table", TABLES)
def test_what_is_wrong_in_a_column_is_named(table: LiteralString, shown: Conn) -> None:
    name, keys = table.partition(".")[0], TABLES[table]
    assert differences(shown, name) == []
    columns = dict(shown.execute(_COLUMNS, (table,)).fetchall())
    others = {column: ODD[type_] for column, type_ in columns.items() if column not in keys}
    odd = ", ".join(f'"{column}" = {value.format(column)}' for column, (value, _) in others.items())
    with kept(shown, table):
        shown.execute(f"UPDATE {table} SET {odd}".encode())
        found = differences(shown, name)
    for column, (_, words) in others.items():
        assert any(f" {column}{words}" in difference for difference in found), (column, found)
    for key in sorted(keys):
        value = "gen_random_uuid()" if columns[key] == "uuid" else "-number"
        one = f"ctid = (SELECT min(ctid) FROM {table})"
        with kept(shown, table):
            shown.execute(f"UPDATE {table} SET {key} = {value} WHERE {one}".encode())
            found = differences(shown, name)
        assert any("is there, and not in the log" in difference for difference in found), key
        assert all(difference.startswith(f"{name}: ") for difference in found)
    with kept(shown, table):
        shown.execute(f"DELETE FROM {table}")
        found = differences(shown, name)
    assert any("is in the log, and not in the read model" in difference for difference in found)
