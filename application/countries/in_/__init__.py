"""India: PAN, CIBIL, and a pre-approval where others approve at once; asks what the loan is for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from application.countries.country import (
    Country,
    DocumentType,
    InvalidDocumentError,
    Report,
    Terms,
    UnreadableReportError,
)
from application.countries.documents import written
from application.countries.reports import is_yes, money, part, score, status, text
from application.privacy.masking import mask_document

_PAN = re.compile(r"[A-Z]{5}[0-9]{4}[A-Z]", re.ASCII)
_RUPEES = re.compile(r"(?:\d{1,2}(?:,\d{2})*,\d{3}|\d+)(?:\.\d+)?", re.ASCII)
_MAX_RUPEES = 40
_NO_HISTORY = (-1, "-1", "NH", "NA")
"""What CIBIL says instead of a score of somebody who never borrowed."""

_STATUSES = {"STANDARD": "current", "SUB_STANDARD": "in_arrears", "LOSS": "in_arrears"}


def check_pan(number: str) -> str:
    """As it is printed, in capitals and undivided; its letters say nothing that we could check.

    The fourth names the kind of holder, and numbers made up for trying things out do not keep to that.
    """
    if not _PAN.fullmatch(written(number)):
        raise InvalidDocumentError("A PAN has 5 capital letters, 4 digits and a capital letter.")
    return number


def read_report(raw: Mapping[str, object]) -> Report:
    """CIBIL: rupees as `3,45,000.00`; no score for who has no history."""
    accounts = part(raw, "accounts")
    has_history = raw.get("cibil_score") not in _NO_HISTORY
    return Report(
        credit_score=score(raw, "cibil_score") if has_history else None,
        total_debt=_rupees(accounts, "outstanding_inr"),
        bank_name=text(accounts, "lender"),
        account_status=status(accounts, "standing", _STATUSES),
        is_verified=is_yes(raw, "pan_verified", "Y"),
    )


def _rupees(raw: Mapping[str, object], name: str) -> int | None:
    found = raw.get(name)
    if isinstance(found, str):
        if len(found) > _MAX_RUPEES or not _RUPEES.fullmatch(found):
            raise UnreadableReportError(f"{name} is not an amount of money")
        found = found.replace(",", "")
    return money({name: found}, name, "INR")


COUNTRY = Country(
    code="IN",
    name="India",
    currency="INR",
    bureau="CIBIL",
    documents=(
        DocumentType(
            code="pan",
            label="PAN",
            check=check_pan,
            example="ABCDE1234F",
            pattern="[A-Z]{5}[0-9]{4}[A-Z]",
            masked=partial(mask_document, "IN_PAN"),
        ),
    ),
    transitions={
        "pending": ("pre_approved", "manual_review", "rejected"),
        "manual_review": ("approved", "rejected"),
        "pre_approved": ("approved", "rejected"),
    },
    terms=Terms(
        annual_rate_bps=14_00,
        months=48,
        min_months=12,
        max_months=84,
        method="annuity",
        day_count="30/360",
        offer_days=15,
    ),
    read_report=read_report,
    loan_types=("PERSONAL", "HOME", "AUTO"),
    same_document_hours=24,
    max_amount=1_00_00_000_00,  # one crore
)
