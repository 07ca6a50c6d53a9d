"""Reading MT940: what real banks send, and what is wrong with what can't be read."""

from __future__ import annotations

import logging
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application.importing.bank_statements import BankStatement, Line, Unreadable
from application.importing.booking import statement_id
from application.importing.mt940 import read_statements
from tests.application.importing.samples import FAULTY, LINE, SAMPLES, mt940

STATEMENTS_AND_LINES = {
    "abnamro.sta": (2, 10),
    "generic.sta": (2, 2),
    "rabobank-iban.sta": (2, 4),
    "sepa_mt9401.sta": (26, 97),
    "sns.sta": (2, 2),
}

REASONS = {
    "amount_with_dot.sta": "the amount of a line (:61:) is malformed: 25.50NTRFINVOICE 7",
    "amount_without_digits.sta": "one of its amounts is malformed",
    "balance_with_dot.sta": "its opening balance (:60F: or :60M:) is malformed",
    "closing_first.sta": "its closing balance comes before its opening balance",
    "empty.sta": "the file is empty",
    "impossible_date.sta": "one of its fields is malformed: month must be in 1..12",
    "no_account.sta": "it has no account (:25:)",
    "no_closing.sta": "it has no closing balance",
    "no_opening.sta": "it has no opening balance",
    "not_a_statement.sta": "this is no MT940 file",
    "odd_number.sta": "its field :28: is malformed: SEVEN",
    "too_large.sta": "amount too large",
    "too_many_decimals.sta": "invalid amount format (amount 25.505, decimals allowed 2)",
    "two_currencies.sta": "it opens in EUR and closes in USD",
    "two_openings.sta": "it has 2 lines with its opening balance",
    "unknown_currency.sta": "invalid currency format (currency XYZ)",
    "unknown_mark.sta": "its field :61: is malformed",
}


def read_one(text: str | bytes) -> BankStatement:
    (statement,) = read_statements(text if isinstance(text, bytes) else text.encode())
    assert isinstance(statement, BankStatement), statement
    return statement


def sample(name: str) -> list[BankStatement]:
    statements = read_statements((SAMPLES / name).read_bytes())
    assert all(isinstance(s, BankStatement) for s in statements)
    return [s for s in statements if isinstance(s, BankStatement)]


def is_sum_right(statement: BankStatement) -> bool:
    return statement.opening + sum(line.amount for line in statement.lines) == statement.closing


@pytest.mark.parametrize("name", STATEMENTS_AND_LINES)
def test_every_sample_is_read_whole(name: str) -> None:
    statements = sample(name)
    found = (len(statements), sum(len(s.lines) for s in statements))
    assert found == STATEMENTS_AND_LINES[name]


@pytest.mark.parametrize("name", STATEMENTS_AND_LINES)
def test_the_samples_add_up_but_for_those_of_abn_amro(name: str) -> None:
    assert all(map(is_sum_right, sample(name))) == (name != "abnamro.sta")


def test_a_statement_is_read_field_by_field() -> None:
    assert read_one(mt940(LINE)) == BankStatement(
        bank_account="NL01BANK0000000001",
        reference="REF1",
        number="7/1",
        currency="EUR",
        opening=10_000,
        opened_on=date(2024, 1, 31),
        closing=12_550,
        closed_on=date(2024, 2, 1),
        lines=(
            Line(
                value_date=date(2024, 2, 1),
                entry_date=date(2024, 2, 1),
                amount=2_550,
                type_code="NTRF",
                bank_reference="BANK0001",
                customer_reference="INVOICE 7",
                details="Paid by Ann",
            ),
        ),
    )


@pytest.mark.parametrize(
    ("mark", "amount"), [("C", 2_550), ("D", -2_550), ("RC", -2_550), ("RD", 2_550), ("CR", 2_550)]
)
def test_a_reversed_credit_is_a_debit_and_the_other_way_round(mark: str, amount: int) -> None:
    line = f":61:2402010201{mark}25,50NTRFNONREF"
    assert [line.amount for line in read_one(mt940(line)).lines] == [amount]


@pytest.mark.parametrize(
    ("currency", "amount", "minor"), [("JPY", "1500,", 1_500), ("KWD", "1,234", 1_234)]
)
def test_amounts_have_the_decimals_of_their_currency(
    currency: str, amount: str, minor: int
) -> None:
    balance = f"D240131{currency}{amount}"
    assert read_one(mt940(opening=balance, closing=balance)).opening == -minor


def test_pages_of_a_long_statement_have_intermediate_balances() -> None:
    text = mt940(LINE).replace(":60F:", ":60M:").replace(":62F:", ":62M:")
    assert read_one(text) == read_one(mt940(LINE))


def test_placeholders_of_references_are_no_references() -> None:
    line = read_one(mt940(":61:2402010201C25,50NTRFNONREF//NONREF")).lines[0]
    assert (line.bank_reference, line.customer_reference) == ("", "")


def test_lines_without_a_type_code_stay_apart() -> None:
    lines = (":61:240201C20,00", ":61:240201C5,50")
    assert [line.amount for line in read_one(mt940(*lines)).lines] == [2_000, 550]


def test_structured_details_are_shown_without_their_codes() -> None:
    details = sample("sepa_mt9401.sta")[0].lines[0].details
    assert details == (
        "RETOURE EREF+TFNR 40005 00005 MTLG:Grund nicht spezifiziert Reject aus"
        " SEPA-Ueberweisungsauftrag"
    )


def test_words_that_were_cut_at_the_end_of_a_line_are_whole_again() -> None:
    assert "CONTRA ACCOUNT HOLDER" in sample("rabobank-iban.sta")[0].lines[0].details


def test_control_characters_do_not_get_in_and_details_are_cut() -> None:
    statement = read_one(mt940(f":61:240201C25,50NTRFA\x1b[2J//B\x00C\n:86:\x00{'long ' * 80}"))
    line = statement.lines[0]
    assert (line.customer_reference, line.bank_reference) == ("A [2J", "B C")
    assert line.details.startswith("long long")
    assert len(line.details) == 255


def test_what_follows_the_closing_balance_is_no_part_of_the_last_line() -> None:
    text = mt940(LINE).replace("-\n", ":64:C240201EUR125,50\n:86:Have a nice day\n-\n")
    assert read_one(text) == read_one(mt940(LINE))


def test_line_ends_byte_order_marks_and_envelopes_make_no_difference() -> None:
    plain = mt940(LINE)
    windows = plain.replace("\n", "\r\n").encode()
    enveloped = f"{{1:F01BANK}}{{2:I940BANK}}{{4:\n{plain}}}".encode()
    for other in (windows, b"\xef\xbb\xbf" + plain.encode(), enveloped):
        assert statement_id(read_one(other)) == statement_id(read_one(plain))


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "latin-1"])
def test_text_is_read_in_the_encodings_that_banks_use(encoding: str) -> None:
    text = mt940(":61:240201C25,50NTRFNONREF\n:86:Müller, café")
    assert read_one(text.encode(encoding)).lines[0].details == "Müller, café"


def test_bytes_that_no_encoding_knows_are_no_obstacle() -> None:
    assert read_one(mt940(LINE).encode().replace(b"Ann", b"\x81nn")).lines[0].details == (
        "Paid by nn"
    )


def test_a_text_that_names_a_file_is_not_that_file(tmp_path: Path) -> None:
    path = tmp_path / "bank.sta"
    path.write_text(mt940(LINE))
    (answer,) = read_statements(str(path).encode())
    assert isinstance(answer, Unreadable)


def test_every_faulty_file_has_its_reason_here() -> None:
    closes = {"does_not_close.sta"}  # can be read, and is refused when it is booked
    assert {path.name for path in FAULTY.iterdir()} == REASONS.keys() | closes


@pytest.mark.parametrize("name", REASONS)
def test_what_is_wrong_is_said(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        (answer,) = read_statements((FAULTY / name).read_bytes())
    assert isinstance(answer, Unreadable)
    assert answer.reason.startswith(REASONS[name])
    assert not caplog.records


def test_a_refused_statement_is_named() -> None:
    (answer,) = read_statements((FAULTY / "unknown_mark.sta").read_bytes())
    assert isinstance(answer, Unreadable)
    assert (answer.bank_account, answer.number) == ("NL01BANK0000000001", "7/1")


def test_a_bad_statement_does_not_spoil_the_others() -> None:
    bad = (FAULTY / "impossible_date.sta").read_text()
    answers = read_statements((mt940(LINE) + bad + mt940(LINE)).encode())
    assert [type(answer) for answer in answers] == [BankStatement, Unreadable, BankStatement]


def test_statements_that_differ_in_anything_have_ids_of_their_own() -> None:
    variants = [
        mt940(LINE),
        mt940(LINE, number="7/2"),
        mt940(LINE, reference="REF2"),
        mt940(LINE, account="NL01BANK0000000002"),
        mt940(LINE, closing="C240202EUR125,50"),
        mt940(LINE.replace("Ann", "Bob")),
        mt940(LINE.replace("BANK0001", "BANK0002")),
    ]
    assert len({statement_id(read_one(text)) for text in variants}) == len(variants)


def test_the_ids_of_booked_statements_stay_what_they_are() -> None:
    """Another id here means that every statement of the past could be booked a second time."""
    assert str(statement_id(read_one(mt940(LINE)))) == "b07c92ac-8659-5930-8502-3558ef5abd2b"


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_files_are_refused_and_never_crash(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["generic.sta", "sns.sta", "rabobank-iban.sta"]))
    content = bytearray((SAMPLES / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    for answer in read_statements(bytes(content)):
        assert isinstance(answer, BankStatement | Unreadable)
