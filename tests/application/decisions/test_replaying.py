"""Who would be decided differently by another table?"""

from __future__ import annotations

from datetime import date

from application.countries.catalogue import COUNTRIES
from application.decisions import Comparison, Decisions, Difference, Facts, PastCase, compare
from tests.application.decisions.building import decisions, facts, rules

OLD = Decisions.load(COUNTRIES)
ON = date(2026, 3, 1)


def case(name: str, known: Facts, decided: str, on: date = ON) -> PastCase:
    return PastCase(name, known, on, decided)


def test_who_is_decided_differently_is_listed_with_the_new_reasons() -> None:
    new = decisions(
        rules(
            ("low", "< 700", "", "reject", "Below 700"),
            ("fine", ">= 700", "", "approve", "Fine"),
        )
    )
    cases = [
        case("a", facts(credit_score=599), "reject"),
        case("b", facts(credit_score=650), "approve"),
        case("c", facts(credit_score=700), "approve"),
        case("d", facts(amount_requested=50_000_00), "reject"),
        case("e", facts("CO", credit_score=650), "approve"),
        case("f", facts(credit_score=None), "manual_review"),
    ]
    found = compare(cases, new)
    assert found == Comparison(
        judged=5,
        different=(
            Difference("b", "MX", "approve", "reject", ("Below 700",)),
            Difference("d", "MX", "reject", "approve", ("Fine",)),
        ),
    )
    assert found.by_country == {"MX": 2}
    assert found.by_change == {"approve -> reject": 1, "reject -> approve": 1}


def test_a_table_decides_as_it_did() -> None:
    cases = [
        case(f"{code}{score}", known, OLD.judge(known, ON).decision)
        for code in COUNTRIES
        for score in (499, 500, 650, 800)
        for known in (facts(code, credit_score=score),)
    ]
    assert compare(cases, OLD) == Comparison(len(cases), ())


def test_each_case_is_judged_on_its_own_day() -> None:
    strict = rules(("low", "< 900", "", "reject", "Low"), ("fine", ">= 900", "", "approve", "Fine"))
    mild = rules(("low", "< 600", "", "reject", "Low"), ("fine", ">= 600", "", "approve", "Fine"))
    new = decisions(mild, strict, since=(date(2026, 1, 1), date(2026, 7, 1)))
    cases = [
        case("before", facts(), "approve"),
        case("after", facts(), "approve", date(2026, 8, 1)),
    ]
    assert [one.application_id for one in compare(cases, new).different] == ["after"]
