"""Funds and flows against the log: they agree, and whatever is wrong in any of their columns is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
import pytest

from application.ledger import Ledger
from projections.agreement import hold_against_log
from tests.conftest import Database, MakeDatabase
from tests.projections.flowing import BANK_TRANSFERS, INVESTMENTS
from tests.projections.histories import write
from tests.projections.running import differences, fill, kept
from tests.projections.worlds import World

Conn = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def written(make_database: MakeDatabase) -> Iterator[Database]:
    """A log in which everything has become of funds and flows, and read models that show it. Tests
    leave it as it was."""
    with make_database() as database:
        with Ledger(database.url) as ledger:
            world = World(ledger)
            for way in INVESTMENTS.values():
                write(ledger, way(world.invest()))
            for way in BANK_TRANSFERS.values():
                write(ledger, way(world.bank_transfer("deposit")))
                write(ledger, way(world.bank_transfer("withdrawal")))
        fill(database.url)
        yield database


@pytest.fixture
def shown(written: Database) -> Iterator[Conn]:
    with written.connect() as conn:
        yield conn


def test_whatever_becomes_of_flows_all_read_models_agree_with_the_log(shown: Conn) -> None:
    assert {v.name: v.differences for v in hold_against_log(shown) if v.differences} == {}


TABLES: dict[LiteralString, list[tuple[LiteralString, str]]] = {
    "funds.fund": [
        ("name = 'odd'", "name is odd, by the log Forests"),
        ("currency = 'odd'", "currency is odd, by the log EUR"),
        ("account_id = gen_random_uuid()", "account_id is"),
        ("manager_id = gen_random_uuid()", "by the log None"),
        ("status = 'odd'", "status is odd, by the log open"),
        ("minimum_investment = 77", "minimum_investment is 77"),
        ("maximum_investment = 77", "maximum_investment is 77"),
        ("seats = 77", "seats is 77"),
        ("reserved = reserved + 1", "reserved is"),
        ("taken = taken + 1", "taken is"),
        ("reserved_amount = reserved_amount + 1", "reserved_amount is"),
        ("taken_amount = taken_amount + 1", "taken_amount is"),
        ("opens_at = '1999-01-01'", "opens_at is 1999"),
        ("closes_at = '1999-01-01'", "closes_at is 1999"),
        ("opened_at = '1999-01-01'", "opened_at is 1999"),
        ("updated_at = '1999-01-01'", "updated_at is 1999"),
        ("version = version + 1", "version is"),
        ("first_position = -first_position", "first_position is -"),
        ("position = position + 100000", "position is"),
        ("id = gen_random_uuid()", "is there, and not in the log"),
    ],
    "funds.allocation": [
        ("fund_id = gen_random_uuid()", "fund_id is"),
        ("account_id = NULL", "account_id is None, by the log"),
        ("owner_id = NULL", "owner_id is None, by the log"),
        ("amount = amount + 1", "amount is"),
        ("status = 'taken'", "status is taken, by the log"),
        ("reserved_at = NULL", "reserved_at is None, by the log"),
        ("taken_at = '1999-01-01'", "taken_at is 1999"),
        ("released_at = '1999-01-01'", "released_at is 1999"),
        ("first_position = -first_position", "first_position is -"),
        ("position = position + 100000", "position is"),
        ("investment_id = gen_random_uuid()", "is there, and not in the log"),
    ],
    "flows.flow": [
        ("kind = 'odd'", "kind is odd, by the log"),
        ("status = 'odd'", "status is odd, by the log"),
        ("place = 'odd'", "place is odd, by the log"),
        ("clearing = clearing + 1", "clearing is"),
        ("account_id = gen_random_uuid()", "account_id is"),
        ("fund_id = gen_random_uuid()", "fund_id is"),
        ("fund_account_id = gen_random_uuid()", "fund_account_id is"),
        ("owner_id = NULL", "owner_id is None, by the log"),
        ("person_id = gen_random_uuid()", "person_id is"),
        ("currency = 'odd'", "currency is odd, by the log EUR"),
        ("amount = amount + 1", "amount is"),
        ("bank_account_hint = 'odd'", "bank_account_hint is odd"),
        ("reference = 'odd'", "reference is odd"),
        ("step = 'odd'", "step is odd"),
        ("reason = 'odd'", "reason is odd"),
        ("requested_at = '1999-01-01'", "requested_at is 1999"),
        ("updated_at = '1999-01-01'", "updated_at is 1999"),
        ("finished_at = '1999-01-01'", "finished_at is 1999"),
        ("version = version + 1", "version is"),
        ("first_position = -first_position", "first_position is -"),
        ("position = position + 100000", "position is"),
        ("id = gen_random_uuid()", "is there, and not in the log"),
    ],
    "flows.flow_step": [
        ("flow_id = gen_random_uuid()", "flow is"),
        ("position = -position", "is there, and not in the log"),
        ("part = part + 7", "is there, and not in the log"),
        ("name = 'odd'", "name is odd, by the log requested"),
        ("at = '1999-01-01'", "at is 1999"),
        ("details = '{\"odd\": 1}'", "details is {'odd': 1}, by the log"),
    ],
    "flows.leg": [
        ("flow_id = gen_random_uuid()", "flow_id is"),
        ("flow_kind = 'odd'", "flow_kind is odd, by the log"),
        ("kind = 'odd'", "kind is odd, by the log"),
        ("direction = 'odd'", "direction is odd, by the log"),
        ("account = 'odd'", "account is odd, by the log"),
        ("person_id = gen_random_uuid()", "person_id is"),
        ("currency = 'odd'", "currency is odd, by the log EUR"),
        ("amount = amount + 1", "amount is"),
        ("status = 'odd'", "status is odd, by the log"),
        ("bank_reference = 'odd'", "bank_reference is odd"),
        ("reason = 'odd'", "reason is odd"),
        ("sequence = 77", "sequence is 77"),
        ("instructed_at = '1999-01-01'", "instructed_at is 1999"),
        ("sent_at = '1999-01-01'", "sent_at is 1999"),
        ("accepted_at = '1999-01-01'", "accepted_at is 1999"),
        ("settled_at = '1999-01-01'", "settled_at is 1999"),
        ("ended_at = '1999-01-01'", "ended_at is 1999"),
        ("history = '[]'", "history is [], by the log"),
        ("version = version + 1", "version is"),
        ("first_position = -first_position", "first_position is -"),
        ("position = position + 100000", "position is"),
        ("id = gen_random_uuid()", "is there, and not in the log"),
    ],
}
"""Table -> what is set in it, and words that tell of it."""


@pytest.mark.parametrize("table", TABLES)
def test_what_is_wrong_in_a_column_is_named(table: LiteralString, shown: Conn) -> None:
    name = table.partition(".")[0]
    columns = set()
    for change, words in TABLES[table]:
        with kept(shown, table):
            shown.execute(f"UPDATE {table} SET {change}")
            found = differences(shown, name)
        assert any(words in difference for difference in found), (change, found)
        assert found[0].startswith(f"{name}: ")
        columns.add(change.split()[0])
    assert differences(shown, name) == []
    described = shown.execute(f"SELECT * FROM {table} LIMIT 0").description or ()
    assert columns == {column.name for column in described}
    with kept(shown, table):
        shown.execute(f"DELETE FROM {table}")
        found = differences(shown, name)
    assert any("is in the log, and not in the read model" in difference for difference in found)


def test_a_fund_whose_seats_are_not_those_of_its_allocations_is_named(shown: Conn) -> None:
    with kept(shown, "funds.allocation"):
        shown.execute(
            "DELETE FROM funds.allocation WHERE status = 'taken' AND investment_id ="
            " (SELECT min(investment_id::text)::uuid FROM funds.allocation WHERE status = 'taken')"
        )
        found = differences(shown, "funds")
    (seats,) = [difference for difference in found if "seats of fund" in difference]
    assert "seats_left is" in seats
    assert "taken is" in seats
    assert "taken_amount is" in seats
