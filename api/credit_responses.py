"""The shapes of credit that go out, for the API's description."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

_AMOUNT = Field(examples=["25000.00"])
_STATUS = Field(
    description="pending, risk_check, manual_review, pre_approved, approved, rejected or withdrawn"
)
_DOCUMENT = Field(description="masked", examples=["BO**************09"])


class LinksOut(BaseModel):
    self: str
    status: str
    stream: str


class OfferOut(BaseModel):
    status: str = Field(description="made, accepted, declined, expired or disbursed")
    amount: str = _AMOUNT
    annual_rate_bps: int = Field(description="hundredths of a percent a year: 1250 is 12.5 %")
    months: int
    expires_at: datetime


class ReportOut(BaseModel):
    """What the bureau knows, in words that are the same for all countries."""

    credit_score: int | None
    total_debt: str | None
    bank_name: str
    account_status: str = Field(description="current, in_arrears, closed or unknown")
    is_verified: bool


class DecisionOut(BaseModel):
    """What the country's decision table said."""

    decision: str = Field(description="approve, pre_approve, reject or manual_review")
    table: str
    table_version: str = Field(description="the day that it is in force from")
    digest: str = Field(description="SHA-256 of its file")
    row: str = Field(description="the first that matched")


class ApplicationStepOut(BaseModel):
    """Something that happened."""

    name: str = Field(examples=["report_received"])
    at: datetime
    status: str = Field(description="the application's, after it")
    position: int
    actor: str | None = Field(None, description="who did it, for staff only")
    note: str | None = Field(None, description="what was said, for staff only")


class _Application(BaseModel):
    id: UUID
    status: str = _STATUS
    country: str
    document_type: str
    document_number: str = _DOCUMENT
    currency: str
    monthly_income: str = _AMOUNT
    amount_requested: str = _AMOUNT
    months: int
    loan_type: str | None
    owner_id: UUID | None = Field(description="whose it is; null for who is no user")
    credit_score: int | None
    decision_reasons: list[str]
    max_approved_amount: str | None
    offer: OfferOut | None
    account_id: UUID | None = Field(description="where the money is to go")
    loan_id: UUID | None
    version: int
    position: int


class ApplicationOut(_Application):
    """The answer to a write."""

    message: str
    links: LinksOut
    created_at: datetime | None = Field(None, description="of one that was just taken in")
    recorded_at: datetime


class ApplicationRead(_Application):
    full_name: str = Field(description="the initials", examples=["A. L."])
    created_at: datetime
    updated_at: datetime
    decided_at: datetime | None = Field(description="when it was decided first")
    submitted_by: str | None = Field(None, description="who brought it, for staff only")
    review_since: datetime | None = Field(
        None, description="since when it waits for an officer, for staff only"
    )
    officer_id: UUID | None = Field(
        None, description="who has claimed it, or has reviewed it, for staff only"
    )
    claimed_until: datetime | None = Field(None, description="for staff only")


class ApplicationPage(BaseModel):
    data: list[ApplicationRead]
    next_cursor: str | None
    has_more: bool


class ApplicationWithSteps(ApplicationRead):
    report: ReportOut | None = Field(None, description="null while there is none; for staff only")
    report_unavailable: str | None = Field(description="why there is none")
    decision: DecisionOut | None
    disbursed_at: datetime | None
    links: LinksOut
    steps: list[ApplicationStepOut] = Field(description="the oldest first")


class ApplicationStatusOut(BaseModel):
    id: UUID
    status: str = _STATUS
    country: str
    document_number: str = _DOCUMENT
    currency: str
    credit_score: int | None
    decision_reasons: list[str]
    max_approved_amount: str | None
    offer: OfferOut | None
    loan_id: UUID | None
    message: str
    created_at: datetime
    updated_at: datetime
    version: int
    position: int


class StatusCountOut(BaseModel):
    applications: int
    amount_requested: str = _AMOUNT


class ScoreBandOut(BaseModel):
    from_score: int = Field(description="up to 49 points above")
    applications: int


class ApplicationStatsOut(BaseModel):
    country: str
    currency: str
    applications: int
    amount_requested: str = _AMOUNT
    by_status: dict[str, StatusCountOut]
    approval_rate: float | None = Field(
        description="of those that are approved, pre-approved or rejected now; null when none is"
    )
    decided: int = Field(description="how many were ever approved, pre-approved or rejected")
    time_to_decision_p50_s: float | None = Field(description="seconds until the first decision")
    time_to_decision_p95_s: float | None
    scores: list[ScoreBandOut]
    without_score: int


class ApplicationStatsPage(BaseModel):
    data: list[ApplicationStatsOut]
    next_cursor: None
    has_more: bool


class ApplicationDisclosedOut(BaseModel):
    """The fields that were asked for, null for what was never said, and where the event is that says
    who was shown them."""

    id: UUID
    full_name: str | None = None
    document_number: str | None = None
    date_of_birth: str | None = None
    email: str | None = None
    phone: str | None = None
    reason: str
    position: int
    recorded_at: datetime


class ApplicationDisclosureOut(BaseModel):
    at: datetime
    service: str = Field(description="api or worker")
    operation: str = Field(
        description="reveal: shown to somebody in clear; bureau_report: opened to ask a credit bureau"
    )
    who: str = Field(description="who was shown it, or the worker that asked")
    fields: list[str]
    why: str
    position: int


class ApplicationDisclosurePage(BaseModel):
    data: list[ApplicationDisclosureOut]
    next_cursor: str | None
    has_more: bool


class DocumentTypeOut(BaseModel):
    code: str
    label: str
    example: str
    pattern: str = Field(description="a hint for forms; empty for none")


class CountryOut(BaseModel):
    code: str
    name: str
    currency: str
    bureau: str
    documents: list[DocumentTypeOut]
    loan_types: list[str] = Field(description="what a loan may be for, where the country asks")
    rules_version: str | None = Field(description="the day that the rules are in force from")


class CountryPage(BaseModel):
    data: list[CountryOut]
    next_cursor: None
    has_more: bool


class TermsOut(BaseModel):
    annual_rate_bps: int
    months: int
    min_months: int
    max_months: int
    method: str = Field(description="annuity or equal_principal")
    day_count: str
    offer_days: int


class ChoiceOut(BaseModel):
    value: str
    label: str
    example: str
    pattern: str


class FormFieldOut(BaseModel):
    """Limits are texts of the field's own kind and included; empty where there is none."""

    name: str
    label: str
    kind: str = Field(description="text, choice, money, whole, date, email or phone")
    is_required: bool
    min_length: int | None
    max_length: int | None
    minimum: str
    maximum: str
    default: str
    choices: list[ChoiceOut]


class CountryWithForm(CountryOut):
    same_document_hours: int = Field(
        description="so long nobody applies again with a document, unless rejected; 0: while it is open"
    )
    max_amount: str = _AMOUNT
    terms: TermsOut
    transitions: dict[str, list[str]] = Field(description="status -> what may follow")
    form: list[FormFieldOut]
    rules: list[str] = Field(description="the first that fits decides")
