"""The bodies with which credit is applied for, and applications are changed, reviewed and answered."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from api.models import AS_WHOLE, Amount, Id, In, Reason, enum, one_of, problem, shape, text
from api.people_models import Email, Purpose
from application.countries import COUNTRIES
from application.countries.forms import MAX_PHONE, MIN_NAME, MIN_PHONE
from domain.credit_applications import STATUSES
from domain.texts import MAX_NAME

MAX_MONTHS = 600

SEALED = ("full_name", "document_number", "date_of_birth", "email", "phone")
"""What of an application is kept sealed, and can be disclosed."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_PHONE = re.compile(rf"\+?[0-9]{{{MIN_PHONE},{MAX_PHONE}}}", re.ASCII)


def _check_text(value: object) -> str:
    """Whether there is such a thing, the country says, whatever the text."""
    if not isinstance(value, str):
        raise problem("invalid_request")
    return value


def _check_day(value: object) -> date:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise problem("invalid_datetime_format")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise problem("invalid_datetime_format") from None


def _check_phone(value: object) -> str:
    if not isinstance(value, str) or not _PHONE.fullmatch(value):
        raise problem("invalid_phone_format")
    return value


_ANY = BeforeValidator(_check_text)
_LOAN_TYPES = sorted({each for country in COUNTRIES.values() for each in country.loan_types})
_DOCUMENTS = sorted({each.code for country in COUNTRIES.values() for each in country.documents})

CountryCode = Annotated[str, _ANY, enum(tuple(COUNTRIES))]
DocumentCode = Annotated[
    str,
    _ANY,
    Field(description="one of the country's", json_schema_extra={"examples": [*_DOCUMENTS]}),
]
DocumentNumber = Annotated[
    str, _ANY, Field(description="it may be written with spaces, dots and dashes")
]
LoanType = Annotated[
    str,
    _ANY,
    Field(
        description="what the loan is for, where the country asks",
        json_schema_extra={"examples": [*_LOAN_TYPES]},
    ),
]
ApplicantName = Annotated[
    str, text("invalid_name_format", MIN_NAME, MAX_NAME), shape(MIN_NAME, MAX_NAME)
]
Months = Annotated[int, Field(ge=1, le=MAX_MONTHS, strict=True), AS_WHOLE]
Day = Annotated[
    date, BeforeValidator(_check_day), WithJsonSchema({"type": "string", "format": "date"})
]
Phone = Annotated[
    str,
    BeforeValidator(_check_phone),
    WithJsonSchema({"type": "string", "pattern": f"^{_PHONE.pattern}$"}),
]
ApplicationStatus = Annotated[str, one_of("invalid_status", STATUSES), enum(STATUSES)]
SealedField = Annotated[str, one_of("invalid_request", SEALED), enum(SEALED)]


class ApplicationIn(In):
    """`document_type` may be left out where the country has one only. `applicant_user_id` is for those who
    bring somebody else's application."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "country": "MX",
                    "full_name": "Ana López",
                    "document_type": "curp",
                    "document_number": "BOXW310820HNERXN09",
                    "monthly_income": "25000.00",
                    "amount_requested": "60000.00",
                }
            ]
        }
    )
    id: Id | None = None
    country: CountryCode
    full_name: ApplicantName
    document_type: DocumentCode | None = None
    document_number: DocumentNumber
    monthly_income: Amount
    amount_requested: Amount
    months: Months | None = None
    loan_type: LoanType | None = None
    account_id: Id | None = None
    date_of_birth: Day | None = None
    email: Email | None = None
    phone: Phone | None = None
    applicant_user_id: Id | None = None


class ApplicationChangeIn(In):
    """What is left out stays as it is. Another kind of document has a number too."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount_requested": "50000.00"}]})
    full_name: ApplicantName | None = None
    document_type: DocumentCode | None = None
    document_number: DocumentNumber | None = None
    monthly_income: Amount | None = None
    amount_requested: Amount | None = None
    months: Months | None = None
    loan_type: LoanType | None = None

    @model_validator(mode="before")
    @classmethod
    def _stays_in_its_country(cls, given: object) -> object:
        if isinstance(given, dict) and "country" in given:
            raise problem("country_unchangeable")
        return given


class ApprovalIn(In):
    """An amount is for less than what is asked for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"amount": "40000.00", "reason": "income proved by payslips"}, {}]
        }
    )
    amount: Amount | None = None
    reason: Reason = ""


class AcceptanceIn(In):
    """Without an account the money goes to the one that the application names."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"account_id": "0d4f7a52-11aa-4c55-9a4e-0a6b2f1c7e01"}, {}]}
    )
    account_id: Id | None = None


class ApplicationDisclosureIn(In):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"fields": ["full_name", "document_number"], "reason": "asked the bureau"}]
        }
    )
    fields: Annotated[list[SealedField], Field(min_length=1, max_length=len(SEALED))]
    reason: Purpose
