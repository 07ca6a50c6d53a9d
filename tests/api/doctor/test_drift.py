"""Read models that do not show what the log says are found: by their sums, by a sample, and all with deep."""

from __future__ import annotations

from typing import LiteralString

import pytest

from projections import checkpoints, schemas
from projections.catalogue import read_model
from projections.log import read_batch
from tests.api.doctor.conftest import Admit, Conn, Ward, fill
from tests.conftest import Database

ONE = "(SELECT id FROM balances.account ORDER BY first_position DESC LIMIT 1)"


def test_what_is_looked_at_is_said(ward: Ward) -> None:
    ward.all_clear("drift")
    looked_at = "balances of 4 accounts, sums of 1 currency; `--deep` looks at all"
    assert ward.check("drift").looked_at == looked_at
    assert "balances of 2 accounts" in ward.limited(sampled_accounts=2).check("drift").looked_at
    assert "4 accounts of balances up to 40" in ward.deep().check("drift").looked_at


def test_sums_that_are_not_zero_are_found(ward: Ward, conn: Conn) -> None:
    conn.execute(f"UPDATE balances.account SET balance = balance + 7 WHERE id = {ONE}".encode())
    sums = ward.limited(sampled_accounts=0).one("drift")
    assert sums.severity == "wrong"
    assert (
        "The balances in EUR add up to 0.07 EUR instead of zero, at position 40." in sums.sentence
    )
    assert "daybook projections verify balances" in sums.advice
    conn.execute(f"UPDATE balances.account SET balance = balance - 7 WHERE id = {ONE}".encode())
    conn.execute(f"UPDATE balances.account SET credits = credits + 7 WHERE id = {ONE}".encode())
    assert "0.07 EUR" in ward.limited(sampled_accounts=0).one("drift").sentence


CHANGES: list[tuple[LiteralString, str]] = [
    ("balance = balance + CASE WHEN type = 'cash' THEN 7 ELSE -7 END", "balance is"),
    ("held = 3", "held is 3, by the log 0"),
    ("status = 'frozen'", "status is frozen, by the log active"),
    ("credit_limit = 5", "credit_limit is 5, by the log 0"),
    ("position = position - 1", "position is"),
    ("version = version - 1", "events after version"),
    ("version = version + 1", "version is"),
]


@pytest.mark.parametrize(("change", "words"), CHANGES)
def test_an_account_that_is_not_what_its_last_event_says_is_found(
    change: LiteralString, words: str, ward: Ward, conn: Conn
) -> None:
    conn.execute(f"UPDATE balances.account SET {change} WHERE type = 'cash' OR id = {ONE}".encode())
    finding = ward.one("drift")
    assert finding.severity == "wrong"
    assert "for 2 of 4 accounts" in finding.sentence
    assert words in finding.sentence


def test_an_account_that_the_log_does_not_have_is_found(ward: Ward, conn: Conn) -> None:
    conn.execute(f"UPDATE balances.account SET id = gen_random_uuid() WHERE id = {ONE}".encode())
    assert "it is not in the log" in ward.one("drift").sentence


def test_an_account_that_lags_behind_the_log_is_in_order(ward: Ward) -> None:
    fill(ward.database)
    ward.all_clear("drift")
    ward.deep().all_clear("drift")


def test_between_the_two_entries_of_a_transfer_nothing_is_found(
    admit: Admit, database: Database, conn: Conn
) -> None:
    fill(database)
    balances = read_model("balances")
    schemas.ensure(conn, balances)
    for event in read_batch(conn, 0, 100):
        with conn.transaction(), conn.cursor() as cursor:
            checkpoints.put(conn, "balances", event.position, balances.version)
            if event.topic in balances.topics:
                schemas.search_in(conn, "balances")
                balances.project([event], cursor)
        admit(database).all_clear("drift")
    conn.execute("UPDATE checkpoints SET position = position - 1 WHERE name = 'balances'")
    conn.execute(
        "UPDATE balances.account SET balance = balance + 5, credits = credits + 5"
        " WHERE type = 'cash'"
    )
    assert any("add up to" in finding.sentence for finding in admit(database).found("drift"))


def test_what_is_parked_is_not_called_drift(ward: Ward, conn: Conn) -> None:
    conn.execute("UPDATE balances.account SET balance = balance - 7 WHERE type = 'cash'")
    conn.execute(
        "INSERT INTO parked_keys (model, key, position, error)"
        " SELECT 'balances', id, 1, 'odd' FROM balances.account WHERE type = 'cash'"
    )
    ward.all_clear("drift")
    assert ward.check("drift").looked_at == "balances of 3 accounts; `--deep` looks at all"


def test_deep_looks_at_all_rows_of_all_of_them(ward: Ward, conn: Conn) -> None:
    conn.execute("UPDATE entries.entry SET amount = amount + 1 WHERE position = 40")
    ward.all_clear("drift")
    finding = ward.deep().one("drift")
    assert finding.sentence.startswith("entries: account ")
    assert "daybook projections verify entries" in finding.advice


def test_before_anything_was_built_nothing_is_found(admit: Admit, database: Database) -> None:
    assert admit(database).check("drift").looked_at == "balances was never built"
