"""Countries in which there is credit: what their forms ask for, and their rules in words."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import msgspec
from fastapi import APIRouter, Response

from api.credit_responses import CountryPage, CountryWithForm
from api.paging import complete
from api.problems import ProblemError
from api.responses import problems
from api.state import Running, State
from api.writing import json_response
from application.countries import COUNTRIES
from application.countries.country import Country
from application.countries.forms import form_of, max_amount
from domain.money import format_amount

router = APIRouter(prefix="/api/countries", tags=["countries"])


@router.get("", response_model=CountryPage, responses=problems())
async def list_countries(state: Running) -> Response:
    """All countries, by their codes, each with the version of the rules that are in force today."""
    today = datetime.now(UTC).date()
    return json_response(complete([_country(state, each, today) for each in COUNTRIES.values()]))


@router.get("/{code}", response_model=CountryWithForm, responses=problems(404))
async def get_country(code: str, state: Running) -> Response:
    """One country: the fields of its form with their limits, which status may follow which, the terms of
    its loans, and its rules in words, of which the first that fits decides."""
    country = COUNTRIES.get(code)
    if country is None:
        raise ProblemError("country_not_found", country=code[:40], supported=list(COUNTRIES))
    today = datetime.now(UTC).date()
    terms = country.terms
    return json_response(
        {
            **_country(state, country, today),
            "same_document_hours": country.same_document_hours,
            "max_amount": format_amount(max_amount(country), country.currency),
            "terms": msgspec.to_builtins(terms),
            "transitions": {status: list(after) for status, after in country.transitions.items()},
            "form": msgspec.to_builtins(form_of(country, today)),
            "rules": list(state.decisions.rules_in_words(country.code, today)),
        }
    )


def _country(state: State, country: Country, today: date) -> dict[str, Any]:
    table = state.decisions.table_on(country.code, today)
    return {
        "code": country.code,
        "name": country.name,
        "currency": country.currency,
        "bureau": country.bureau,
        "documents": [
            {
                "code": each.code,
                "label": each.label,
                "example": each.example,
                "pattern": each.pattern,
            }
            for each in country.documents
        ],
        "loan_types": list(country.loan_types),
        "rules_version": table.version if table else None,
    }
