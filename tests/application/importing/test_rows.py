"""Reading transfers from CSV and NDJSON: what goes through, and what is refused for which reason."""

from __future__ import annotations

import io
import json
import tracemalloc
from datetime import UTC, datetime
from uuid import UUID, uuid5

import pytest

from application.importing.rows import FileError, Place, Row, read_rows
from domain.refusals import Refusal
from domain.transfers import PostTransfer

IDS, A, B, T = UUID(int=9), UUID(int=1), UUID(int=2), UUID(int=3)
PLAIN = {
    "source_account_id": str(A),
    "destination_account_id": str(B),
    "amount": "12.50",
    "currency": "EUR",
}
COLUMNS = ",".join(PLAIN)
CELLS = f"{A},{B},12.50,EUR"


def rows(text: str | bytes, suffix: str, start: Place | None = None) -> list[Row]:
    content = text.encode() if isinstance(text, str) else text
    return list(read_rows(io.BytesIO(content), suffix, len(content), IDS, start))


def transfer(text: str | bytes, suffix: str) -> PostTransfer:
    (row,) = rows(text, suffix)
    assert isinstance(row.transfer, PostTransfer), row
    return row.transfer


def reason(text: str | bytes, suffix: str) -> str:
    (row,) = rows(text, suffix)
    assert isinstance(row.transfer, Refusal), row
    return row.transfer.reason


def ndjson(**changes: object) -> str:
    return json.dumps({**PLAIN, **changes}) + "\n"


FULL = PostTransfer(
    T, A, B, 1250, "EUR", 'Rent, "flat"', "R1", datetime(2026, 1, 31, 11, tzinfo=UTC), {"lot": "7"}
)


def test_a_csv_row_may_say_all_that_the_api_takes() -> None:
    text = (
        f"id,{COLUMNS},description,reference,effective_at,metadata.lot\n"
        f'{T},{CELLS},"Rent, ""flat""",R1,2026-01-31T12:00:00+01:00,7\n'
    )
    assert transfer(text, ".csv") == FULL


def test_an_ndjson_line_may_say_all_that_the_api_takes() -> None:
    line = ndjson(
        id=str(T),
        description='Rent, "flat"',
        reference="R1",
        effective_at="2026-01-31T11:00:00Z",
        metadata={"lot": "7"},
    )
    assert transfer(line, ".ndjson") == FULL


def test_columns_may_come_in_any_order_and_cells_may_be_empty() -> None:
    text = f"currency,id,metadata.lot,amount,effective_at,{A}\n".replace(
        str(A), "destination_account_id,source_account_id"
    )
    got = transfer(text + f"EUR,,,12.50,,{B},{A}\n", ".csv")
    assert (got.source_id, got.destination_id, got.amount) == (A, B, 1250)
    assert (got.effective_at, got.metadata) == (None, {})


def test_metadata_in_ndjson_keeps_numbers_and_booleans() -> None:
    metadata = {"count": 3, "final": True, "lot": "7"}
    assert transfer(ndjson(metadata=metadata), ".ndjson").metadata == metadata


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T12:00:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00-02:00", datetime(2026, 1, 31, 14, tzinfo=UTC)),
    ],
)
def test_a_date_is_its_start_and_a_time_without_an_offset_is_utc(
    text: str, moment: datetime
) -> None:
    assert transfer(ndjson(effective_at=text), ".ndjson").effective_at == moment


@pytest.mark.parametrize("suffix", [".csv", ".ndjson"])
def test_a_row_without_an_id_gets_the_same_one_every_time(suffix: str) -> None:
    text = f"{COLUMNS}\n\n{CELLS}\n" if suffix == ".csv" else f"\n\n{ndjson()}"
    assert transfer(text, suffix).transfer_id == uuid5(IDS, "3")


@pytest.mark.parametrize("suffix", [".csv", ".ndjson"])
def test_line_ends_and_byte_order_marks_of_windows_are_no_obstacle(suffix: str) -> None:
    text = f"{COLUMNS}\r\n{CELLS}\r\n" if suffix == ".csv" else ndjson().replace("\n", "\r\n")
    assert transfer(b"\xef\xbb\xbf" + text.encode(), suffix).amount == 1250


@pytest.mark.parametrize("suffix", [".csv", ".ndjson"])
def test_the_last_line_needs_no_end(suffix: str) -> None:
    text = f"{COLUMNS}\n{CELLS}" if suffix == ".csv" else ndjson().rstrip()
    assert transfer(text, suffix).amount == 1250


def test_a_csv_row_over_several_lines_is_one_row_with_the_number_of_its_first() -> None:
    text = f'{COLUMNS},metadata.note\n{CELLS},"a\nb"\n{CELLS},c\n'
    first, second = rows(text, ".csv")
    assert (first.line, first.end.line, second.line) == (2, 3, 4)
    assert first.raw.decode() == f'{CELLS},"a\nb"\n'


@pytest.mark.parametrize("suffix", [".csv", ".ndjson"])
def test_reading_goes_on_at_any_place_as_if_it_had_never_stopped(suffix: str) -> None:
    text = f"{COLUMNS}\n" + f"{CELLS}\n" * 5 if suffix == ".csv" else ndjson() * 5
    whole = rows(text, suffix)
    for done in range(1, 5):
        assert rows(text, suffix, whole[done - 1].end) == whole[done:]


def test_what_is_added_while_a_file_is_read_is_left_alone() -> None:
    text = ndjson()
    file = io.BytesIO((text * 2).encode())
    assert len(list(read_rows(file, ".ndjson", len(text), IDS))) == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"amount": "12.505"}, "invalid_amount_format"),
        ({"amount": "12,50"}, "invalid_amount_format"),
        ({"amount": "0"}, "negative_amount"),
        ({"amount": "-1"}, "negative_amount"),
        ({"amount": "1" * 13}, "amount_too_large"),
        ({"amount": 12.5}, "invalid_request"),
        ({"currency": "eur"}, "invalid_currency_format"),
        ({"currency": "XXX"}, "invalid_currency_format"),
        ({"id": ""}, "invalid_uuid_format"),
        ({"source_account_id": "me"}, "invalid_uuid_format"),
        ({"destination_account_id": A.hex}, "invalid_uuid_format"),
        ({"description": "x" * 256}, "invalid_text"),
        ({"description": "a\x00b"}, "invalid_text"),
        ({"reference": "x" * 141}, "invalid_text"),
        ({"reference": None}, "invalid_request"),
        ({"effective_at": "yesterday"}, "invalid_datetime_format"),
        ({"effective_at": "1066-10-14"}, "invalid_datetime_format"),
        ({"effective_at": "0001-01-01T00:00:00+10:00"}, "invalid_datetime_format"),
        ({"metadata": {"a": 1.5}}, "invalid_metadata"),
        ({"metadata": {"a": None}}, "invalid_metadata"),
        ({"metadata": {"a": {"b": 1}}}, "invalid_metadata"),
        ({"metadata": {"a": 2**53}}, "invalid_metadata"),
        ({"metadata": {"a": "x" * 501}}, "invalid_metadata"),
        ({"metadata": {"a": "\x1b"}}, "invalid_metadata"),
        ({"metadata": {"": 1}}, "invalid_metadata"),
        ({"metadata": {"k" * 41: 1}}, "invalid_metadata"),
        ({"metadata": {str(n): n for n in range(17)}}, "invalid_metadata"),
        ({"metadata": []}, "invalid_metadata"),
    ],
)
def test_a_value_that_the_api_would_refuse_is_refused(
    changes: dict[str, object], expected: str
) -> None:
    assert reason(ndjson(**changes), ".ndjson") == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{", "invalid_json"),
        ("[1]", "invalid_json"),
        ("[" * 200_000, "invalid_json"),
        (ndjson(descripton="typo").strip(), "unknown_fields"),
        ('{"amount": "1"}', "missing_fields"),
        ('{"\\ud800": 1}', "invalid_json"),
    ],
)
def test_a_line_that_is_no_transfer_is_refused_and_the_next_one_read(
    line: str, expected: str
) -> None:
    _, bad, good = rows(f"{ndjson()}{line}\n{ndjson()}", ".ndjson")
    assert isinstance(bad.transfer, Refusal)
    assert (bad.transfer.reason, bad.line) == (expected, 2)
    assert isinstance(good.transfer, PostTransfer)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (f"{CELLS},x,y", "invalid_csv"),
        (f"{A},{B},1", "invalid_csv"),
        (f'{A},{B},"1"2,EUR,', "invalid_csv"),
        (f"{CELLS},{'x' * 140_000}", "invalid_csv"),
        (f"{A},{B},,EUR,", "missing_fields"),
        (f"{CELLS},\x00", "invalid_metadata"),
    ],
)
def test_a_csv_row_that_is_no_transfer_is_refused_and_the_next_one_read(
    cells: str, expected: str
) -> None:
    bad, good = rows(f"{COLUMNS},metadata.a\n{cells}\n{CELLS},b\n", ".csv")
    assert isinstance(bad.transfer, Refusal)
    assert (bad.transfer.reason, bad.line) == (expected, 2)
    assert isinstance(good.transfer, PostTransfer)


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    csv = f"{COLUMNS},description\n{CELLS},caf".encode() + b"\xe9\n"
    assert reason(csv, ".csv") == "invalid_text"
    line = ndjson(description="caf_").encode().replace(b"_", b"\xe9")
    assert rows(ndjson().encode() + line, ".ndjson")[1].transfer.__class__ is Refusal


def test_a_quote_that_is_never_closed_does_not_take_the_file_into_memory() -> None:
    text = f'{COLUMNS},description\n{CELLS},"open\n' + f"{CELLS},fine\n" * 20_000
    found = rows(text, ".csv")
    assert isinstance(found[0].transfer, Refusal)
    assert len(found[0].raw) < 200_000
    assert sum(isinstance(row.transfer, PostTransfer) for row in found) > 15_000


def test_a_line_without_end_does_not_take_the_file_into_memory() -> None:
    endless = io.BytesIO(ndjson().encode() + b"x" * 30_000_000 + b"\n" + ndjson().encode())
    size = len(endless.getbuffer())
    tracemalloc.start()
    found = list(read_rows(endless, ".ndjson", size, IDS))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [isinstance(row.transfer, PostTransfer) for row in found] == [True, False, True]
    assert [row.line for row in found] == [1, 2, 3]
    assert peak < 3_000_000


@pytest.mark.parametrize(
    ("text", "suffix", "words"),
    [
        (
            f"{COLUMNS},memo\n",
            ".csv",
            "columns or keys that aren't known: 'memo'; known are source",
        ),
        (f"{COLUMNS},metadata\n", ".csv", "metadata.KEY"),
        (f"{COLUMNS};x\n".replace(",", ";"), ".csv", "aren't known"),
        ("amount,currency\n", ".csv", "it has no source_account_id, destination_account_id"),
        (f"{COLUMNS},amount\n", ".csv", "columns twice: amount"),
        ('"' + "x" * 140_000, ".csv", "can't be read as CSV"),
        ("\n", ".csv", "it has no source_account_id"),
        (ndjson(memo=""), ".ndjson", "columns or keys that aren't known: 'memo'"),
        ('{"amount": "1"}', ".ndjson", "it has no source_account_id"),
        (f"\n{COLUMNS}\n", ".ndjson", "its line 2 is no JSON object"),
        ("[]", ".ndjson", "its line 1 is no JSON object"),
    ],
)
def test_a_file_of_the_wrong_shape_is_refused_at_once(text: str, suffix: str, words: str) -> None:
    content = text.encode()
    with pytest.raises(FileError) as caught:
        read_rows(io.BytesIO(content), suffix, len(content), IDS)
    assert words in str(caught.value)
