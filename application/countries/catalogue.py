"""Finds the countries: every folder beside this file that is a package and says what its `COUNTRY` is."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, ModuleType

import application.countries as countries
from application.countries.checking import CountryError, faults_of
from application.countries.country import Country
from application.privacy.masking import mask_document
from domain.refusals import Refusal


def find(parent: ModuleType) -> Mapping[str, tuple[Country, Path]]:
    """The countries of a package by code, each with its folder, in the codes' order.

    Raises `CountryError` that names the folder and all its faults.
    """
    found: dict[str, tuple[Country, Path]] = {}
    for module in pkgutil.iter_modules(parent.__path__):
        if not module.ispkg:
            continue
        package = import_module(f"{parent.__name__}.{module.name}")
        country = getattr(package, "COUNTRY", None)
        if not isinstance(country, Country):
            raise CountryError(module.name, ["it has no COUNTRY"])
        faults = list(faults_of(country))
        if country.code in found:
            faults.append(f"the code {country.code} is taken by another folder")
        if faults:
            raise CountryError(module.name, faults)
        found[country.code] = country, Path(next(iter(package.__path__)))
    return dict(sorted(found.items()))


_FOUND = find(countries)

COUNTRIES: Mapping[str, Country] = MappingProxyType(
    {code: country for code, (country, _) in _FOUND.items()}
)
"""By code, in the codes' order."""


def country_of(code: str) -> Country:
    """Raises `Refusal`: `unsupported_country`, with the codes that are."""
    try:
        return COUNTRIES[code]
    except KeyError:
        raise Refusal("unsupported_country", country=code[:40], supported=list(COUNTRIES)) from None


def decision_files(code: str) -> Sequence[Path]:
    """A country's decision tables, by the day each is effective from: `2026-01-01.json`, oldest first."""
    _, folder = _FOUND[code]
    return sorted((folder / "decisions").glob("*.json"))


def masked(country: str, document_type: str, number: str) -> str:
    """A document's number as it may be shown; also of what is no longer, or was never, a known kind."""
    found = COUNTRIES.get(country)
    document = found.document(document_type) if found else None
    return document.masked(number) if document else mask_document("", number)
