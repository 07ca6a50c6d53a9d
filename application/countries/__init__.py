"""What differs by country in credit: one folder each, found by being there."""

from __future__ import annotations

from application.countries.catalogue import COUNTRIES, country_of, decision_files, masked
from application.countries.country import (
    Country,
    DocumentType,
    InvalidDocumentError,
    Report,
    Terms,
    UnreadableReportError,
)

__all__ = [
    "COUNTRIES",
    "Country",
    "DocumentType",
    "InvalidDocumentError",
    "Report",
    "Terms",
    "UnreadableReportError",
    "country_of",
    "decision_files",
    "masked",
]
