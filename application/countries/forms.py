"""What a country's form asks for, derived from the country: fields with labels, kinds and limits."""

from __future__ import annotations

from datetime import date, timedelta

from msgspec import Struct

from application.countries.country import Country
from application.countries.documents import MAX_CHARACTERS
from domain.money import MAX_WHOLE_DIGITS, exponent_of, format_amount
from domain.texts import MAX_NAME

MIN_NAME = 2
MIN_AGE = 18
MAX_AGE = 100
MAX_EMAIL = 254
MIN_PHONE = 10
MAX_PHONE = 15
"""Digits of a telephone number with its country's, after E.164."""


class Choice(Struct, frozen=True):
    """One of the values that a field may have."""

    value: str
    label: str
    example: str = ""
    pattern: str = ""
    """Of a document's number: a regular expression for the form; the check has the last word."""


class FormField(Struct, frozen=True):
    """One field. Limits are texts of the field's own kind and included; empty where there is none."""

    name: str
    label: str
    kind: str
    """`text`, `choice`, `money` (decimal string), `whole`, `date`, `email` or `phone`."""
    is_required: bool
    min_length: int | None = None
    max_length: int | None = None
    minimum: str = ""
    maximum: str = ""
    default: str = ""
    choices: tuple[Choice, ...] = ()


def form_of(country: Country, today: date) -> tuple[FormField, ...]:
    """The fields in the order in which to ask for them."""
    return (
        FormField("full_name", "Full name", "text", True, MIN_NAME, MAX_NAME),
        *_document_fields(country),
        *_amount_fields(country),
        *_loan_type_field(country),
        _months_field(country),
        _date_of_birth_field(today),
        FormField("email", "E-mail", "email", False, max_length=MAX_EMAIL),
        FormField("phone", "Telephone", "phone", False, MIN_PHONE, MAX_PHONE),
    )


def max_amount(country: Country) -> int:
    """The most that may be asked for there, in minor units."""
    if country.max_amount is not None:
        return country.max_amount
    return _max_money(country)


def birth_dates(today: date) -> tuple[date, date]:
    """The earliest and the latest day on which an applicant of today may have been born."""
    return _years_before(today, MAX_AGE + 1) + timedelta(days=1), _years_before(today, MIN_AGE)


def _document_fields(country: Country) -> tuple[FormField, ...]:
    kinds = tuple(Choice(d.code, d.label, d.example, d.pattern) for d in country.documents)
    only = kinds[0].value if len(kinds) == 1 else ""
    return (
        FormField("document_type", "Document", "choice", True, default=only, choices=kinds),
        FormField("document_number", "Document number", "text", True, 1, MAX_CHARACTERS),
    )


def _amount_fields(country: Country) -> tuple[FormField, ...]:
    least = format_amount(1, country.currency)
    income = format_amount(_max_money(country), country.currency)
    amount = format_amount(max_amount(country), country.currency)
    return (
        FormField("monthly_income", "Monthly income", "money", True, minimum=least, maximum=income),
        FormField("amount_requested", "Amount", "money", True, minimum=least, maximum=amount),
    )


def _loan_type_field(country: Country) -> tuple[FormField, ...]:
    if not country.loan_types:
        return ()
    kinds = tuple(Choice(each, each.replace("_", " ").capitalize()) for each in country.loan_types)
    return (FormField("loan_type", "What the loan is for", "choice", True, choices=kinds),)


def _months_field(country: Country) -> FormField:
    least, most, default = (
        str(months)
        for months in (country.terms.min_months, country.terms.max_months, country.terms.months)
    )
    return FormField(
        "months", "Months", "whole", False, minimum=least, maximum=most, default=default
    )


def _date_of_birth_field(today: date) -> FormField:
    earliest, latest = (day.isoformat() for day in birth_dates(today))
    return FormField(
        "date_of_birth", "Date of birth", "date", False, minimum=earliest, maximum=latest
    )


def _max_money(country: Country) -> int:
    return int(10 ** (MAX_WHOLE_DIGITS + exponent_of(country.currency))) - 1


def _years_before(day: date, years: int) -> date:
    """The same day of an earlier year. On the 29th of February it is the 28th where there is no 29th:
    who was born a day later has not had that birthday yet."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)
