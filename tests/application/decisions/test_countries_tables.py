"""Every row of every country's table, on both sides of each of its boundaries."""

from __future__ import annotations

from typing import Any

import pytest

from application.countries.catalogue import COUNTRIES
from application.decisions import Decisions
from tests.application.decisions.building import TODAY, facts

LOADED = Decisions.load(COUNTRIES)

VERY_LOW = "Very low credit score"
PASSES = "Passes all business rules"
MISSING = "Banking data missing"

Case = tuple[dict[str, Any], str, str, tuple[str, ...]]
"""What differs from a good application; the decision, the row, the reasons."""

MX_LOW = "Low credit score for Mexico"
MX_MUCH = "Requested amount exceeds 4x monthly income (MX limit)"
MX: list[Case] = [
    ({}, "approve", "passes", (PASSES,)),
    ({"credit_score": 0}, "reject", "very-low-score", (VERY_LOW, MX_LOW)),
    ({"credit_score": 499}, "reject", "very-low-score", (VERY_LOW, MX_LOW)),
    ({"credit_score": 500}, "reject", "low-score", (MX_LOW,)),
    ({"credit_score": 599}, "reject", "low-score", (MX_LOW,)),
    ({"credit_score": 600}, "approve", "passes", (PASSES,)),
    ({"credit_score": 1000}, "approve", "passes", (PASSES,)),
    ({"amount_requested": 40_000_00}, "approve", "passes", (PASSES,)),
    ({"amount_requested": 40_000_01}, "reject", "amount-over-4x-income", (MX_MUCH,)),
    (
        {"amount_requested": 40_000_01, "credit_score": 599},
        "reject",
        "low-score",
        (MX_LOW, MX_MUCH),
    ),
    (
        {"amount_requested": 40_000_01, "credit_score": 499},
        "reject",
        "very-low-score",
        (VERY_LOW, MX_LOW, MX_MUCH),
    ),
    ({"total_debt": None}, "approve", "passes", (PASSES,)),
    ({"credit_score": None}, "manual_review", "", (MISSING,)),
]

CO_LOW = "Low credit score for Colombia"
CO_DEBT = "Total debt exceeds 50% of monthly income (CO limit)"
CO: list[Case] = [
    ({}, "approve", "passes", (PASSES,)),
    ({"credit_score": 499}, "reject", "very-low-score", (VERY_LOW, CO_LOW)),
    ({"credit_score": 500}, "reject", "low-score", (CO_LOW,)),
    ({"credit_score": 649}, "reject", "low-score", (CO_LOW,)),
    ({"credit_score": 650}, "approve", "passes", (PASSES,)),
    ({"total_debt": 5_000_00}, "approve", "passes", (PASSES,)),
    ({"total_debt": 5_000_01}, "reject", "debt-over-half-income", (CO_DEBT,)),
    ({"monthly_income": 1_01, "total_debt": 50}, "approve", "passes", (PASSES,)),
    ({"monthly_income": 1_01, "total_debt": 51}, "reject", "debt-over-half-income", (CO_DEBT,)),
    (
        {"credit_score": 499, "total_debt": 5_000_01},
        "reject",
        "very-low-score",
        (VERY_LOW, CO_LOW, CO_DEBT),
    ),
    ({"total_debt": None}, "manual_review", "", (MISSING,)),
    ({"credit_score": None}, "manual_review", "", (MISSING,)),
]

ES_REVIEW = "Requested amount above 50,000 EUR needs review (ES limit)"
ES: list[Case] = [
    ({}, "approve", "passes", (PASSES,)),
    ({"credit_score": 499}, "reject", "very-low-score", (VERY_LOW,)),
    ({"credit_score": 500}, "approve", "passes", (PASSES,)),
    ({"amount_requested": 50_000_00}, "approve", "passes", (PASSES,)),
    ({"amount_requested": 50_000_01}, "manual_review", "amount-over-50000", (ES_REVIEW,)),
    (
        {"amount_requested": 50_000_01, "credit_score": 499},
        "reject",
        "very-low-score",
        (VERY_LOW,),
    ),
    ({"credit_score": None}, "manual_review", "", (MISSING,)),
]

PT_MUCH = "Requested amount exceeds 10x monthly income (PT limit)"
PT: list[Case] = [
    ({}, "approve", "passes", (PASSES,)),
    ({"credit_score": 499}, "reject", "very-low-score", (VERY_LOW,)),
    ({"credit_score": 500}, "approve", "passes", (PASSES,)),
    ({"amount_requested": 100_000_00}, "approve", "passes", (PASSES,)),
    ({"amount_requested": 100_000_01}, "reject", "amount-over-10x-income", (PT_MUCH,)),
    (
        {"amount_requested": 100_000_01, "credit_score": 499},
        "reject",
        "very-low-score",
        (VERY_LOW, PT_MUCH),
    ),
    ({"credit_score": None}, "manual_review", "", (MISSING,)),
]

IT_LESS = "36 months of income do not cover the requested amount (IT limit)"
IT_MUCH_LESS = "36 months of income cover less than 70% of the requested amount (IT limit)"
IT: list[Case] = [
    ({}, "approve", "passes", (PASSES,)),
    ({"credit_score": 499}, "reject", "very-low-score", (VERY_LOW,)),
    ({"credit_score": 500}, "approve", "passes", (PASSES,)),
    ({"amount_requested": 360_000_00}, "approve", "passes", (PASSES,)),
    ({"amount_requested": 360_000_01}, "manual_review", "income-under-amount", (IT_LESS,)),
    # 36 × 7,000 = 252,000 = 0.7 × 360,000
    (
        {"monthly_income": 7_000_00, "amount_requested": 360_000_00},
        "manual_review",
        "income-under-amount",
        (IT_LESS,),
    ),
    (
        {"monthly_income": 7_000_00, "amount_requested": 360_000_01},
        "reject",
        "income-under-70-percent",
        (IT_MUCH_LESS,),
    ),
    (
        {"monthly_income": 6_999_99, "amount_requested": 360_000_00, "credit_score": 499},
        "reject",
        "very-low-score",
        (VERY_LOW, IT_MUCH_LESS),
    ),
    ({"credit_score": None}, "manual_review", "", (MISSING,)),
]

BR_REVIEW = "Credit score from 500 to 699 needs review (BR)"
BR: list[Case] = [
    ({}, "approve", "passes", (PASSES,)),
    ({"credit_score": 499}, "reject", "very-low-score", (VERY_LOW,)),
    ({"credit_score": 500}, "manual_review", "middle-score", (BR_REVIEW,)),
    ({"credit_score": 699}, "manual_review", "middle-score", (BR_REVIEW,)),
    ({"credit_score": 700}, "approve", "passes", (PASSES,)),
    ({"credit_score": None}, "manual_review", "", (MISSING,)),
]

IN_SMALL = "Monthly income is not above 1/48 of the requested amount"
IN_PASSES = "Credit score is at least 650 and monthly income is above 1/48 of the requested amount"
IN: list[Case] = [
    ({}, "pre_approve", "passes", (IN_PASSES,)),
    (
        {"credit_score": 499},
        "reject",
        "very-low-score",
        (VERY_LOW, "Credit score 499 is below 650"),
    ),
    ({"credit_score": 500}, "reject", "low-score", ("Credit score 500 is below 650",)),
    ({"credit_score": 649}, "reject", "low-score", ("Credit score 649 is below 650",)),
    ({"credit_score": 650}, "pre_approve", "passes", (IN_PASSES,)),
    (
        {"credit_score": 650, "monthly_income": 25_000_01, "amount_requested": 1_200_000_00},
        "pre_approve",
        "passes",
        (IN_PASSES,),
    ),
    (
        {"credit_score": 650, "monthly_income": 25_000_00, "amount_requested": 1_200_000_00},
        "manual_review",
        "income-too-small",
        (IN_SMALL,),
    ),
    # 2,000,000 / 48 is 41,666.666…, which no amount is: what is above it is, by a paisa
    (
        {"monthly_income": 41_666_66, "amount_requested": 2_000_000_00},
        "manual_review",
        "income-too-small",
        (IN_SMALL,),
    ),
    (
        {"monthly_income": 41_666_67, "amount_requested": 2_000_000_00},
        "pre_approve",
        "passes",
        (IN_PASSES,),
    ),
    ({"credit_score": None}, "manual_review", "", (MISSING,)),
]

CASES = {"MX": MX, "CO": CO, "ES": ES, "PT": PT, "IT": IT, "BR": BR, "IN": IN}


@pytest.mark.parametrize("country", CASES)
def test_each_row_decides_what_it_says_up_to_its_boundary(country: str) -> None:
    wrong = []
    for differs, decision, row, reasons in CASES[country]:
        verdict = LOADED.judge(facts(country, **differs), TODAY)
        if (verdict.decision, verdict.row, verdict.reasons) != (decision, row, reasons):
            wrong.append((differs, verdict))
    assert not wrong


def test_no_country_and_no_row_is_left_out() -> None:
    assert set(CASES) == set(COUNTRIES)
    for country, cases in CASES.items():
        table = LOADED.table_on(country, TODAY)
        assert table
        decided = {row for _, _, row, _ in cases if row}
        assert decided == {row.id for row in table.deciding.rows}, country


@pytest.mark.parametrize(
    ("differs", "most"),
    [
        ({"monthly_income": 80_000_00, "amount_requested": 3_000_000_00}, 3_840_000_00),
        ({"monthly_income": 35_000_00, "amount_requested": 2_000_000_00}, 1_680_000_00),
        ({"monthly_income": 1}, 48),
        ({"credit_score": 649}, None),
        ({"credit_score": None}, None),
    ],
)
def test_india_offers_at_most_48_months_of_income(
    differs: dict[str, int | None], most: int | None
) -> None:
    assert LOADED.judge(facts("IN", **differs), TODAY).max_approved_amount == most


def test_a_verdict_says_what_it_was_made_of() -> None:
    verdict = LOADED.judge(facts("CO", total_debt=5_000_01), TODAY)
    table = LOADED.table_on("CO", TODAY)
    assert table
    assert (verdict.table, verdict.version) == ("Credit in Colombia", "2026-01-01")
    assert verdict.digest == table.digest
    assert verdict.inputs == {
        "credit_score": "800",
        "monthly_income": "10000.00",
        "total_debt": "5000.01",
    }


def test_the_rules_are_told_in_words_made_from_the_rows() -> None:
    assert LOADED.rules_in_words("CO", TODAY) == (
        "Credit score below 500: rejected (Very low credit score)",
        "Credit score below 650: rejected (Low credit score for Colombia)",
        "Total debt above monthly income × 0.5: rejected "
        "(Total debt exceeds 50% of monthly income (CO limit))",
        "Credit score at least 650: approved (Passes all business rules)",
    )
    assert LOADED.rules_in_words("FR", TODAY) == ()
    assert all(LOADED.rules_in_words(code, TODAY) for code in COUNTRIES)


def test_all_countries_are_well() -> None:
    assert LOADED.health() == dict.fromkeys(COUNTRIES, "ok")
