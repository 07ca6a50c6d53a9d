"""What a country is to credit: its documents, its bureau's answers, its statuses and its terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from msgspec import Struct

from application.privacy.masking import mask_document

ACCOUNT_STATUSES = ("current", "in_arrears", "closed", "unknown")
METHODS = ("annuity", "equal_principal")
DAY_COUNTS = ("30/360", "actual/365", "actual/360")

CHECKED_FIRST: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "pending": ("risk_check",),
        "risk_check": ("approved", "rejected", "manual_review"),
        "manual_review": ("approved", "rejected"),
    }
)
"""The flow of countries that ask for none of their own."""


class InvalidDocumentError(ValueError):
    """No number of that kind. Its text says why, to a person, and never repeats the number."""


class UnreadableReportError(ValueError):
    """A bureau's answer that cannot be understood. Its text names the field, never what was in it."""


class DocumentType(Struct, frozen=True):
    """One kind of document that a country's applicants identify themselves by."""

    code: str
    """Lower case, `curp`; unique within its country."""
    label: str
    check: Callable[[str], str]
    """The compact form of a number; raises `InvalidDocumentError`."""
    example: str
    """A number that passes the check, in its compact form."""
    pattern: str = ""
    """A regular expression that a form may hint with; the check has the last word."""
    masked: Callable[[str], str] = partial(mask_document, "")


class Terms(Struct, frozen=True):
    """What is offered to whom is approved, where nothing else was agreed."""

    annual_rate_bps: int
    """Hundredths of a percent a year: 1250 is 12.5 %."""
    months: int
    min_months: int
    max_months: int
    method: str
    """One of `METHODS`."""
    day_count: str
    """One of `DAY_COUNTS`."""
    offer_days: int
    """How long an offer may be accepted."""


class Report(Struct, frozen=True):
    """A bureau's answer in words that are the same for all countries."""

    credit_score: int | None
    total_debt: int | None
    """Minor units of the country's currency."""
    bank_name: str
    account_status: str
    """One of `ACCOUNT_STATUSES`."""
    is_verified: bool


class Country(Struct, frozen=True):
    """All that the application needs to know of a country to lend there."""

    code: str
    """Two letters of ISO 3166: `MX`."""
    name: str
    currency: str
    bureau: str
    documents: tuple[DocumentType, ...]
    transitions: Mapping[str, tuple[str, ...]]
    """Which status may follow which. Withdrawal is no row here: all that is open may be withdrawn."""
    terms: Terms
    read_report: Callable[[Mapping[str, object]], Report]
    """Reads the bureau's own shape; raises `UnreadableReportError`."""
    loan_types: tuple[str, ...] = ()
    """What the loan may be for, where the country asks."""
    same_document_hours: int = 0
    """For so long nobody may apply again with the same document, unless rejected; 0: only while open."""
    max_amount: int | None = None
    """The most that may be asked for, in minor units."""

    def document(self, code: str) -> DocumentType | None:
        """The kind of document of that code, whichever case it is written in."""
        wanted = code.lower()
        return next((d for d in self.documents if d.code == wanted), None)

    def allowed_from(self, status: str) -> tuple[str, ...]:
        """What may follow a status; nothing follows a final one."""
        return self.transitions.get(status, ())
