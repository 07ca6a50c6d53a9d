"""The countries are found, each is sound, and what may follow what is exactly what is written here."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from importlib import import_module
from itertools import product
from pathlib import Path
from types import ModuleType
from uuid import uuid4

import pytest
from msgspec.structs import replace

from application.countries import catalogue
from application.countries.catalogue import COUNTRIES, country_of, find
from application.countries.checking import CountryError, faults_of
from application.countries.country import Country, DocumentType, InvalidDocumentError
from application.decisions import Decisions
from domain.credit_applications.assessing import STATUS_OF
from domain.credit_applications.state import STATUSES
from domain.refusals import Refusal

MEXICO = COUNTRIES["MX"]

CHECKED_FIRST = {
    ("pending", "risk_check"),
    ("risk_check", "approved"),
    ("risk_check", "rejected"),
    ("risk_check", "manual_review"),
    ("manual_review", "approved"),
    ("manual_review", "rejected"),
}
MOVES = {
    "MX": CHECKED_FIRST | {("pending", "approved"), ("pending", "rejected")},
    "CO": {
        ("pending", "manual_review"),
        ("pending", "approved"),
        ("pending", "rejected"),
        ("manual_review", "approved"),
        ("manual_review", "rejected"),
    },
    "IN": {
        ("pending", "pre_approved"),
        ("pending", "manual_review"),
        ("pending", "rejected"),
        ("manual_review", "approved"),
        ("manual_review", "rejected"),
        ("pre_approved", "approved"),
        ("pre_approved", "rejected"),
    },
    **dict.fromkeys(("ES", "PT", "IT", "BR"), CHECKED_FIRST),
}


def test_the_seven_countries_are_there() -> None:
    assert {c.code: (c.currency, c.bureau) for c in COUNTRIES.values()} == {
        "BR": ("BRL", "Serasa"),
        "CO": ("COP", "DataCrédito"),
        "ES": ("EUR", "Equifax"),
        "IN": ("INR", "CIBIL"),
        "IT": ("EUR", "CRIF"),
        "MX": ("MXN", "Buró de Crédito"),
        "PT": ("EUR", "Banco de Portugal"),
    }
    assert list(COUNTRIES) == sorted(COUNTRIES)
    assert all(country_of(code) is country for code, country in COUNTRIES.items())


@pytest.mark.parametrize("code", ["FR", "mx", "", "MX ", "\0", "X" * 500])
def test_another_country_is_refused_with_those_that_are(code: str) -> None:
    with pytest.raises(Refusal) as refused:
        country_of(code)
    assert refused.value.reason == "unsupported_country"
    assert refused.value.details == {"country": code[:40], "supported": list(COUNTRIES)}


@pytest.mark.parametrize("code", MOVES)
def test_every_move_that_is_not_allowed_is_not(code: str) -> None:
    country = COUNTRIES[code]
    allowed = {
        (before, after)
        for before, after in product(STATUSES, STATUSES)
        if after in country.allowed_from(before)
    }
    assert allowed == MOVES[code]
    assert country.allowed_from("nonsense") == ()


def test_india_asks_what_the_loan_is_for_and_keeps_a_document_for_a_day() -> None:
    india = COUNTRIES["IN"]
    assert india.loan_types == ("PERSONAL", "HOME", "AUTO")
    assert india.same_document_hours == 24
    assert india.max_amount == 10_000_000_00
    others = [country for country in COUNTRIES.values() if country is not india]
    assert {(c.loan_types, c.same_document_hours, c.max_amount) for c in others} == {((), 0, None)}


def test_a_kind_of_document_is_found_in_either_case() -> None:
    spain = COUNTRIES["ES"]
    assert spain.document("DNI") is spain.document("dni") is spain.documents[0]
    assert spain.document("curp") is None


@pytest.mark.parametrize("code", COUNTRIES)
def test_a_country_has_a_decision_table_in_force_today(code: str) -> None:
    days = [date.fromisoformat(path.stem) for path in catalogue.decision_files(code)]
    assert days, "no decision could be made there"
    assert days == sorted(days)
    assert days[0] == date(2026, 1, 1)


@pytest.mark.parametrize("code", COUNTRIES)
def test_a_table_decides_only_what_may_follow(code: str) -> None:
    country = COUNTRIES[code]
    checked = "risk_check" if "risk_check" in country.allowed_from("pending") else "pending"
    tables = [one.table for one in Decisions.load({code: country}).versions]
    decisions = {json.loads(row.says["decision"]) for t in tables for row in t.steps[-1].rows}
    assert {STATUS_OF[decision] for decision in decisions} <= set(country.allowed_from(checked))


def refuse(number: str) -> str:
    raise InvalidDocumentError("It is nobody's.")


CURP = MEXICO.documents[0]
TERMS = MEXICO.terms
FAULTS: dict[str, tuple[Country, str]] = {
    "lower case": (replace(MEXICO, code="mx"), "code must be two capital letters"),
    "three letters": (replace(MEXICO, code="MEX"), "code must be two capital letters"),
    "no money": (replace(MEXICO, currency="XAU"), "currency must be a code of ISO 4217"),
    "no name": (replace(MEXICO, name=""), "name and bureau must not be empty"),
    "no bureau": (replace(MEXICO, bureau=""), "name and bureau must not be empty"),
    "loan types": (replace(MEXICO, loan_types=("home",)), "loan_types must be capital letters"),
    "hours": (replace(MEXICO, same_document_hours=-1), "same_document_hours must not be negative"),
    "amount": (replace(MEXICO, max_amount=0), "max_amount must be greater than 0"),
    "no documents": (replace(MEXICO, documents=()), "documents must not be empty"),
    "twice": (replace(MEXICO, documents=(CURP, CURP)), "documents must have different codes"),
    "document code": (
        replace(MEXICO, documents=(replace(CURP, code="CURP"),)),
        "'CURP' must be lower case",
    ),
    "example": (
        replace(MEXICO, documents=(DocumentType("x1", "X", refuse, "1"),)),
        "example of x1 does not pass its check: It is nobody's.",
    ),
    "compact": (
        replace(MEXICO, documents=(replace(CURP, example="boxw310820hnerxn09"),)),
        "example of curp is not in its compact form",
    ),
    "no start": (replace(MEXICO, transitions={}), "transitions must say what follows pending"),
    "no status": (
        replace(
            MEXICO, transitions={**MEXICO.transitions, "risk_check": ("manual_review", "granted")}
        ),
        "transitions name 'granted', which is no status",
    ),
    "after the end": (
        replace(MEXICO, transitions={**MEXICO.transitions, "approved": ("rejected",)}),
        "nothing follows approved",
    ),
    "withdrawn": (
        replace(MEXICO, transitions={**MEXICO.transitions, "manual_review": ("withdrawn",)}),
        "transitions do not name withdrawn",
    ),
    "dead end": (
        replace(MEXICO, transitions={"pending": ("manual_review",)}),
        "transitions lead to manual_review but not out of it",
    ),
    "doubt": (
        replace(MEXICO, transitions={"pending": ("approved", "rejected")}),
        "pending must lead to manual_review",
    ),
    "doubt after a check": (
        replace(MEXICO, transitions={**MEXICO.transitions, "risk_check": ("approved", "rejected")}),
        "risk_check must lead to manual_review",
    ),
    "rate": (replace(MEXICO, terms=replace(TERMS, annual_rate_bps=-1)), "annual_rate_bps"),
    "months": (replace(MEXICO, terms=replace(TERMS, months=61)), "min_months <= months"),
    "method": (replace(MEXICO, terms=replace(TERMS, method="bullet")), "terms.method"),
    "day count": (replace(MEXICO, terms=replace(TERMS, day_count="30/365")), "terms.day_count"),
    "offer": (replace(MEXICO, terms=replace(TERMS, offer_days=0)), "terms.offer_days"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_with_a_country_is_said(fault: str) -> None:
    country, words = FAULTS[fault]
    (said,) = list(faults_of(country))
    assert words in said


def test_a_country_without_faults_has_none_and_an_error_names_the_folder_and_all_of_them() -> None:
    assert [fault for country in COUNTRIES.values() for fault in faults_of(country)] == []
    error = CountryError("mx", ["one", "two"])
    assert str(error) == "application/countries/mx: one; two"
    assert (error.folder, error.faults) == ("mx", ("one", "two"))


Package = Callable[[dict[str, str]], ModuleType]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """Makes a package of folders, each with what its `__init__.py` says."""

    def make(folders: dict[str, str]) -> ModuleType:
        name = f"countries_{uuid4().hex}"
        for folder, text in {"": "", **folders}.items():
            (tmp_path / name / folder).mkdir(exist_ok=True)
            (tmp_path / name / folder / "__init__.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        return import_module(name)

    return make


RENAMED = """
from msgspec.structs import replace
from application.countries.mx import COUNTRY
COUNTRY = replace(COUNTRY, code={code!r})
"""


def test_every_folder_that_is_a_package_is_a_country(package: Package) -> None:
    made = package({"b": RENAMED.format(code="AA"), "a": RENAMED.format(code="BB")})
    folder = Path(next(iter(made.__path__)))
    (folder / "notes").mkdir()
    (folder / "common.py").write_text("raise RuntimeError")
    assert {code: found[1] for code, found in find(made).items()} == {
        "AA": folder / "b", "BB": folder / "a",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        ({"a": ""}, "countries/a: it has no COUNTRY"),
        ({"a": "COUNTRY = 'MX'"}, "countries/a: it has no COUNTRY"),
        (
            {"a": RENAMED.format(code="AA"), "b": RENAMED.format(code="AA")},
            "countries/b: the code AA is taken by another folder",
        ),
        ({"a": RENAMED.format(code="a")}, "countries/a: code must be two capital letters"),
    ],
)
def test_a_folder_that_cannot_be_used_stops_the_start(
    folders: dict[str, str], said: str, package: Package
) -> None:
    made = package(folders)
    with pytest.raises(CountryError, match=said):
        find(made)
