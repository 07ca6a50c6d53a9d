"""Cursors: they lead on from where a page ended, and nobody else can make one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import paging
from api.problems import ProblemError

KEYS = st.lists(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text())


@pytest.fixture(autouse=True)
def _another_key_afterwards(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(paging, "_key", b"a key of these tests")
        yield


def refused(cursor: str) -> bool:
    try:
        paging.decode_cursor(cursor)
    except ProblemError as error:
        return error.reason == "invalid_cursor"
    return False


@given(st.integers(0, 2**63))
def test_a_position_comes_back(position: int) -> None:
    assert paging.decode_cursor(paging.encode_cursor(position)) == position


@given(KEYS)
def test_sort_keys_come_back(values: list[object]) -> None:
    assert paging.decode_keys(paging.encode_keys(values)) == values


def test_no_cursor_is_the_beginning() -> None:
    assert paging.decode_cursor(None) is None
    assert paging.decode_keys(None) is None


@given(st.integers(0, 2**63), st.data())
def test_a_cursor_with_any_character_changed_is_refused_or_the_same(
    position: int, data: st.DataObject
) -> None:
    cursor = paging.encode_cursor(position)
    place = data.draw(st.integers(0, len(cursor) - 1))
    changed = cursor[:place] + data.draw(st.characters()) + cursor[place + 1 :]
    assert refused(changed) or paging.decode_cursor(changed) == position


@given(st.text(max_size=200))
def test_whatever_else_is_given_is_refused(text: str) -> None:
    assert refused(text)


def test_a_cursor_of_the_time_before_signatures_is_refused() -> None:
    assert refused("MTo0Mg")  # 1:42


def test_a_cursor_of_another_key_is_refused() -> None:
    cursor = paging.encode_cursor(42)
    paging.use_key(b"another key")
    assert refused(cursor)
    paging.use_key(b"a key of these tests")
    assert paging.decode_cursor(cursor) == 42


def test_one_kind_of_cursor_is_not_taken_for_the_other() -> None:
    assert refused(paging.encode_keys([42]))
    with pytest.raises(ProblemError, match="invalid_cursor"):
        paging.decode_keys(paging.encode_cursor(42))
