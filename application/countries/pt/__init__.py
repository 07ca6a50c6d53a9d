"""Portugal: a person's NIF, Banco de Portugal."""

from __future__ import annotations

from collections.abc import Mapping

from stdnum.pt import nif

from application.countries.country import (
    CHECKED_FIRST,
    Country,
    DocumentType,
    InvalidDocumentError,
    Report,
    Terms,
    UnreadableReportError,
)
from application.countries.documents import checked
from application.countries.reports import MAX_CENTS, comma_money, is_yes, part, score, status, text

_APPLICANTS = ("1", "2", "3", "45", "5")
"""What an applicant's begins with: 1 to 3 are persons, 45 one who lives abroad, and 5 a company, which may
be a one-person one. 6 is the state, 7 an inheritance, a fund or a foreign company, 8 a kind of trader no
longer registered, 9 a condominium or an association."""

_STATUSES = {"REGULAR": "current", "VENCIDO": "in_arrears"}

_check = checked(nif.validate, "A NIF has 9 digits.")


def check_nif(number: str) -> str:
    """The library checks the digits; whose number it is, the first ones say."""
    compact = _check(number)
    if not compact.startswith(_APPLICANTS):
        raise InvalidDocumentError(
            "It is the NIF of a public or another body. An applicant's begins with 1, 2, 3, 45 or 5."
        )
    return compact


def read_report(raw: Mapping[str, object]) -> Report:
    """Banco de Portugal: a line a lender, to be added up; overdue once one of them is."""
    found = part(raw, "mapa_responsabilidades")
    lines = found.get("responsabilidades")
    if lines is not None and not (
        isinstance(lines, list) and all(isinstance(line, Mapping) for line in lines)
    ):
        raise UnreadableReportError("responsabilidades is not a list of objects")
    debts = [comma_money(line, "em_divida", "EUR") for line in lines or []]
    words = {status(line, "situacao", _STATUSES) for line in lines or []}
    return Report(
        credit_score=score(found, "indice_risco"),
        total_debt=_total(debts) if lines is not None else None,
        bank_name=text(lines[0], "instituicao") if lines else "",
        account_status=next(
            (w for w in ("in_arrears", "unknown", "current") if w in words), "unknown"
        ),
        is_verified=is_yes(found, "identificacao_confirmada", "S"),
    )


def _total(debts: list[int | None]) -> int | None:
    """None when one of them is not known: a sum of the others would be too small."""
    known = [debt for debt in debts if debt is not None]
    if sum(known) >= MAX_CENTS:
        raise UnreadableReportError("responsabilidades come to more than any debt")
    return sum(known) if len(known) == len(debts) else None


COUNTRY = Country(
    code="PT",
    name="Portugal",
    currency="EUR",
    bureau="Banco de Portugal",
    documents=(
        DocumentType(
            code="nif",
            label="NIF",
            check=check_nif,
            example="123456789",
            pattern="[0-9]{9}",
        ),
    ),
    transitions=CHECKED_FIRST,
    terms=Terms(
        annual_rate_bps=8_50,
        months=36,
        min_months=6,
        max_months=84,
        method="annuity",
        day_count="30/360",
        offer_days=14,
    ),
    read_report=read_report,
)
