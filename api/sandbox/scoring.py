"""What the bureau knows of people: made up, and the same each time that it is asked for an application."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from msgspec import Struct


class Asked(Struct, frozen=True):
    """What the bureau is asked. `monthly_income` is in whole units of the country's currency."""

    report_id: UUID
    application_id: UUID
    country: str
    document_type: str
    document_number: str
    full_name: str
    monthly_income: Decimal
    loan_type: str = ""


class Known(Struct, frozen=True):
    """What there is to know of somebody. `debt` is in whole units of the country's currency."""

    score: int | None
    debt: Decimal = Decimal(0)


class Range(Struct, frozen=True):
    """Scores and debts that people of a country have, ends included; debts are in whole hundreds."""

    scores: tuple[int, int]
    debts: tuple[int, int]


RANGES: Mapping[str, Range] = {
    "MX": Range((650, 799), (0, 0)),
    "CO": Range((700, 899), (500_000, 5_500_000)),
    "ES": Range((600, 850), (0, 20_000)),
    "PT": Range((550, 800), (0, 12_000)),
    "IT": Range((550, 800), (0, 15_000)),
    "BR": Range((450, 900), (0, 20_000)),
    "IN": Range((300, 900), (0, 500_000)),
}
OTHERS = Range((600, 800), (0, 10_000))

TEST_DOCUMENTS: Mapping[str, Known] = {
    "ABCDE1234F": Known(790),
    "FGHIJ5678K": Known(610),
}
"""What is known of these does not depend on anything else."""


class Fixed(Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody wants to be known of a document."""

    score: int | None = None
    debt: Decimal = Decimal(0)


Scores = dict[str, int | Fixed | None]
"""By the number of the document: a score with or without a debt, or none."""


def compact(document_number: str) -> str:
    """The number as it is compared: letters and digits, however it is written."""
    return re.sub(r"[^0-9A-Za-z]", "", document_number).upper()


def fixed(scores: Scores) -> dict[str, Known]:
    """Scores that are given, next to those of test documents and in their place."""
    given = {
        compact(number): Known(said.score, said.debt) if isinstance(said, Fixed) else Known(said)
        for number, said in scores.items()
    }
    return {**TEST_DOCUMENTS, **given}


def known_of(asked: Asked, fixed: Mapping[str, Known]) -> Known:
    """What is known of a person: what was fixed, or what follows from the application's id."""
    if (found := fixed.get(compact(asked.document_number))) is not None:
        return found
    range_ = RANGES.get(asked.country, OTHERS)
    low, high = range_.debts
    debt = Decimal(low + _draw(asked.application_id, "debt", (high - low) // 100 + 1) * 100)
    if asked.country == "IN":
        return Known(cibil_score(asked.application_id, asked.monthly_income, asked.loan_type), debt)
    first, last = range_.scores
    return Known(first + _draw(asked.application_id, "score", last - first + 1), debt)


def cibil_score(application_id: UUID, monthly_income: Decimal, loan_type: str) -> int:
    """300 to 900: 650, more for much income and less for little, by what the loan is for, and up to five
    more or less by the first eight bytes of the SHA-256 of the application's id."""
    score = 650
    if monthly_income > 75_000:
        score += 40
    elif monthly_income < 30_000:
        score -= 20
    score += {"PERSONAL": -10, "HOME": 10}.get(loan_type, 0)
    score += int.from_bytes(sha256(str(application_id).encode()).digest()[:8], "big") % 11 - 5
    return min(900, max(300, score))


def _draw(application_id: UUID, what: str, choices: int) -> int:
    """One of the numbers from 0, each as likely as the others, and always the same."""
    digest = sha256(f"{application_id}:{what}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % choices
