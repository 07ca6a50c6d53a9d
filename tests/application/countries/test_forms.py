"""A form asks for what the country needs, with the limits that the country sets."""

from __future__ import annotations

from datetime import date

import pytest

from application.countries.catalogue import COUNTRIES
from application.countries.forms import FormField, birth_dates, form_of, max_amount

TODAY = date(2026, 3, 15)
ASKED = (
    "full_name", "document_type", "document_number", "monthly_income", "amount_requested",
    "months", "date_of_birth", "email", "phone",
)  # fmt: skip


def fields(code: str) -> dict[str, FormField]:
    return {field.name: field for field in form_of(COUNTRIES[code], TODAY)}


@pytest.mark.parametrize("code", COUNTRIES)
def test_the_same_is_asked_for_everywhere_and_in_india_the_purpose_too(code: str) -> None:
    more = ["loan_type"] if code == "IN" else []
    names = [field.name for field in form_of(COUNTRIES[code], TODAY)]
    assert sorted(names) == sorted([*ASKED, *more])
    required = {name for name, field in fields(code).items() if field.is_required}
    assert required == {*ASKED[:5], *more}


def test_a_choice_of_documents_is_the_countrys() -> None:
    document = fields("CO")["document_type"]
    assert [(c.value, c.label) for c in document.choices] == [("cc", "Cédula de Ciudadanía (CC)")]
    assert document.default == "cc"
    spanish = fields("ES")["document_type"]
    assert [c.value for c in spanish.choices] == ["dni", "nie"]
    assert spanish.default == "", "there are two to choose from"
    (curp,) = fields("MX")["document_type"].choices
    assert curp.example == "BOXW310820HNERXN09"
    assert curp.pattern


def test_limits_are_texts_of_the_fields_own_kind() -> None:
    mexico, india = fields("MX"), fields("IN")
    assert (mexico["monthly_income"].minimum, mexico["monthly_income"].maximum) == (
        "0.01", "999999999999.99",
    )  # fmt: skip
    assert mexico["amount_requested"].maximum == "999999999999.99"
    assert india["amount_requested"].maximum == "10000000.00"
    assert max_amount(COUNTRIES["IN"]) == 1_000_000_000
    months = india["months"]
    assert (months.minimum, months.maximum, months.default) == ("12", "84", "48")
    assert [(c.value, c.label) for c in india["loan_type"].choices] == [
        ("PERSONAL", "Personal"), ("HOME", "Home"), ("AUTO", "Auto"),
    ]  # fmt: skip
    born = mexico["date_of_birth"]
    assert (born.kind, born.minimum, born.maximum) == ("date", "1925-03-16", "2008-03-15")


@pytest.mark.parametrize(
    ("today", "earliest", "latest"),
    [
        (date(2026, 3, 15), date(1925, 3, 16), date(2008, 3, 15)),
        (date(2028, 2, 29), date(1927, 3, 1), date(2010, 2, 28)),
        (date(2026, 2, 28), date(1925, 3, 1), date(2008, 2, 28)),
        (date(2026, 3, 1), date(1925, 3, 2), date(2008, 3, 1)),
        (date(2026, 12, 31), date(1926, 1, 1), date(2008, 12, 31)),
    ],
)
def test_applicants_are_18_to_100_years_old(today: date, earliest: date, latest: date) -> None:
    assert birth_dates(today) == (earliest, latest)
