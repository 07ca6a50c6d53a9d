"""Spain: DNI or NIE, Equifax."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stdnum.es import dni, nie

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
from application.countries.reports import comma_money, is_yes, part, score, status, text

_STATUSES = {"AL_DIA": "current", "IMPAGO": "in_arrears"}


def _issued(check: Callable[[str], str], digits: slice) -> Callable[[str], str]:
    """That check, and no number whose digits are all 0: `00000000T` is nobody's, its letter is right."""

    def check_issued(number: str) -> str:
        compact = check(number)
        if int(compact[digits]) == 0:
            raise InvalidDocumentError("No document has the number 0.")
        return compact

    return check_issued


def read_report(raw: Mapping[str, object]) -> Report:
    """Equifax: an object a topic, money with a decimal comma."""
    positions = part(raw, "posiciones")
    if text(positions, "divisa") not in ("", "EUR"):
        raise UnreadableReportError("divisa is not EUR")
    return Report(
        credit_score=score(part(raw, "scoring"), "puntuacion"),
        total_debt=comma_money(positions, "saldo_deudor", "EUR"),
        bank_name=text(positions, "entidad_principal"),
        account_status=status(positions, "situacion", _STATUSES),
        is_verified=is_yes(part(raw, "titular"), "verificado", True),
    )


COUNTRY = Country(
    code="ES",
    name="Spain",
    currency="EUR",
    bureau="Equifax",
    documents=(
        DocumentType(
            code="dni",
            label="DNI",
            check=_issued(checked(dni.validate, "A DNI has 8 digits and a letter."), slice(0, 8)),
            example="12345678Z",
            pattern="[0-9]{8}[A-Z]",
        ),
        DocumentType(
            code="nie",
            label="NIE",
            check=_issued(
                checked(nie.validate, "A NIE has X, Y or Z, then 7 digits and a letter."),
                slice(1, 8),
            ),
            example="X1234567L",
            pattern="[XYZ][0-9]{7}[A-Z]",
        ),
    ),
    transitions=CHECKED_FIRST,
    terms=Terms(
        annual_rate_bps=7_90,
        months=36,
        min_months=6,
        max_months=96,
        method="annuity",
        day_count="30/360",
        offer_days=14,
    ),
    read_report=read_report,
)
