"""Reading the log as it was sealed: any changed bit is noticed, and memory does not grow with the log."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.audit import verifying
from application.audit.walking import START, Place, follow, read_rows
from application.event_store.chain import GENESIS, HASH_LENGTH, ROW_PREFIX, Row, encode, seal
from tests.application.audit.conftest import EVENTS, Audited


def sent(position: int, previous: bytes) -> bytes:
    """A row as the server sends it."""
    row = Row(
        position,
        UUID(int=7),
        position,
        "topic",
        datetime(2026, 1, 1, tzinfo=UTC),
        b"{}",
        b"{}",
        b"",
    )
    sealed = encode(row)
    return ROW_PREFIX + sealed + HASH_LENGTH + seal(previous, sealed)


def log(length: int) -> list[bytes]:
    rows: list[bytes] = []
    for position in range(1, length + 1):
        rows.append(sent(position, rows[-1][-32:] if rows else GENESIS))
    return rows


LOG = log(5)


def test_a_log_is_followed_to_its_end() -> None:
    hashes, misfit = follow(LOG, START, 5)
    assert misfit is None
    assert hashes == [row[-32:] for row in LOG]


@given(st.integers(0, 4), st.data())
def test_any_flipped_bit_is_noticed_where_it_is(number: int, data: st.DataObject) -> None:
    bit = data.draw(st.integers(8 * len(ROW_PREFIX), 8 * len(LOG[number]) - 1))
    row = bytearray(LOG[number])
    row[bit // 8] ^= 1 << bit % 8
    rows = [*LOG[:number], bytes(row), *LOG[number + 1 :]]
    hashes, misfit = follow(rows, START, 5)
    assert misfit is not None
    assert misfit.after == Place(number, LOG[number - 1][-32:] if number else GENESIS)
    assert len(hashes) == number


@pytest.mark.parametrize("gone", range(5))
def test_a_row_that_is_not_there_is_noticed(gone: int) -> None:
    _, misfit = follow([row for row in LOG if row is not LOG[gone]], START, 5)
    assert misfit is not None
    assert misfit.after.position == gone
    assert misfit.row == (LOG[gone + 1] if gone < 4 else None)


def test_the_server_sends_each_row_as_it_was_sealed(audited: Audited) -> None:
    with audited.database.connect() as conn:
        whole = list(read_rows(conn, 0, EVENTS))
        part = list(read_rows(conn, 10, 20))
        assert list(read_rows(conn, EVENTS, EVENTS + 10)) == []
    assert part == whole[10:20]
    assert follow(whole, START, EVENTS)[1] is None


def peak_bytes(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_stays_flat(audited: Audited, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "PAGE_EVENTS", 512)
    audited.fill(9_000)
    audited.sign()
    assert audited.findings() == []
    small = peak_bytes(lambda: audited.verify(last=2_000))
    assert peak_bytes(audited.verify) < 1.3 * small
