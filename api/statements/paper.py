"""A statement as PDF: pages of A4 with what is carried over from one to the next.

The letters are those of the font that comes with reportlab, of Western and Central Europe; another
character is drawn as `?`, and is whole in the other formats. Nothing comes from the clock.
"""

from __future__ import annotations

import io
import re
import threading
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import reportlab
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase.pdfmetrics import registerFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from api.statements.texts import day, shown
from domain.money import format_amount
from projections.entries.queries import EntryRow
from projections.entries.statements import Statement

_PLAIN, _BOLD = "DaybookSans", "DaybookSans-Bold"
_FONTS = Path(reportlab.__file__).parent / "fonts"


def _load(name: str, file: str) -> Mapping[str, float]:
    """The characters of a font and how wide each is, in thousandths of the font's size. It is taken from
    the package and not from wherever a machine has one."""
    font = TTFont(name, str(_FONTS / file))
    registerFont(font)
    face = font.face
    return {
        chr(code): face.charWidths.get(code, face.defaultWidth) for code in sorted(face.charToGlyph)
    }


_WIDTHS = {_PLAIN: _load(_PLAIN, "Vera.ttf"), _BOLD: _load(_BOLD, "VeraBd.ttf")}
_UNKNOWN = re.compile(
    "[^" + re.escape("".join(each for each in _WIDTHS[_PLAIN] if each in _WIDTHS[_BOLD])) + "]"
)

_ONE_AT_A_TIME = threading.Lock()
"""All drawings of a process read the same fonts, each from wherever the other one has left off."""

# Points, from the lower left corner.
_WIDTH, _HEIGHT = A4
_LEFT, _RIGHT = 42.0, _WIDTH - 42.0
_TOP, _BOTTOM = _HEIGHT - 42.0, 52.0
_VALUE, _TEXT, _TEXT_WIDTH, _AMOUNT = _LEFT + 58, _LEFT + 116, 228.0, _RIGHT - 86
_SIZE, _SMALL, _LINE, _GAP = 7.5, 6.5, 10.0, 4.0
_HEAD = 104.0
"""What the heading of a page takes, the columns' names included."""
_BODY = _TOP - _HEAD - _BOTTOM - 2 * (_LINE + _GAP)
"""What is left for rows between the lines that say what is carried over."""


class _Row(NamedTuple):
    booked: str
    value: str
    text: list[str]
    details: list[str]
    amount: str
    balance: str

    @property
    def height(self) -> float:
        return _LINE * max(1, len(self.text) + len(self.details)) + _GAP


class _Page(NamedTuple):
    rows: list[_Row]
    brought: str
    """The balance before its first row."""
    carried: str
    """The balance after its last."""


class Paper:
    """All of it is kept until the end, since each page says how many there are; and what takes long is left
    to the end, since that is where a thread waits for it and not an event loop."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._entries: list[EntryRow] = []

    def begin(self) -> bytes:
        return b""

    def entries(self, entries: Sequence[EntryRow]) -> bytes:
        self._entries += entries
        return b""

    def end(self) -> bytes:
        with _ONE_AT_A_TIME:
            return self._drawn()

    def _drawn(self) -> bytes:
        one = self._statement
        pages = _pages(one, [_row(entry, one.currency) for entry in self._entries])
        out = io.BytesIO()
        canvas = Canvas(out, pagesize=A4, invariant=1, pageCompression=1, lang="en")
        canvas.setTitle(f"Statement {one.period.first} to {one.period.last}")
        canvas.setSubject(f"Account {one.account_id}, as of position {one.span.to}")
        canvas.setCreator("Daybook")
        for number, page in enumerate(pages, 1):
            _draw_heading(canvas, one, f"Page {number} of {len(pages)}")
            y = _draw_rows(canvas, page, is_first=number == 1)
            if number < len(pages):
                _draw_balance(canvas, y, "Carried over", page.carried)
            else:
                _draw_totals(canvas, y, one)
            canvas.showPage()
        canvas.save()
        return out.getvalue()


def printable(text: str) -> str:
    """The text with what the font has, and `?` for each character that it lacks."""
    return _UNKNOWN.sub("?", unicodedata.normalize("NFC", shown(text)))


def wrapped(text: str, width: float, size: float, font: str = _PLAIN) -> list[str]:
    """The lines of a printable text, none wider than `width` points; long words are broken."""
    widths, scale = _WIDTHS[font], size / 1000
    lines: list[str] = []
    line, taken = "", 0.0
    for word in text.split():
        needed = sum(map(widths.__getitem__, f" {word}" if line else word))
        if (taken + needed) * scale <= width:
            line = f"{line} {word}" if line else word
            taken += needed
            continue
        if line:
            lines.append(line)
        line, taken = "", 0.0
        for each in word:
            if (taken + widths[each]) * scale > width:
                lines.append(line)
                line, taken = "", 0.0
            line += each
            taken += widths[each]
    return [*lines, line] if line else lines


def _row(entry: EntryRow, currency: str) -> _Row:
    is_credit = entry.direction == "credit"
    reference = f"Reference {entry.reference}" if entry.reference.strip() else ""
    return _Row(
        day(entry.recorded_at).isoformat(),
        day(entry.effective_at).isoformat(),
        wrapped(printable(entry.description), _TEXT_WIDTH, _SIZE),
        [
            *wrapped(printable(reference), _TEXT_WIDTH, _SMALL),
            f"{'from' if is_credit else 'to'} account {entry.counterparty_id}",
        ],
        format_amount(entry.amount if is_credit else -entry.amount, currency),
        format_amount(entry.balance, currency),
    )


def _pages(statement: Statement, rows: Sequence[_Row]) -> list[_Page]:
    """The rows in pages; the last one has room for the totals as well."""
    currency, totals = statement.currency, 3 * (_LINE + _GAP)
    balance = format_amount(statement.sums.opening, currency)
    pages = [_Page([], balance, balance)]
    left = _BODY
    for place, row in enumerate(rows):
        needed = row.height + (totals if place == len(rows) - 1 else 0)
        if needed > left:
            pages.append(_Page([], pages[-1].carried, pages[-1].carried))
            left = _BODY
        last = pages[-1]
        pages[-1] = last._replace(carried=row.balance)
        last.rows.append(row)
        left -= row.height
    return pages


def _draw_heading(canvas: Canvas, statement: Statement, page: str) -> None:
    one, y = statement, _TOP - 5
    canvas.setFont(_BOLD, 14)
    canvas.drawString(_LEFT, _TOP, "Account statement")
    canvas.setFont(_PLAIN, _SIZE)
    canvas.drawRightString(_RIGHT, _TOP, page)
    name = wrapped(printable(one.name), 380, 9, _BOLD)
    for text, font, size in (
        *((line, _BOLD, 9) for line in name[:3]),
        (f"Account {one.account_id}, {one.currency}", _PLAIN, _SIZE),
        (f"{one.period.first} to {one.period.last}", _PLAIN, _SIZE),
    ):
        y -= 13
        canvas.setFont(font, size)
        canvas.drawString(_LEFT, y, text)
    canvas.setFont(_BOLD, _SIZE)
    y = _TOP - _HEAD + 12
    for x, text in ((_LEFT, "Booked"), (_VALUE, "Value"), (_TEXT, "What for")):
        canvas.drawString(x, y, text)
    canvas.drawRightString(_AMOUNT, y, "Amount")
    canvas.drawRightString(_RIGHT, y, "Balance")
    canvas.line(_LEFT, y - 4, _RIGHT, y - 4)
    note = f"As of position {one.span.to} of the ledger, {one.as_of:%Y-%m-%d %H:%M:%S} UTC."
    note += " Days are those of UTC."
    if not one.span.is_final:
        note += " Not final: the last day is not over."
    canvas.setFont(_PLAIN, _SMALL)
    canvas.drawString(_LEFT, _BOTTOM - 18, note)


def _draw_rows(canvas: Canvas, page: _Page, *, is_first: bool) -> float:
    """Draws the rows of a page from its top down; answers where the next line goes."""
    y = _TOP - _HEAD - _LINE
    _draw_balance(canvas, y, "Opening balance" if is_first else "Carried over", page.brought)
    y -= _LINE + _GAP
    for row in page.rows:
        canvas.setFont(_PLAIN, _SIZE)
        canvas.drawString(_LEFT, y, row.booked)
        canvas.drawString(_VALUE, y, row.value)
        canvas.drawRightString(_AMOUNT, y, row.amount)
        canvas.drawRightString(_RIGHT, y, row.balance)
        lines = canvas.beginText(_TEXT, y)
        for texts, size in ((row.text, _SIZE), (row.details, _SMALL)):
            lines.setFont(_PLAIN, size, _LINE)
            for text in texts:
                lines.textLine(text)
        canvas.drawText(lines)
        y -= row.height
    return y


def _draw_balance(canvas: Canvas, y: float, label: str, balance: str) -> None:
    canvas.setFont(_BOLD, _SIZE)
    canvas.drawString(_TEXT, y, label)
    canvas.drawRightString(_RIGHT, y, balance)


def _draw_totals(canvas: Canvas, y: float, statement: Statement) -> None:
    sums, currency = statement.sums, statement.currency
    canvas.setFont(_PLAIN, _SIZE)
    for label, amount in (
        (f"Credits: {sums.credit_count}", sums.credits),
        (f"Debits: {sums.debit_count}", -sums.debits),
    ):
        canvas.drawString(_TEXT, y, label)
        canvas.drawRightString(_AMOUNT, y, format_amount(amount, currency))
        y -= _LINE + _GAP
    _draw_balance(canvas, y, "Closing balance", format_amount(sums.closing, currency))
