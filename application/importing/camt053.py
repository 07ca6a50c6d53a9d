"""Reads ISO 20022 statements (camt.053, any version from 001.02 on) into plain ones.

Elements are found by name: what versions differ in is where some of them stand, and each place is tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from msgspec.structs import replace

from application.importing.bank_statements import (
    BankStatement,
    Line,
    Unreadable,
    UnreadableError,
)
from application.importing.texts import YEARS, clean, sentence
from domain.money import exponent_of, parse_decimal
from domain.refusals import Refusal

_NAMESPACE = re.compile(r"urn:iso:std:iso:20022:tech:xsd:(([a-z]{4}\.\d{3})\.001\.\d\d)")
_MESSAGE = "camt.053"
_BOOKED = "BOOK"
_OPENING = ("OPBD", "PRCD")
"""Opening balance, or the closing balance of the statement before, which some banks give instead."""
_CLOSING = ("CLBD",)
_SIGNS = {"CRDT": 1, "DBIT": -1}

_NO_REFERENCE = frozenset({"NOTPROVIDED", "NOTAVAILABLE", "NONREF", "NONE"})
_REFERENCES = (
    "MsgId", "PmtInfId", "InstrId", "EndToEndId", "UETR", "TxId", "MndtId", "ClrSysRef", "AcctSvcrRef",
    "AcctOwnrTxId", "AcctSvcrTxId", "Prtry/Ref",
)  # fmt: skip


def read_statements(content: bytes | str) -> list[BankStatement | Unreadable]:
    """The statements of a file in its order, each by itself, so that one bad one spoils no other.

    What has a document type, and so could have entities, is refused.
    """
    try:
        root = fromstring(content, forbid_dtd=True)
    except DefusedXmlException:
        return [
            Unreadable("", "", "it has a document type (<!DOCTYPE>), which statements have not")
        ]
    except (ParseError, ValueError, LookupError) as error:
        return [Unreadable("", "", f"this is no XML: {clean(str(error))}")]
    try:
        return [_read(statement) for statement in _statements(root)]
    except UnreadableError as error:
        return [Unreadable("", "", str(error))]


def _statements(root: Element) -> list[Element]:
    document = next((one for one in root.iter() if _local(one) == "Document"), None)
    # Without its namespace an element is found by the same name in all versions.
    namespace = "" if document is None else document.tag.rpartition("}")[0].removeprefix("{")
    known = _NAMESPACE.fullmatch(namespace)
    if known is None or document is None:
        raise UnreadableError("this is no camt.053 file: there is no document of ISO 20022 in it")
    if known[2] != _MESSAGE:
        raise UnreadableError(f"this is {known[1]}: only statements (camt.053) can be read")
    for one in document.iter():
        one.tag = _local(one)
    found = document.findall("BkToCstmrStmt/Stmt")
    if not found:
        raise UnreadableError("there is no statement in it (BkToCstmrStmt/Stmt)")
    return found


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _read(statement: Element) -> BankStatement | Unreadable:
    try:
        return _read_statement(statement)
    except UnreadableError as error:
        reason = str(error)
    except Refusal as refusal:
        reason = sentence(refusal.reason, refusal.details)
    return Unreadable(_account(statement), _number(statement), reason)


def _read_statement(statement: Element) -> BankStatement:
    account = _account(statement)
    if not account:
        raise UnreadableError("it has no account (Acct/Id)")
    opening = _balance(statement, _OPENING, "opening balance (OPBD or PRCD)")
    closing = _balance(statement, _CLOSING, "closing balance (CLBD)")
    currency, closing_currency = _currency(opening), _currency(closing)
    if currency != closing_currency:
        raise UnreadableError(f"it opens in {currency} and closes in {closing_currency}")
    closed_on = _date(closing, "Dt") or _date(statement, "CreDtTm")
    if closed_on is None:
        raise UnreadableError("its closing balance has no date")
    return BankStatement(
        bank_account=account,
        reference=_text(statement, "Id"),
        number=_number(statement),
        currency=currency,
        opening=_amount(opening, currency),
        opened_on=_date(opening, "Dt") or closed_on,
        closing=_amount(closing, currency),
        closed_on=closed_on,
        lines=tuple(_lines(statement, currency, closed_on)),
    )


def _account(statement: Element) -> str:
    return _text(statement, "Acct/Id/IBAN") or _text(statement, "Acct/Id/Othr/Id")


def _number(statement: Element) -> str:
    number = _text(statement, "ElctrncSeqNb") or _text(statement, "LglSeqNb")
    page = _text(statement, "StmtPgntn/PgNb")
    return f"{number}/{page}" if page else number


def _balance(statement: Element, codes: tuple[str, ...], name: str) -> Element:
    for code in codes:
        found = [
            balance
            for balance in statement.findall("Bal")
            if _text(balance, "Tp/CdOrPrtry/Cd") == code
        ]
        if len(found) > 1:
            raise UnreadableError(f"it has {len(found)} of its {name}")
        if found:
            return found[0]
    raise UnreadableError(f"it has no {name}")


def _currency(element: Element) -> str:
    amount = element.find("Amt")
    currency = "" if amount is None else clean(amount.get("Ccy", ""))
    exponent_of(currency)
    return currency


def _amount(element: Element, currency: str) -> int:
    """The amount of a balance, an entry or a part of one, with its sign."""
    sign = _SIGNS.get(_text(element, "CdtDbtInd"))
    if sign is None:
        raise UnreadableError("one of its amounts is neither credit nor debit (CdtDbtInd)")
    return sign * _unsigned(_text(element, "Amt"), currency)


def _unsigned(text: str, currency: str) -> int:
    # As many as five decimals may be written, whatever the currency has.
    minor = parse_decimal(text.rstrip("0").rstrip(".") if "." in text else text, currency)
    if minor < 0:
        raise Refusal("negative_amount", amount=text)
    return minor


def _lines(statement: Element, currency: str, closed_on: date) -> Iterator[Line]:
    for entry in statement.findall("Ntry"):
        # A word by itself in the first versions, a code in a choice later.
        if (_text(entry, "Sts/Cd") or _text(entry, "Sts")) != _BOOKED:
            continue
        if _currency(entry) != currency:
            raise UnreadableError(f"it has lines in {_currency(entry)}, and balances in {currency}")
        yield from _lines_of(entry, currency, closed_on)


def _lines_of(entry: Element, currency: str, closed_on: date) -> Iterator[Line]:
    """One line, or those that a bank has booked together, when their amounts are all there."""
    whole = _amount(entry, currency)
    booked = _date(entry, "BookgDt")
    line = Line(
        value_date=_date(entry, "ValDt") or booked or closed_on,
        entry_date=booked,
        amount=whole,
        type_code=_type_code(entry),
        bank_reference=_reference(_text(entry, "AcctSvcrRef")),
        customer_reference=_reference(_text(entry, "NtryRef")),
        details="",
    )
    parts = entry.findall("NtryDtls/TxDtls")
    amounts = [_part(part, entry, currency) for part in parts]
    if len(parts) > 1 and sum(amount or 0 for amount in amounts) == whole and None not in amounts:
        for part, amount in zip(parts, amounts, strict=True):
            yield _detailed(replace(line, amount=amount or 0), [part], entry)
    else:
        yield _detailed(line, parts, entry)


def _part(part: Element, entry: Element, currency: str) -> int | None:
    """What one of several payments of an entry moved; None when it is not told in this currency."""
    for path in ("Amt", "AmtDtls/TxAmt/Amt"):
        found = part.find(path)
        if found is not None and found.get("Ccy") == currency:
            direction = _text(part, "CdtDbtInd") or _text(entry, "CdtDbtInd")
            return _SIGNS.get(direction, 1) * _unsigned(clean(found.text or ""), currency)
    return None


def _detailed(line: Line, parts: list[Element], entry: Element) -> Line:
    """The line with what is known of the payments in it."""
    found = [
        _reference(_text(part, f"Refs/{name}")) for part in parts for name in _REFERENCES
    ] + [
        _reference(clean(reference.text or ""))
        for part in parts
        for reference in part.findall("RmtInf/Strd/CdtrRefInf/Ref")
    ]  # fmt: skip
    own = line.customer_reference
    if len(parts) == 1:
        own = _reference(_text(parts[0], "Refs/EndToEndId")) or own
    bank = line.bank_reference
    if not bank and len(parts) == 1:
        bank = _reference(_text(parts[0], "Refs/AcctSvcrRef"))
    others = (line.customer_reference, *found)
    more = dict.fromkeys(one for one in others if one and one not in (own, bank))
    return replace(
        line,
        bank_reference=bank,
        customer_reference=own,
        details=clean(" ".join(_words(parts, entry))),
        more_references=tuple(more),
    )


def _words(parts: list[Element], entry: Element) -> Iterator[str]:
    """What it was for, and who the other side is."""
    is_credit = _text(entry, "CdtDbtInd") == "CRDT"
    side = "Dbtr" if is_credit else "Cdtr"
    for part in parts:
        for words in part.findall("RmtInf/Ustrd"):
            yield words.text or ""
        yield _text(part, "AddtlTxInf")
        name = _text(part, f"RltdPties/{side}/Pty/Nm") or _text(part, f"RltdPties/{side}/Nm")
        yield name
        yield _text(part, f"RltdPties/{side}Acct/Id/IBAN")
    yield _text(entry, "AddtlNtryInf")


def _type_code(entry: Element) -> str:
    """The bank's own code, or the standard's: `PMNT/ICDT/ESCT`."""
    own = _text(entry, "BkTxCd/Prtry/Cd")
    parts = ("Cd", "Fmly/Cd", "Fmly/SubFmlyCd")
    standard = [_text(entry, f"BkTxCd/Domn/{part}") for part in parts]
    return own or "/".join(part for part in standard if part)


def _date(element: Element, name: str) -> date | None:
    """A day, given as such or as a moment; a moment's is the bank's own, as it wrote it."""
    text = _text(element, f"{name}/Dt") or _text(element, f"{name}/DtTm") or _text(element, name)
    if not text:
        return None
    try:
        day = date.fromisoformat(text[:10])
    except ValueError:
        raise UnreadableError(f"one of its dates is malformed: {text}") from None
    if day.year not in YEARS:
        raise UnreadableError(f"one of its dates is not from {YEARS[0]} to {YEARS[-1]}: {text}")
    return day


def _text(element: Element, path: str) -> str:
    return clean(element.findtext(path) or "")


def _reference(text: str) -> str:
    return "" if text.upper() in _NO_REFERENCE else text
