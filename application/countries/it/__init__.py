"""Italy: a person's codice fiscale, CRIF."""

from __future__ import annotations

from collections.abc import Mapping

from stdnum.it import codicefiscale

from application.countries.country import (
    CHECKED_FIRST,
    Country,
    DocumentType,
    InvalidDocumentError,
    Report,
    Terms,
    UnreadableReportError,
)
from application.countries.documents import WRONG_PART, checked, undivided
from application.countries.reports import MAX_CENTS, is_yes, part, score, status, text

_LENGTH = 16
_COMPANY_LENGTH = 11
_DAY = slice(9, 11)
_DIGITS = str.maketrans("LMNPQRSTUV", "0123456789")
"""Where two people would have the same number, letters stand in for digits."""
_STATUSES = {"REGOLARE": "current", "INSOLUTO": "in_arrears"}

_check = checked(
    codicefiscale.validate,
    "A codice fiscale has 16 characters: 6 letters, 2 digits, a letter, 2 digits, a letter, 3 digits "
    "and a letter.",
)


def check_codice_fiscale(number: str) -> str:
    """The library also takes a company's number, and days of birth such as 85."""
    compact = undivided(number)
    if len(compact) == _COMPANY_LENGTH and compact.isdigit():
        raise InvalidDocumentError("It is a company's number. A person's has 16 characters.")
    compact = _check(compact)
    day = int(compact[_DAY].translate(_DIGITS))
    if not (1 <= day <= 31 or 41 <= day <= 71):
        raise InvalidDocumentError(WRONG_PART)
    return compact


def read_report(raw: Mapping[str, object]) -> Report:
    """CRIF: an object a topic, money in whole cents; some are left out for who was not found."""
    exposure = part(raw, "esposizione")
    return Report(
        credit_score=score(part(raw, "crif_score"), "valore"),
        total_debt=_cents(exposure, "totale_centesimi"),
        bank_name=text(exposure, "istituto"),
        account_status=status(exposure, "stato", _STATUSES),
        is_verified=is_yes(part(raw, "soggetto"), "cf_verificato", 1),
    )


def _cents(raw: Mapping[str, object], name: str) -> int | None:
    found = raw.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < MAX_CENTS:
        raise UnreadableReportError(f"{name} is not an amount of money")
    return found


COUNTRY = Country(
    code="IT",
    name="Italy",
    currency="EUR",
    bureau="CRIF",
    documents=(
        DocumentType(
            code="codice_fiscale",
            label="Codice Fiscale",
            check=check_codice_fiscale,
            example="RCCMNL83S18D969H",
            pattern="[A-Z]{6}[0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]",
        ),
    ),
    transitions=CHECKED_FIRST,
    terms=Terms(
        annual_rate_bps=8_20,
        months=36,
        min_months=6,
        max_months=120,
        method="annuity",
        day_count="actual/365",
        offer_days=14,
    ),
    read_report=read_report,
)
