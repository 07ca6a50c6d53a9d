"""The customer's account as statements: camt.053.001.08 and MT940, one a currency.

An entry is one movement, or the return of one (a reversal). `AcctSvcrRef` is the bank's reference,
`EndToEndId` the movement's id as 32 hexadecimal digits, `Ustrd` the reference it was instructed with.
In MT940 `:61:` has the bank's reference after `//`, and `:86:` is `/EREF/<movement id>/REMI/<reference>`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from xml.etree import ElementTree as ET  # only to write with

from msgspec import Struct

from api.sandbox.book import Book
from api.sandbox.records import Booked
from domain.money import format_amount

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"

ACCOUNT = "DAYBOOK-CLEARING"
"""The customer's account at this bank."""


class Statement(Struct, frozen=True):
    """What was booked from a day to another, both included. Amounts are in minor units."""

    currency: str
    first: date
    last: date
    made_at: datetime
    opening: int
    entries: list[Booked]

    @property
    def closing(self) -> int:
        return self.opening + sum(entry.amount for entry in self.entries)

    @property
    def id(self) -> str:
        return f"{self.currency}-{self.first:%Y%m%d}-{self.last:%Y%m%d}"


def statements(
    book: Book, first: date, last: date, made_at: datetime, currency: str | None
) -> list[Statement]:
    """Of one currency, or of each in which anything was ever booked. Days are those of UTC."""
    begin = datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp()
    end = (datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)).timestamp()
    return [
        Statement(each, first, last, made_at, *book.booked(each, begin, end))
        for each in ([currency] if currency else book.currencies())
    ]


def camt053(found: list[Statement], made_at: datetime) -> bytes:
    """A document with a statement for each."""
    document = ET.Element("Document", xmlns=NAMESPACE)
    root = ET.SubElement(document, "BkToCstmrStmt")
    header = ET.SubElement(root, "GrpHdr")
    _text(header, "MsgId", f"SANDBOX-{made_at:%Y%m%d%H%M%S%f}")
    _text(header, "CreDtTm", _moment(made_at))
    for statement in found:
        _statement(ET.SubElement(root, "Stmt"), statement)
    text: bytes = ET.tostring(document, encoding="utf-8", xml_declaration=True)
    return text


def _statement(at: ET.Element, statement: Statement) -> None:
    _text(at, "Id", statement.id)
    _text(at, "ElctrncSeqNb", f"{statement.last:%Y%j}")
    _text(at, "CreDtTm", _moment(statement.made_at))
    span = ET.SubElement(at, "FrToDt")
    _text(span, "FrDtTm", f"{statement.first}T00:00:00Z")
    _text(span, "ToDtTm", f"{statement.last}T23:59:59Z")
    account = ET.SubElement(at, "Acct")
    _text(account, "Id/Othr/Id", ACCOUNT)
    _text(account, "Ccy", statement.currency)
    _balance(at, "OPBD", statement.opening, statement.currency, statement.first)
    _balance(at, "CLBD", statement.closing, statement.currency, statement.last)
    for entry in statement.entries:
        _entry(ET.SubElement(at, "Ntry"), entry, statement.currency)


def _balance(at: ET.Element, code: str, amount: int, currency: str, day: date) -> None:
    balance = ET.SubElement(at, "Bal")
    _text(balance, "Tp/CdOrPrtry/Cd", code)
    _amount(balance, amount, currency)
    _text(balance, "Dt/Dt", day.isoformat())


def _entry(at: ET.Element, entry: Booked, currency: str) -> None:
    booked_on = datetime.fromtimestamp(entry.at, UTC).date().isoformat()
    _amount(at, entry.amount, currency)
    if entry.is_reversal:
        _text(at, "RvslInd", "true")
    _text(at, "Sts/Cd", "BOOK")
    _text(at, "BookgDt/Dt", booked_on)
    _text(at, "ValDt/Dt", booked_on)
    _text(at, "AcctSvcrRef", entry.bank_reference)
    _text(at, "BkTxCd/Prtry/Cd", "NTRF")
    details = ET.SubElement(ET.SubElement(at, "NtryDtls"), "TxDtls")
    _text(details, "Refs/EndToEndId", UUID(entry.movement_id).hex)
    if reference := _one_line(entry.reference):
        _text(details, "RmtInf/Ustrd", reference[:140])


def _amount(at: ET.Element, amount: int, currency: str) -> None:
    _text(at, "Amt", format_amount(abs(amount), currency)).set("Ccy", currency)
    _text(at, "CdtDbtInd", "CRDT" if amount >= 0 else "DBIT")


def _text(at: ET.Element, path: str, text: str) -> ET.Element:
    for name in path.split("/"):
        at = ET.SubElement(at, name)
    at.text = text
    return at


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def mt940(found: list[Statement]) -> bytes:
    """A statement for each, one after the other."""
    return "".join(_mt940(statement) for statement in found).encode()


def _mt940(statement: Statement) -> str:
    lines = [
        f":20:SB{statement.last:%y%m%d}{statement.currency}",
        f":25:{ACCOUNT}",
        f":28C:{statement.last:%j}/1",
        f":60F:{_mt940_balance(statement.opening, statement.currency, statement.first)}",
    ]
    for entry in statement.entries:
        day = datetime.fromtimestamp(entry.at, UTC)
        # A returned collection takes money away again (RC), a returned payment brings it back (RD).
        mark = "C" if (entry.amount >= 0) != entry.is_reversal else "D"
        mark = f"R{mark}" if entry.is_reversal else mark
        amount = _comma(entry.amount, statement.currency)
        lines.append(f":61:{day:%y%m%d%m%d}{mark}{amount}NTRFNONREF//{entry.bank_reference}")
        lines += _details(f"/EREF/{UUID(entry.movement_id).hex}/REMI/{_one_line(entry.reference)}")
    closing = _mt940_balance(statement.closing, statement.currency, statement.last)
    lines += [f":62F:{closing}", "-"]
    return "".join(f"{line}\r\n" for line in lines)


def _one_line(text: str) -> str:
    """Without what neither format can hold."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _details(text: str) -> list[str]:
    """Six lines of 65 characters at most."""
    lines = [text[at : at + 65] for at in range(0, len(text), 65)][:6]
    return [f":86:{lines[0]}", *lines[1:]]


def _mt940_balance(amount: int, currency: str, day: date) -> str:
    mark = "C" if amount >= 0 else "D"
    return f"{mark}{day:%y%m%d}{currency}{_comma(amount, currency)}"


def _comma(amount: int, currency: str) -> str:
    text = format_amount(abs(amount), currency).replace(".", ",")
    return text if "," in text else f"{text},"
