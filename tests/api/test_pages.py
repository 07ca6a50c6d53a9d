"""What clients say of pages and orders, and the words in which a list says where it goes on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from api.pages import Paged, decode_place, encode_place, metadata, page
from api.paging import encode_cursor, encode_keys
from api.problems import ProblemError, explain
from api.sorting import parse_sort
from projections.paging import Page, Place, Sort
from projections.users.queries import SORT_COLUMNS

ID = UUID("0d4f7a52-11aa-4c55-9a4e-0a6b2f1c7e01")
AT = datetime(2026, 1, 31, 12, 0, 0, 123456, UTC)
JSON = f'{{"inserted_at":"2026-01-31T12:00:00.123456Z","id":"{ID}"}}'


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("role", [Sort("role")]),
        ("role:asc", [Sort("role")]),
        ("created_at:desc", [Sort("registered_at", is_descending=True)]),
        ("inserted_at:desc", [Sort("registered_at", is_descending=True)]),
        (
            "status:desc,verified,updated_at:asc",
            [Sort("status", is_descending=True), Sort("verified"), Sort("updated_at")],
        ),
        ("role, status:desc", [Sort("role"), Sort("status", is_descending=True)]),
    ],
)
def test_an_order_is_fields_and_directions(text: str, order: list[Sort]) -> None:
    assert parse_sort(text, SORT_COLUMNS) == order


@pytest.mark.parametrize(
    "text",
    ["", "email", "role:up", "role:", ":asc", "role,,status", "role,", "role:asc:asc", "Role",
     "role;drop table", "role,role:desc", "created_at,inserted_at:desc", "-role"],
)  # fmt: skip
def test_an_order_that_makes_no_sense_is_refused_with_those_that_do(text: str) -> None:
    with pytest.raises(ProblemError) as refused:
        parse_sort(text, SORT_COLUMNS)
    assert refused.value.reason == "invalid_sort"
    assert refused.value.details == {"allowed": list(SORT_COLUMNS)}
    assert "created_at, inserted_at, updated_at" in explain("invalid_sort", refused.value.details)


@given(st.integers(1, 200), st.integers(1, 100), st.integers(0, 2_000))
def test_metadata_say_where_a_page_is(number: int, size: int, total: int) -> None:
    found = metadata(number, size, total)
    pages = [range(total)[start : start + size] for start in range(0, total, size)]
    assert found == {
        "page": number,
        "page_size": size,
        "total_count": total,
        "total_pages": len(pages),
        "has_next": bool(pages[number:]),
        "has_prev": number > 1,
    }


@pytest.mark.parametrize(
    ("asked", "page_and_size"),
    [
        ({}, (1, 20)),
        ({"page": "3", "page_size": "7"}, (3, 7)),
        ({"page_size": "100"}, (1, 100)),
        ({"page_size": "101"}, (1, 100)),
        ({"page_size": "500"}, (1, 100)),
        ({"page_size": "9" * 30}, (1, 100)),
    ],
)
def test_a_page_has_twenty_rows_unless_asked_otherwise_and_a_hundred_at_most(
    asked: dict[str, str], page_and_size: tuple[int, int]
) -> None:
    found = Paged(**asked)
    assert (found.page, found.page_size) == page_and_size


@pytest.mark.parametrize(
    "asked",
    [{"page": "0"}, {"page": "-1"}, {"page_size": "0"}, {"page": "x"}, {"page": "9" * 19},
     {"size": "1"}],
)  # fmt: skip
def test_a_page_that_cannot_be_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Paged(**asked)


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_both_forms_of_a_cursor_name_the_same_place(at: datetime, id_: UUID) -> None:
    as_json = msgspec.json.encode({"inserted_at": at, "id": id_}).decode()
    assert decode_place(encode_place(Place(at, id_))) == decode_place(as_json) == Place(at, id_)


def test_json_may_be_written_as_one_likes() -> None:
    there = AT + timedelta(hours=2)
    for text in (
        f' {{ "id": "{ID}", "inserted_at": "2026-01-31T12:00:00.123456" }} ',
        f'{{"inserted_at":"{there.isoformat()[:-6]}+02:00","id":"{ID}"}}',
    ):
        assert decode_place(text) == Place(AT, ID)
    assert decode_place(None) is None


def refuses(cursor: str) -> bool:
    with pytest.raises(ProblemError) as refused:
        decode_place(cursor)
    return refused.value.reason == "invalid_cursor"


@pytest.mark.parametrize(
    "cursor",
    ["", "{", "{}", "nonsense", JSON[:-1], JSON.replace("Z", "Q"), JSON.replace('"id"', '"ids"'),
     JSON.replace("}", ',"more":1}'), JSON.replace("0d4f", "xxxx"), f"[{JSON}]"],
)  # fmt: skip
def test_a_garbled_cursor_is_refused(cursor: str) -> None:
    assert refuses(cursor)


def test_a_cursor_of_another_list_or_of_nobody_is_refused() -> None:
    good = encode_place(Place(AT, ID))
    for others in ([], [7, 8], [AT], [AT, ID, 1], [ID, AT]):
        assert refuses(encode_keys(others))
    assert refuses(encode_cursor(7))
    assert refuses(good[:-1])
    assert refuses(good[1:])
    assert refuses(good[:4] + ("A" if good[4] != "A" else "B") + good[5:])


def test_a_list_goes_on_after_its_last_row() -> None:
    rows = [Place(AT, ID), Place(AT - timedelta(days=1), ID)]

    def answer(next_before: int | None) -> dict[str, Any]:
        return page(Page(rows, next_before), lambda row: {"at": row.inserted_at}, lambda row: row)

    more = answer(5)
    assert (more["data"], more["has_more"]) == ([{"at": row.inserted_at} for row in rows], True)
    assert decode_place(more["next_cursor"]) == rows[1]
    assert (answer(None)["next_cursor"], answer(None)["has_more"]) == (None, False)
