"""Statements as PDF, as another program reads them."""

from __future__ import annotations

import cProfile
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader
from reportlab.pdfbase.pdfmetrics import stringWidth

from api.statements import paper
from api.statements.paper import printable, wrapped
from domain.money import format_amount
from tests.support.statements import Move, history, statement, written


def pages(file: bytes) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(file)).pages]


def test_each_page_takes_over_the_balance_of_the_one_before() -> None:
    entries = history([Move(n * 7, description=f"Lunch {n}") for n in range(1, 91)])
    one = statement(entries, name="Anna's savings")
    file = written(one, entries, "pdf")
    assert file == written(one, entries, "pdf", size=500), "the same bytes again"
    found = pages(file)
    assert len(found) == 4
    shown = 0
    for number, text in enumerate(found, 1):
        lines = text.splitlines()
        assert f"Page {number} of 4" in lines
        assert "Anna's savings" in lines
        brought = lines[lines.index("Opening balance" if number == 1 else "Carried over") + 1]
        assert brought == format_amount(entries[shown - 1].balance if shown else 0, "EUR")
        shown += sum(line.startswith("Lunch ") for line in lines)
        carried = lines.count("Carried over") == (1 if number in (1, 4) else 2)
        assert carried, "at the top of all but the first, at the foot of all but the last"
        if number < 4:
            foot = len(lines) - lines[::-1].index("Carried over")
            assert lines[foot] == format_amount(entries[shown - 1].balance, "EUR")
    assert shown == len(entries)
    last = found[-1].splitlines()
    assert last[last.index("Closing balance") + 1] == format_amount(one.sums.closing, "EUR")
    assert "Credits: 90" in last


def test_a_statement_without_movements_has_a_page_too() -> None:
    (page,) = pages(written(statement([], 5_00, is_final=False), [], "pdf"))
    assert page.count("5.00") == 2
    assert "Not final" in page


def test_a_letter_that_the_font_lacks_is_seen_to_be_missing() -> None:
    entries = history(
        [Move(1, description="Čeněk a\u0301 Ł\u017c ß – Жук 字 नम\uffff", reference="€")]
    )
    (page,) = pages(written(statement(entries, name="Ø 字"), entries, "pdf"))
    assert "á" in page
    assert "Reference €" in page
    assert "Ø ?" in page
    assert "??? ? ???" in page


@settings(max_examples=25)
@given(st.lists(st.text(max_size=255), min_size=1, max_size=4), st.text(max_size=100))
def test_no_text_of_a_customer_is_too_much(texts: list[str], name: str) -> None:
    entries = history([Move(1, description=text, reference=text[:140]) for text in texts])
    assert written(statement(entries, name=name), entries, "pdf").startswith(b"%PDF-")


@settings(max_examples=50)
@given(st.text(st.sampled_from("iW ä"), max_size=255))
def test_wrapping_loses_nothing_and_stays_in_its_column(text: str) -> None:
    lines = wrapped(printable(text), 60.0, 8)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    for line in lines:
        assert stringWidth(line, "DaybookSans", 8) <= 60.0


def test_a_long_word_is_measured_letter_by_letter_and_not_again_for_each() -> None:
    profile, word = cProfile.Profile(), "i" * 1000
    lines: list[str] = profile.runcall(wrapped, word, 228.0, 7.5)
    assert "".join(lines) == word
    assert sum(entry.callcount for entry in profile.getstats()) < len(word)


def test_nobody_else_draws_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawings at the same time would read the same fonts, and break each other now and then."""
    free = []
    heading = paper._draw_heading

    def noted(*of: object) -> None:
        free.append(not paper._ONE_AT_A_TIME.locked())
        heading(*of)  # type: ignore[arg-type]

    monkeypatch.setattr(paper, "_draw_heading", noted)
    file = written(statement([]), [], "pdf")
    assert free == [False]
    assert not paper._ONE_AT_A_TIME.locked()
    assert file.startswith(b"%PDF-")
