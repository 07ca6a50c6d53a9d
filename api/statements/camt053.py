"""A statement as ISO 20022 camt.053.001.08.

`AcctSvcrRef` is the transfer's id and accounts are `Othr/Id`, all as 32 hexadecimal digits: there is
place for no more than 35. `EndToEndId` is the customer's reference where it fits, `Ustrd` what the
payment was for. Nothing comes from the clock: ids are made of the account, the days and the position.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid5
from xml.etree import ElementTree as ET  # only to write with

from api.statements.texts import day, parts, shown
from domain.money import format_amount
from projections.entries.queries import EntryRow
from projections.entries.statements import Statement

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"

_MAX_35, _MAX_70, _MAX_140 = 35, 70, 140
"""Characters that the standard has place for."""


class Camt053:
    """A document with the one statement."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement

    def begin(self) -> bytes:
        one = self._statement
        id_ = uuid5(one.account_id, f"{one.period.first}/{one.period.last}/{one.span.to}").hex
        header = ET.Element("GrpHdr")
        _text(header, "MsgId", id_)
        _text(header, "CreDtTm", _moment(one.as_of))
        head = ET.Element("Stmt")
        _text(head, "Id", id_)
        _text(head, "ElctrncSeqNb", f"{one.period.last:%Y%j}")
        _text(head, "CreDtTm", _moment(one.as_of))
        days = ET.SubElement(head, "FrToDt")
        _text(days, "FrDtTm", f"{one.period.first}T00:00:00Z")
        _text(days, "ToDtTm", f"{one.period.last}T23:59:59Z")
        account = ET.SubElement(head, "Acct")
        _text(account, "Id/Othr/Id", one.account_id.hex)
        _text(account, "Ccy", one.currency)
        _text(account, "Nm", shown(one.name)[:_MAX_70])
        _balance(head, "OPBD", one.sums.opening, one.currency, one.period.first.isoformat())
        _balance(head, "CLBD", one.sums.closing, one.currency, one.period.last.isoformat())
        _summary(ET.SubElement(head, "TxsSummry"), one)
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{NAMESPACE}"><BkToCstmrStmt>'
            f"{_xml(header)}{_xml(head).removesuffix('</Stmt>')}\n"
        ).encode()

    def entries(self, entries: Sequence[EntryRow]) -> bytes:
        return "".join(f"{_xml(_entry(e, self._statement.currency))}\n" for e in entries).encode()

    def end(self) -> bytes:
        one = self._statement
        note = f"As of position {one.span.to} of the ledger. Days are those of UTC."
        if not one.span.is_final:
            note += " Not final: its last day is not over."
        last = ET.Element("AddtlStmtInf")
        last.text = note
        return f"{_xml(last)}</Stmt></BkToCstmrStmt></Document>\n".encode()


def _summary(at: ET.Element, statement: Statement) -> None:
    sums, currency = statement.sums, statement.currency
    total = ET.SubElement(at, "TtlNtries")
    _text(total, "NbOfNtries", str(sums.count))
    _text(total, "Sum", format_amount(sums.credits + sums.debits, currency))
    net = ET.SubElement(total, "TtlNetNtry")
    _text(net, "Amt", format_amount(abs(sums.credits - sums.debits), currency))
    _text(net, "CdtDbtInd", _sign(sums.credits - sums.debits))
    for name, count, amount in (
        ("TtlCdtNtries", sums.credit_count, sums.credits),
        ("TtlDbtNtries", sums.debit_count, sums.debits),
    ):
        side = ET.SubElement(at, name)
        _text(side, "NbOfNtries", str(count))
        _text(side, "Sum", format_amount(amount, currency))


def _balance(at: ET.Element, code: str, amount: int, currency: str, day: str) -> None:
    balance = ET.SubElement(at, "Bal")
    _text(balance, "Tp/CdOrPrtry/Cd", code)
    _amount(balance, amount, currency)
    _text(balance, "Dt/Dt", day)


def _entry(entry: EntryRow, currency: str) -> ET.Element:
    is_credit = entry.direction == "credit"
    at = ET.Element("Ntry")
    _amount(at, entry.amount if is_credit else -entry.amount, currency)
    _text(at, "Sts/Cd", "BOOK")
    _text(at, "BookgDt/Dt", day(entry.recorded_at).isoformat())
    _text(at, "ValDt/Dt", day(entry.effective_at).isoformat())
    _text(at, "AcctSvcrRef", entry.transfer_id.hex)
    domain = ET.SubElement(ET.SubElement(at, "BkTxCd"), "Domn")
    _text(domain, "Cd", "PMNT")
    family = ET.SubElement(domain, "Fmly")
    _text(family, "Cd", "RCDT" if is_credit else "ICDT")
    _text(family, "SubFmlyCd", "BOOK")  # from one account of the house to another
    details = ET.SubElement(ET.SubElement(at, "NtryDtls"), "TxDtls")
    reference, description = shown(entry.reference), shown(entry.description)
    fits = 0 < len(reference) <= _MAX_35
    _text(details, "Refs/EndToEndId", reference if fits else "NOTPROVIDED")
    other = "DbtrAcct" if is_credit else "CdtrAcct"
    _text(details, f"RltdPties/{other}/Id/Othr/Id", entry.counterparty_id.hex)
    words = parts(description, _MAX_140) + ([] if fits else parts(reference, _MAX_140))
    if words:
        remittance = ET.SubElement(details, "RmtInf")
        for each in words:
            _text(remittance, "Ustrd", each)
    return at


def _amount(at: ET.Element, amount: int, currency: str) -> None:
    _text(at, "Amt", format_amount(abs(amount), currency)).set("Ccy", currency)
    _text(at, "CdtDbtInd", _sign(amount))


def _sign(amount: int) -> str:
    return "CRDT" if amount >= 0 else "DBIT"


def _text(at: ET.Element, path: str, text: str) -> ET.Element:
    for name in path.split("/"):
        at = ET.SubElement(at, name)
    at.text = text
    return at


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _xml(element: ET.Element) -> str:
    return ET.tostring(element, encoding="unicode")
