"""Finds at the start what whoever adds a country may have got wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from application.countries.country import (
    DAY_COUNTS,
    METHODS,
    Country,
    InvalidDocumentError,
    Terms,
)
from domain.credit_applications.state import FINAL, STATUSES
from domain.currencies import EXPONENTS

_CODE = re.compile(r"[A-Z]{2}", re.ASCII)
_DOCUMENT_CODE = re.compile(r"[a-z][a-z0-9_]{1,19}", re.ASCII)
_LOAN_TYPE = re.compile(r"[A-Z][A-Z0-9_]{1,19}", re.ASCII)
_MOST_MONTHS = 600


class CountryError(ValueError):
    """A country's folder that cannot be used; says which one and everything that is wrong with it."""

    def __init__(self, folder: str, faults: Sequence[str]) -> None:
        super().__init__(f"application/countries/{folder}: {'; '.join(faults)}")
        self.folder = folder
        self.faults = tuple(faults)


def faults_of(country: Country) -> Iterator[str]:
    """Everything that is wrong with it, in words; nothing when it can be used."""
    if not _CODE.fullmatch(country.code):
        yield "code must be two capital letters"
    if country.currency not in EXPONENTS:
        yield "currency must be a code of ISO 4217 with minor units"
    if not country.name or not country.bureau:
        yield "name and bureau must not be empty"
    if not all(_LOAN_TYPE.fullmatch(each) for each in country.loan_types):
        yield "loan_types must be capital letters"
    if country.same_document_hours < 0:
        yield "same_document_hours must not be negative"
    if country.max_amount is not None and country.max_amount <= 0:
        yield "max_amount must be greater than 0"
    yield from _faults_of_documents(country)
    yield from _faults_of_transitions(country)
    yield from _faults_of_terms(country.terms)


def _faults_of_documents(country: Country) -> Iterator[str]:
    codes = [document.code for document in country.documents]
    if not codes:
        yield "documents must not be empty"
    if len(set(codes)) < len(codes):
        yield "documents must have different codes"
    for document in country.documents:
        if not _DOCUMENT_CODE.fullmatch(document.code):
            yield f"the document code {document.code!r} must be lower case letters and digits"
        try:
            if document.check(document.example) != document.example:
                yield f"the example of {document.code} is not in its compact form"
        except InvalidDocumentError as error:
            yield f"the example of {document.code} does not pass its check: {error}"


def _faults_of_transitions(country: Country) -> Iterator[str]:
    if not country.transitions.get("pending"):
        yield "transitions must say what follows pending"
    elif "manual_review" not in country.allowed_from(_when_decided(country)):
        yield f"{_when_decided(country)} must lead to manual_review: all that is in doubt goes there"
    for status, following in country.transitions.items():
        for unknown in sorted({status, *following} - set(STATUSES)):
            yield f"transitions name {unknown!r}, which is no status"
        if status in FINAL:
            yield f"nothing follows {status}"
        if "withdrawn" in following:
            yield "transitions do not name withdrawn, which may follow all that is open"
        for target in following:
            if target in set(STATUSES) - FINAL and not country.transitions.get(target):
                yield f"transitions lead to {target} but not out of it"


def _when_decided(country: Country) -> str:
    """The status in which an application is decided first: checked, where there is such a status."""
    return "risk_check" if "risk_check" in country.allowed_from("pending") else "pending"


def _faults_of_terms(terms: Terms) -> Iterator[str]:
    if not 0 <= terms.annual_rate_bps <= 100_00:
        yield "terms.annual_rate_bps must be 0 to 10000"
    if not 1 <= terms.min_months <= terms.months <= terms.max_months <= _MOST_MONTHS:
        yield f"terms must have 1 <= min_months <= months <= max_months <= {_MOST_MONTHS}"
    if terms.method not in METHODS:
        yield f"terms.method must be one of {', '.join(METHODS)}"
    if terms.day_count not in DAY_COUNTS:
        yield f"terms.day_count must be one of {', '.join(DAY_COUNTS)}"
    if terms.offer_days < 1:
        yield "terms.offer_days must be at least 1"
