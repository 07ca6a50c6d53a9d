"""Reading camt.053: what banks send in its versions, and what is wrong with what can't be read."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from application.importing.bank_files import read_bank_file
from application.importing.bank_statements import BankStatement, Line, Unreadable, difference_of
from application.importing.camt053 import read_statements
from tests.application.importing.samples import LINE, camt, entry, mt940, part

DATA = Path(__file__).parents[2] / "data" / "camt053"
VERSIONS = ("02", "08", "14")


def read_one(text: str | bytes) -> BankStatement:
    (statement,) = read_statements(text)
    assert isinstance(statement, BankStatement), statement
    return statement


def refusal(text: str | bytes) -> Unreadable:
    (answer,) = read_statements(text)
    assert isinstance(answer, Unreadable), answer
    return answer


def sample(version: str) -> str:
    """All that is read, in one statement."""
    return camt(
        entry("25.50", part("E1", version=version), version=version),
        entry("-10.00", version=version, reversal="<RvslInd>true</RvslInd>"),
        entry(
            "10.00",
            *(part(f"B{n}", "5.00", version=version) for n in (1, 2)),
            version=version,
        ),
        entry("99.00", version=version, status="PDNG"),
        version=version,
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_a_statement_that_fits_the_standards_schema_is_read(version: str) -> None:
    text = sample(version)
    xmlschema.XMLSchema(DATA / f"camt.053.001.{version}.xsd").validate(text)
    statement = read_one(text)
    assert (statement.bank_account, statement.number) == ("NL91ABNA0417164300", "7")
    assert (statement.reference, statement.currency) == ("S1", "EUR")
    assert (statement.opening, statement.closing) == (100_00, 125_50)
    assert (statement.opened_on, statement.closed_on) == (date(2024, 1, 31), date(2024, 2, 1))
    assert [line.amount for line in statement.lines] == [25_50, -10_00, 5_00, 5_00]
    assert difference_of(statement) is None
    assert statement.lines[0] == Line(
        value_date=date(2024, 2, 2),
        entry_date=date(2024, 2, 1),
        amount=25_50,
        type_code="PMNT/RCDT/ESCT",
        bank_reference="BANK1",
        customer_reference="E1",
        details="Thanks Ann",
        more_references=("N1", "I-E1"),
    )
    assert [line.customer_reference for line in statement.lines[2:]] == ["B1", "B2"]


def test_a_sum_of_payments_whose_amounts_are_not_all_told_stays_one_line() -> None:
    for parts in ([part("B1", "5.00"), part("B2")], [part("B1", "5.00"), part("B2", "6.00")]):
        (line,) = read_one(camt(entry("25.50", *parts))).lines
        assert line.amount == 25_50
        assert {"B1", "B2"} <= set(line.more_references)
        assert line.customer_reference == "N1"


def test_a_reference_that_says_there_is_none_is_none() -> None:
    (line,) = read_one(camt(entry("25.50", part("NOTPROVIDED")))).lines
    assert line.customer_reference == "N1"


def test_an_amount_may_have_more_zeros_than_its_currency() -> None:
    statement = read_one(camt(entry("25.50000"), entry("-3"), opening="100", closing="122.500"))
    assert [line.amount for line in statement.lines] == [25_50, -3_00]
    assert (statement.opening, statement.closing) == (100_00, 122_50)


def test_balances_in_debit_are_below_zero() -> None:
    statement = read_one(camt(entry("25.50"), opening="-100.00", closing="-74.50"))
    assert (statement.opening, statement.closing) == (-100_00, -74_50)


def test_a_sample_with_the_balance_of_the_statement_before() -> None:
    statement = read_one((DATA / "czech.xml").read_bytes())
    assert (statement.opening, statement.closing) == (1000_00, 2000_00)
    assert [line.amount for line in statement.lines] == [1500_00, -500_00]
    assert [line.details for line in statement.lines] == ["Incoming payment", "Outbound payment"]
    assert difference_of(statement) is None


def test_a_sample_that_does_not_close_says_so() -> None:
    text = (DATA / "sepa-does-not-close.xml").read_text()
    xmlschema.XMLSchema(DATA / "camt.053.001.08.xsd").validate(text)
    statement = read_one(text)
    assert [line.customer_reference for line in statement.lines] == ["INV-10042", "INV-90211"]
    assert difference_of(statement) == (
        "opening balance 1250000.00 EUR and 2 lines make 1336250.00 EUR, but the closing balance is"
        " 1101942.75 EUR: difference 234307.25 EUR"
    )


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb">]><a>&b;</a>'
NAMED_OTHERWISE = camt().replace("camt.053", "camt.054")
BAD = {
    "nothing at all": ("", "this is no XML: no element found"),
    "half a file": (camt()[:-30], "this is no XML: "),
    "a bomb": (BOMB, "it has a document type (<!DOCTYPE>)"),
    "another document": ("<html/>", "this is no camt.053 file"),
    "another message": (NAMED_OTHERWISE, "this is camt.054.001.08: only statements (camt.053)"),
    "no statement": (camt().replace("Stmt>", "Rpt>"), "there is no statement in it"),
    "no account": (camt(account=""), "it has no account (Acct/Id)"),
    "no opening": (camt(opening_code="ITBD"), "it has no opening balance (OPBD or PRCD)"),
    "two closings": (camt(opening_code="CLBD"), "it has no opening balance"),
    "no closing": (camt().replace("CLBD", "CLAV"), "it has no closing balance (CLBD)"),
    "an unknown currency": (camt(currency="XYZ"), "invalid currency format (currency XYZ)"),
    "two currencies": (camt(entry("1.00", currency="USD")), "it has lines in USD, and balances in EUR"),
    "too many decimals": (camt(entry("1.005")), "invalid amount format (amount 1.005"),
    "no amount": (camt(entry("1.00").replace(">1.00<", "><")), "invalid amount format"),
    "a sign": (camt(entry("1.00").replace(">1.00<", ">-1.00<")), "negative amount"),
    "neither side": (camt(entry("1.00").replace("CRDT", "DEBT")), "neither credit nor debit"),
    "an impossible day": (camt(entry("1.00").replace("02-01", "02-31")), "malformed: 2024-02-31"),
    "the last day": (camt(entry("1.00").replace("2024-02-01", "9999-12-31")), "to 2200: 9999-12-31"),
    "the first day": (camt(entry("1.00").replace("2024-02-01", "0001-01-01")), "to 2200: 0001-01-01"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_says_why(name: str) -> None:
    text, reason = BAD[name]
    assert reason in refusal(text).reason


def test_a_refusal_tells_what_it_is_about_when_it_can_be_seen() -> None:
    answer = refusal(camt(entry("1.005")))
    assert (answer.bank_account, answer.number) == ("NL91ABNA0417164300", "7")


def test_a_bad_statement_spoils_no_other() -> None:
    text = camt(entry("25.50"))
    start, end = text.index("<Stmt>"), text.index("</BkToCstmrStmt>")
    bad = text[start:end].replace("CLBD", "CLAV")
    answers = read_statements(text[:end] + bad + text[start:])
    assert [type(answer) for answer in answers] == [BankStatement, Unreadable, BankStatement]


def test_any_encoding_that_the_file_names() -> None:
    text = camt(entry("25.50", part("E1", text="Größe")))
    latin = text.replace('encoding="UTF-8"', 'encoding="ISO-8859-1"')
    for content in (text, text.encode(), latin.encode("latin-1"), latin, text.encode("utf-16")):
        if isinstance(content, bytes) and content[:2] == b"\xff\xfe":
            content = text.replace("UTF-8", "UTF-16").encode("utf-16")
        (line,) = read_one(content).lines
        assert line.details == "Größe Ann"


def test_the_format_is_seen() -> None:
    for content in (camt(entry("25.50")), mt940(LINE)):
        for form in (content, content.encode(), b"\xef\xbb\xbf" + content.encode()):
            (statement,) = read_bank_file(form)
            assert isinstance(statement, BankStatement)
            assert statement.closing == 125_50
    (wrong,) = read_bank_file(camt(), "mt940")
    assert isinstance(wrong, Unreadable)
    (wrong,) = read_bank_file(mt940(LINE), "camt.053")
    assert isinstance(wrong, Unreadable)


@given(st.binary(max_size=300))
def test_no_content_is_too_odd(content: bytes) -> None:
    """Whatever it is, it is answered: in an entry, as a whole file, and cut off."""
    assert isinstance(read_statements(content), list)
    inner = camt(entry("25.50")).encode().replace(b"BANK1", content)
    assert isinstance(read_statements(inner), list)
