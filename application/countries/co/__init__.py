"""Colombia: cédula de ciudadanía, DataCrédito, and a decision without a risk check between."""

from __future__ import annotations

import re
from collections.abc import Mapping

from application.countries.country import (
    Country,
    DocumentType,
    InvalidDocumentError,
    Report,
    Terms,
)
from application.countries.documents import is_one_digit_repeated, undivided
from application.countries.reports import money, score, status, text

_CEDULA = re.compile(r"[1-9][0-9]{5,9}", re.ASCII)
_STATUSES = {"ACTIVA": "current", "MORA": "in_arrears", "CERRADA": "closed"}


def check_cedula(number: str) -> str:
    """There is no check digit: its length is all that can be checked."""
    compact = undivided(number)
    if not _CEDULA.fullmatch(compact):
        raise InvalidDocumentError("A cédula has 6 to 10 digits and does not begin with 0.")
    if is_one_digit_repeated(compact):
        raise InvalidDocumentError("A cédula is not one digit repeated.")
    return compact


def read_report(raw: Mapping[str, object]) -> Report:
    """DataCrédito: one flat object; who has an account that is active is known to be who he says."""
    account_status = status(raw, "estado_cuenta", _STATUSES)
    return Report(
        credit_score=score(raw, "puntaje_datacredito"),
        total_debt=money(raw, "deuda_total", "COP"),
        bank_name=text(raw, "entidad"),
        account_status=account_status,
        is_verified=account_status == "current",
    )


COUNTRY = Country(
    code="CO",
    name="Colombia",
    currency="COP",
    bureau="DataCrédito",
    documents=(
        DocumentType(
            code="cc",
            label="Cédula de Ciudadanía (CC)",
            check=check_cedula,
            example="12345678",
            pattern="[1-9][0-9]{5,9}",
        ),
    ),
    transitions={
        "pending": ("manual_review", "approved", "rejected"),
        "manual_review": ("approved", "rejected"),
    },
    terms=Terms(
        annual_rate_bps=24_00,
        months=36,
        min_months=6,
        max_months=72,
        method="annuity",
        day_count="30/360",
        offer_days=7,
    ),
    read_report=read_report,
)
