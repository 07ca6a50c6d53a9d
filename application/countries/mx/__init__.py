"""Mexico: CURP, Buró de Crédito, and a decision that may come with or without a risk check."""

from __future__ import annotations

from collections.abc import Mapping

from stdnum.mx import curp

from application.countries.country import Country, DocumentType, Report, Terms
from application.countries.documents import checked
from application.countries.reports import money, score, status, text

_STATUSES = {"al_corriente": "current", "atrasado": "in_arrears", "en_cobranza": "in_arrears"}


def read_report(raw: Mapping[str, object]) -> Report:
    """Buró de Crédito: one flat object; who was found has a folio."""
    return Report(
        credit_score=score(raw, "score_buro"),
        total_debt=money(raw, "total_debt", "MXN"),
        bank_name=text(raw, "banco"),
        account_status=status(raw, "status_pago", _STATUSES),
        is_verified=text(raw, "folio") != "",
    )


COUNTRY = Country(
    code="MX",
    name="Mexico",
    currency="MXN",
    bureau="Buró de Crédito",
    documents=(
        DocumentType(
            code="curp",
            label="CURP",
            check=checked(
                curp.validate,
                "A CURP has 18 characters: 4 letters, the date of birth as 6 digits, 6 letters, "
                "a letter or digit, and a check digit.",
            ),
            example="BOXW310820HNERXN09",
            pattern="[A-Z]{4}[0-9]{6}[A-Z]{6}[0-9A-Z][0-9]",
        ),
    ),
    transitions={
        "pending": ("risk_check", "approved", "rejected"),
        "risk_check": ("approved", "rejected", "manual_review"),
        "manual_review": ("approved", "rejected"),
    },
    terms=Terms(
        annual_rate_bps=28_00,
        months=24,
        min_months=3,
        max_months=60,
        method="annuity",
        day_count="actual/360",
        offer_days=7,
    ),
    read_report=read_report,
)
