"""The hash chain: over a whole log it closes, and any change to the log breaks it where it was made."""

from __future__ import annotations

from datetime import UTC
from typing import Any, LiteralString

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.event_store.chain import GENESIS, Row, encode, first_break, seal
from application.ledger import Ledger
from tests.support.ledgers import accepted, open_account, pay, submit
from tests.support.log import chain_break, head, rows, tampering

EVENTS = 20


@pytest.fixture
def log(ledger: Ledger, admin: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """A log of twenty events, written in several transactions."""
    one, other = open_account(ledger, "cash"), open_account(ledger)
    accepted(ledger, pay(one, other, 500))
    submit(ledger, *[pay(one, other, 1) for _ in range(5)])
    assert head(admin)[0] == EVENTS
    return admin


def test_a_log_as_it_was_written_is_whole(log: psycopg.Connection[Any]) -> None:
    assert chain_break(log) is None
    assert [row.position for row in rows(log)] == list(range(1, EVENTS + 1))


def test_an_empty_log_is_whole(admin: psycopg.Connection[Any]) -> None:
    assert chain_break(admin) is None
    assert head(admin) == (0, GENESIS)


@pytest.mark.parametrize(
    ("what", "position"),
    [
        ("state = convert_to(replace(convert_from(state, 'UTF8'), '500', '501'), 'UTF8')", 4),
        ("state = state || ' '", 20),
        ("metadata = '{}'", 1),
        ("topic = 'account.credited'", 4),
        ("recorded_at = recorded_at + interval '1 microsecond'", 7),
        ("originator_id = gen_random_uuid()", 9),
        ("originator_version = 100", 9),
        ("hash = sha256(hash)", 12),
        ("hash = sha256(hash)", 20),
    ],
)
def test_an_altered_event_is_found(
    what: LiteralString, position: int, log: psycopg.Connection[Any]
) -> None:
    with tampering(log):
        changed = log.execute(
            "UPDATE events SET " + what + " WHERE notification_id = %s", (position,)
        )
    assert changed.rowcount == 1
    found = chain_break(log)
    assert found is not None
    assert (found.position, found.what.partition(":")[0]) == (position, "altered")


@pytest.mark.parametrize("position", [1, 2, 10, EVENTS])
def test_a_deleted_event_is_found(position: int, log: psycopg.Connection[Any]) -> None:
    with tampering(log):
        log.execute("DELETE FROM events WHERE notification_id = %s", (position,))
    found = chain_break(log)
    assert found is not None
    assert (found.position, found.what.partition(":")[0]) == (position, "missing")


def test_a_log_that_lost_its_end_with_its_head_is_found_by_a_hash_that_was_kept(
    log: psycopg.Connection[Any],
) -> None:
    kept_position, kept_hash = head(log)
    with tampering(log):
        log.execute("DELETE FROM events WHERE notification_id > 10")
        log.execute(
            "UPDATE ledger_head SET position = 10, hash = events.hash FROM events"
            " WHERE notification_id = 10"
        )
    assert chain_break(log) is None
    assert first_break(rows(log)) != (kept_position, kept_hash)


def test_two_events_that_changed_places_are_found(log: psycopg.Connection[Any]) -> None:
    with tampering(log):
        for old, new in ((8, 1000), (11, 8), (1000, 11)):
            log.execute(
                "UPDATE events SET notification_id = %s WHERE notification_id = %s", (new, old)
            )
    found = chain_break(log)
    assert found is not None
    assert found.position == 8


def test_an_event_that_was_pushed_in_with_a_hash_of_its_own_is_found_behind_it(
    log: psycopg.Connection[Any],
) -> None:
    """Whoever rewrites one event rightly must rewrite all that follow."""
    before, forged = rows(log)[8:10]
    forged = forged._replace(state=b'{"forged":true}')
    with tampering(log):
        log.execute(
            "UPDATE events SET state = %s, hash = %s WHERE notification_id = 10",
            (forged.state, seal(before.hash, encode(forged))),
        )
    found = chain_break(log)
    assert found is not None
    assert found.position == 11


ROWS = st.builds(
    Row,
    position=st.integers(1, 2**63 - 1),
    stream_id=st.uuids(),
    version=st.integers(0, 2**63 - 1),
    topic=st.text(max_size=8),
    recorded_at=st.datetimes(timezones=st.just(UTC)),
    metadata=st.binary(max_size=8),
    state=st.binary(max_size=8),
    hash=st.just(GENESIS),
)


@given(ROWS, ROWS)
def test_two_rows_have_the_same_sealed_bytes_only_when_they_are_the_same(
    one: Row, other: Row
) -> None:
    assert (encode(one) == encode(other)) == (one == other)


@given(ROWS, st.binary(min_size=1, max_size=3))
def test_bytes_that_move_from_one_field_to_the_next_are_noticed(row: Row, moved: bytes) -> None:
    longer = row._replace(metadata=row.metadata + moved)
    assert encode(longer) != encode(row._replace(state=moved + row.state))


def test_what_the_writer_seals_is_what_the_verifier_reads(
    log: psycopg.Connection[Any],
) -> None:
    previous = GENESIS
    for row in rows(log):
        assert seal(previous, encode(row)) == row.hash
        previous = row.hash
