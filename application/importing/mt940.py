"""Reads SWIFT MT940 files into plain statements, and says of each one that can't be read why."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any, Literal

import mt940
from mt940.models import Balance, Transaction, Transactions

from application.importing.bank_statements import (
    BankStatement,
    Line,
    Unreadable,
    UnreadableError,
)
from application.importing.texts import clean, sentence
from domain.money import exponent_of, parse_decimal
from domain.refusals import Refusal

# What the library logs about lines that it can't parse is part of the refusals made here.
logging.getLogger("mt940").setLevel(logging.CRITICAL)

_STATEMENT_START = re.compile(r"^(?=:20:)", re.MULTILINE)
_CLOSING_LINE = re.compile(r"^:62[FM]?:.*$", re.MULTILINE)
_OPENING_LINE = re.compile(r"^:60[FM]?:.*$", re.MULTILINE)
_BALANCE_LINE = re.compile(r":6[02][FM]?:[DC]\d{6}[A-Z]{3}\d{1,15}(,\d*)?\s*", re.ASCII)
_ACCOUNT_LINE = re.compile(r"^:25P?:(.{0,35})", re.MULTILINE)
_NUMBER_LINE = re.compile(r"^:28C?:(.{0,11})", re.MULTILINE)

_FULL_LINE = 64
"""Details are cut at 65 characters, in mid-word, and some banks then lose a space at the end."""

_STRUCTURED = re.compile(r"\d{3}(?=\?\d\d)", re.ASCII)
_FIELD = re.compile(r"\?(\d\d)([^?]*)", re.ASCII)
_SHOWN_FIELDS = frozenset(
    {"00", "31", "32", "33", *map(str, range(20, 30)), *map(str, range(60, 64))}
)
"""Of German banks' structured details: posting text, purpose, the other side's account and name."""
_STARTS_WORD = frozenset({"00", "20", "31", "32", "60"})
_BEFORE_KEYWORD = re.compile(r"(?<=\S)(?=(?:EREF|KREF|MREF|CRED|DEBT|SVWZ|ABWA|ABWE)\+|MTLG:)")

_NO_REFERENCE = frozenset({"NONREF", "EREF", "EREF+", "KREF", "KREF+"})
"""Said in place of a reference: there is none, or it is among the details."""


def read_statements(content: bytes) -> list[BankStatement | Unreadable]:
    """The statements of a file in its order, each by itself, so that one bad one spoils no other."""
    text = _decode(content).replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        return [Unreadable("", "", "the file is empty")]
    blocks = [block for block in _STATEMENT_START.split(text) if block.startswith(":20:")]
    if not blocks:
        reason = (
            "this is no MT940 file: no line starts with :20:, with which every statement begins"
        )
        return [Unreadable("", "", reason)]
    return [_read_block(block) for block in blocks]


def _decode(content: bytes) -> str:
    """MT940 names no encoding: what isn't UTF-8 is taken for Windows' Latin, which holds ISO 8859-1."""
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")


def _read_block(block: str) -> BankStatement | Unreadable:
    try:
        return _read_statement(block)
    except UnreadableError as error:
        reason = str(error)
    except Refusal as refusal:
        reason = sentence(refusal.reason, refusal.details)
    except (ValueError, ArithmeticError, LookupError, RuntimeError, TypeError) as error:
        reason = _malformed(error)
    return Unreadable(_first(_ACCOUNT_LINE, block), _first(_NUMBER_LINE, block), reason)


def _malformed(error: Exception) -> str:
    """The library has no error of its own: a malformed field ends in any of the usual ones."""
    match error.args:
        case (_, mt940.tags.Tag() as tag, str(value)):
            return f"its field :{tag.id}: is malformed: {clean(value)}"
        case _ if isinstance(error, ArithmeticError):
            return "one of its amounts is malformed"
        case _:
            return f"one of its fields is malformed: {clean(str(error))}"


def _first(pattern: re.Pattern[str], block: str) -> str:
    match = pattern.search(block)
    return clean(match[1]) if match else ""


def _read_statement(block: str) -> BankStatement:
    opening_end = _check_balance_line(_OPENING_LINE, "opening balance (:60F: or :60M:)", block)
    closing_end = _check_balance_line(_CLOSING_LINE, "closing balance (:62F: or :62M:)", block)
    if closing_end < opening_end:
        raise UnreadableError("its closing balance comes before its opening balance")
    # What follows the closing balance are forecasts and remarks, which the library would add to the
    # last line's details.
    data = _parse(block[:closing_end])
    opening, closing = _balance(data, "opening"), _balance(data, "closing")
    assert opening.date is not None
    assert closing.date is not None
    currency, amount = _money(opening)
    closing_currency, closing_amount = _money(closing)
    if currency != closing_currency:
        raise UnreadableError(f"it opens in {currency} and closes in {closing_currency}")
    account = clean(data.data.get("account_identification") or "")
    if not account:
        raise UnreadableError("it has no account (:25:)")
    number, page = data.data.get("statement_number"), data.data.get("sequence_number")
    return BankStatement(
        bank_account=account,
        reference=clean(data.data.get("transaction_reference") or ""),
        number=f"{number}/{page}" if page else number or "",
        currency=currency,
        opening=amount,
        opened_on=_plain_date(opening.date),
        closing=closing_amount,
        closed_on=_plain_date(closing.date),
        lines=tuple(_line(line, currency) for line in data),
    )


def _check_balance_line(pattern: re.Pattern[str], name: str, block: str) -> int:
    """Where the one such line of a statement ends. The library takes the last of several, and of a
    figure like `1.000,00` the part before the dot."""
    found = list(pattern.finditer(block))
    if len(found) != 1:
        many = f"{len(found)} lines with its" if found else "no"
        raise UnreadableError(f"it has {many} {name}")
    if not _BALANCE_LINE.fullmatch(found[0][0]):
        raise UnreadableError(f"its {name} is malformed: {clean(found[0][0])}")
    return found[0].end()


def _parse(block: str) -> Transactions:
    def keep_apart(_: Any, __: Any, ___: Any, result: dict[str, Any]) -> dict[str, Any]:
        """Without a type code the library would let the next line overwrite this one."""
        return {**result, "type_code": result.get("id") or "", "id": result.get("id") or "NMSC"}

    processors: Any = {
        "post_statement": [*Transactions.DEFAULT_PROCESSORS["post_statement"], keep_apart],
        "post_transaction_details": [],
    }
    # Not the text itself: the library would open the file that a text happens to name. Of the
    # options one matters for money: without it a reversed credit (RC) counts as a credit.
    (data,) = mt940.parse_statements(
        io.StringIO(block), options=mt940.Options.all(), processors=processors
    )
    return data


def _balance(data: Transactions, side: Literal["opening", "closing"]) -> Balance:
    for kind in ("final_", "intermediate_", ""):
        balance = data.data.get(f"{kind}{side}_balance")
        if isinstance(balance, Balance):
            return balance
    raise UnreadableError(f"its {side} balance can't be read")


def _money(balance: Balance) -> tuple[str, int]:
    amount = balance.amount
    assert isinstance(amount, mt940.models.Amount)
    currency = amount.currency or ""
    exponent_of(currency)
    return currency, _minor(amount.amount, currency)


def _minor(amount: Decimal, currency: str) -> int:
    return parse_decimal(format(amount, "f"), currency)


def _line(line: Transaction, currency: str) -> Line:
    data = line.data
    reference = data.get("customer_reference") or ""
    if not data["type_code"] and reference[:1] in tuple(".,0123456789"):
        shown = f"{abs(data['amount'].amount)}{reference}"
        raise UnreadableError(f"the amount of a line (:61:) is malformed: {clean(shown)}")
    entry_date = data.get("entry_date")
    return Line(
        value_date=_plain_date(data["date"]),
        entry_date=None if entry_date is None else _plain_date(entry_date),
        amount=_minor(data["amount"].amount, currency),
        type_code=clean(data["type_code"]),
        bank_reference=_reference(data.get("bank_reference")),
        customer_reference=_reference(reference),
        details=clean(_BEFORE_KEYWORD.sub(" ", "".join(_details(data)))),
    )


def _plain_date(of_library: date) -> date:
    return date(of_library.year, of_library.month, of_library.day)


def _reference(text: str | None) -> str:
    text = clean(text or "")
    return "" if text in _NO_REFERENCE else text


def _details(data: dict[str, Any]) -> Iterator[str]:
    """What the movement was for."""
    text = ""
    for line in (data.get("transaction_details") or "").split("\n"):
        text += line if len(line) >= _FULL_LINE else f"{line} "
    if _STRUCTURED.match(text):
        for number, part in _FIELD.findall(text):
            if number in _SHOWN_FIELDS:
                yield f" {part}" if number in _STARTS_WORD else part
    else:
        yield text
    yield f" {data.get('extra_details') or ''}"
