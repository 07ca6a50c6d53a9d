"""The judge: versions by day, what is remembered, exact amounts, and review wherever there is a doubt."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from application.countries.catalogue import COUNTRIES
from application.decisions import Decisions, Facts, Table, UnsoundTableError, Version, read_table
from application.decisions.words import MAX_MINOR
from tests.application.decisions.building import (
    SCHEMA,
    TODAY,
    Change,
    Json,
    a_node,
    cell,
    changed,
    column,
    decisions,
    document,
    expressions,
    facts,
    rules,
    table_in,
)

LOADED = Decisions.load(COUNTRIES)

YES = {"approve", "pre_approve"}

LOW = ("low", "< 600", "", "reject", "Low")
MUCH = ("much", "", "> number(monthly_income) * 4", "reject", "Much")
FINE = ("fine", ">= 600", "", "approve", "Fine")


@pytest.mark.parametrize(
    ("differs", "reason"),
    [
        ({"credit_score": None}, "Banking data missing"),
        ({"credit_score": 1001}, "Out of range: credit_score"),
        ({"credit_score": -1}, "Cannot be read: credit_score"),
        ({"credit_score": True}, "Cannot be read: credit_score"),
        ({"credit_score": 700.0}, "Cannot be read: credit_score"),
        ({"credit_score": "700"}, "Cannot be read: credit_score"),
        ({"monthly_income": 0}, "Cannot be read: monthly_income"),
        ({"monthly_income": None}, "Missing: monthly_income"),
        ({"amount_requested": -1}, "Cannot be read: amount_requested"),
        ({"amount_requested": MAX_MINOR + 1}, "Cannot be read: amount_requested"),
        ({"total_debt": -1}, "Cannot be read: total_debt"),
        ({"currency": "EUR"}, "Not what the table is for: currency"),
        ({"currency": "???"}, "Cannot be read: currency"),
        ({"currency": ""}, "Cannot be read: currency"),
        ({"country": "FR"}, "No decision table is in force"),
        ({"country": ""}, "No decision table is in force"),
        ({"country": ["MX"]}, "Cannot be read: country"),
        ({"document_type": "x" * 41}, "Cannot be read: document_type"),
        ({"months": -1}, "Cannot be read: months"),
    ],
)
def test_in_doubt_an_officer_decides(differs: dict[str, Any], reason: str) -> None:
    verdict = LOADED.judge(facts(**{"country": "MX", **differs}), TODAY)
    assert (verdict.decision, verdict.reasons, verdict.row) == ("manual_review", (reason,), "")


ANYTHING: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["NaN", "700", "Infinity", "", "MX", b"700", [], {}, ["MX"], 700.5, 10**40]),
    st.text(max_size=50),
)
NO_SCORE = ANYTHING.filter(lambda it: type(it) is not int) | st.integers(max_value=499)
COUNTRY = st.sampled_from([*COUNTRIES, "FR", "", "mx"])
AMOUNT = st.integers(1, 10**15) | ANYTHING


@settings(max_examples=200, deadline=None)
@given(
    country=COUNTRY,
    credit_score=NO_SCORE,
    monthly_income=AMOUNT,
    amount_requested=AMOUNT,
    total_debt=AMOUNT,
    more=st.fixed_dictionaries(
        {},
        optional={
            "document_type": ANYTHING,
            "currency": ANYTHING,
            "loan_type": ANYTHING,
            "months": ANYTHING,
        },
    ),
)
def test_nothing_whatever_is_approved_without_a_score(
    country: str, more: dict[str, Any], **differs: Any
) -> None:
    assert LOADED.judge(facts(country, **differs, **more), TODAY).decision not in YES


@settings(max_examples=200, deadline=None)
@given(facts=st.fixed_dictionaries(dict.fromkeys(Facts.__struct_fields__, ANYTHING)))
def test_the_judge_answers_whatever_it_is_asked(facts: dict[str, Any]) -> None:
    verdict = LOADED.judge(Facts(**facts), TODAY)
    assert verdict.decision == "manual_review"
    assert all(verdict.reasons)


def test_no_row_that_fits_is_a_review() -> None:
    judge = decisions(rules(LOW, ("fine", ">= 601", "", "approve", "Fine")))
    verdict = judge.judge(facts(credit_score=600), TODAY)
    assert (verdict.decision, verdict.reasons, verdict.row) == (
        "manual_review",
        ("No rule matches",),
        "",
    )
    assert verdict.inputs == {
        "amount_requested": "10000.00",
        "credit_score": "600",
    }


def test_a_cell_that_cannot_be_computed_is_a_review_and_not_a_row_that_does_not_fit() -> None:
    """The engine takes it for one that does not fit, and goes on to the row that says yes."""
    huge = "> " + " * ".join(["number(monthly_income)"] * 3)
    judge = decisions(rules(("much", "", huge, "reject", "Much"), FINE))
    assert judge.judge(facts(), TODAY).decision == "approve"
    verdict = judge.judge(facts(monthly_income=MAX_MINOR), TODAY)
    assert verdict.decision == "manual_review"
    assert verdict.reasons == (
        "Engine error: node Credit, row much, column Amount: it cannot be computed",
    )


def test_a_value_that_an_earlier_table_did_not_make_is_a_review() -> None:
    """Nothing is not four, so that the "no" of who should be asked about four would be skipped."""
    tree = changed(
        a_node(
            "decisionTableNode",
            hitPolicy="first",
            passThrough=True,
            inputs=[{"id": "s", "name": "Score", "field": "credit_score"}],
            outputs=[{"id": "f", "name": "Times", "field": "times"}],
            rules=[{"_id": "good", "s": "> 700", "f": "4"}],
        ),
        column("inputs", 1, field="times"),
        cell(1, "a", "4"),
    )
    judge = decisions(tree)
    assert judge.judge(facts(credit_score=701), TODAY).reasons == ("Much",)
    assert judge.judge(facts(credit_score=700), TODAY).reasons == (
        "Engine error: node Credit, column Amount: a value is missing",
    )


class OddEngine:
    """Answers what the engine would not, but another version of it might."""

    def __init__(self, table: Table, change: Change) -> None:
        self._engine, self._change = table.engine, change

    def evaluate(self, context: Json, options: Json) -> Json:
        answer: Json = dict(self._engine.evaluate(context, options))  # type: ignore[arg-type]
        self._change(answer)
        return answer


def to_approval(answer: Json) -> None:
    answer["result"][0]["decision"] = "approve"


def to_another_row(answer: Json) -> None:
    answer["trace"]["t"]["traceData"][0]["index"] = 2


ODD: list[tuple[str, Change]] = [
    ("odd answer", lambda answer: answer.clear()),
    ("odd answer", lambda answer: answer.update(result={"decision": "approve"})),
    ("odd answer", lambda answer: answer.update(result=None)),
    ("odd answer", lambda answer: answer.update(result=[])),
    ("odd answer", lambda answer: answer.update(trace={})),
    ("odd answer", to_another_row),
    ("odd decision", to_approval),
    ("odd reason", lambda answer: answer["result"][0].pop("reason")),
]


@pytest.mark.parametrize(("told", "change"), ODD)
def test_an_odd_answer_is_a_review(told: str, change: Change) -> None:
    table = read_table(json.dumps(rules(LOW, FINE)), "draft")
    odd: Any = OddEngine(table, change)
    judge = Decisions([Version(date.min, structs.replace(table, engine=odd))])
    verdict = judge.judge(facts(credit_score=599), TODAY)
    assert verdict.decision == "manual_review"
    assert verdict.reasons[0].startswith("Engine error: node Credit")
    assert told in verdict.reasons[0]


def test_an_engine_error_tells_no_fact_and_is_not_remembered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tree = changed(expressions(("limit", "number(loan_type)")), schema=with_loan_type())
    table_in(tree)["rules"][1]["a"] = "> limit"
    tree["nodes"][0]["content"]["schema"] = json.dumps(with_loan_type("5", "secret"))
    judge = decisions(tree)
    for _ in range(2):
        verdict = judge.judge(facts(loan_type="secret"), TODAY)
        assert verdict.decision == "manual_review"
        assert verdict.reasons == ("Engine error: node Credit: it cannot be computed",)
    assert judge.remembered.asked == 2
    assert "decision table MX" in caplog.text
    assert "secret" not in caplog.text


def test_what_the_engine_says_of_a_fact_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Json) -> None:
        raise RuntimeError(json.dumps({"source": "cannot compute secret"}))

    table = read_table(json.dumps(document()), "draft")
    odd: Any = OddEngine(table, fail)
    judge = Decisions([Version(date.min, structs.replace(table, engine=odd))])
    assert judge.judge(facts(), TODAY).decision == "manual_review"
    assert "node Credit: it cannot be computed" in caplog.text
    assert "secret" not in caplog.text


def with_loan_type(*choices: str) -> Json:
    demand: Json = {"type": "string", **({"enum": list(choices)} if choices else {})}
    return {
        **SCHEMA,
        "required": [*SCHEMA["required"], "loan_type"],
        "properties": {**SCHEMA["properties"], "loan_type": demand},
    }


@pytest.mark.parametrize(
    ("most", "expected", "told"),
    [
        ("string(number(monthly_income) * 3)", 30_000_00, "Fine"),
        ("string(number(monthly_income) / 3)", 3_333_33, "Fine"),
        ("", None, "Fine"),
        ("string(0 - number(monthly_income))", None, "odd amount"),
        ('string("a lot")', None, "odd amount"),
        ('string("NaN")', None, "odd amount"),
        ('string("1e999999999")', None, "odd amount"),
    ],
)
def test_the_most_that_may_be_lent_is_whole_minor_units(
    most: str, expected: int | None, told: str
) -> None:
    tree = document()
    table_in(tree)["outputs"].append({"id": "m", "name": "Most", "field": "max_approved_amount"})
    table_in(tree)["rules"][2]["m"] = most
    verdict = decisions(tree).judge(facts(), TODAY)
    assert verdict.max_approved_amount == expected
    assert told in verdict.reasons[0]
    assert (verdict.decision in YES) == (told == "Fine")


def test_who_is_rejected_is_offered_nothing() -> None:
    tree = document()
    table_in(tree)["outputs"].append({"id": "m", "name": "Most", "field": "max_approved_amount"})
    table_in(tree)["rules"][0]["m"] = "string(number(monthly_income) * 3)"
    assert decisions(tree).judge(facts(credit_score=1), TODAY).max_approved_amount is None


@pytest.mark.parametrize("reason", ['""', '" "', "credit_score", f"`{'x' * 250}${{currency}}`"])
def test_an_answer_without_a_reason_is_a_review(reason: str) -> None:
    tree = document(
        {
            **SCHEMA,
            "required": [*SCHEMA["required"], "currency"],
            "properties": {**SCHEMA["properties"], "currency": {"type": "string"}},
        }
    )
    table_in(tree)["rules"][2]["r"] = reason
    verdict = decisions(tree).judge(facts(), TODAY)
    expected = "approve" if "currency" in reason else "manual_review"
    assert verdict.decision == expected


def test_a_row_that_says_the_same_reason_is_told_once() -> None:
    again = ("again", "< 500", "", "reject", "Low")
    assert decisions(rules(LOW, again, FINE)).judge(facts(credit_score=1), TODAY).reasons == (
        "Low",
    )


def test_the_newest_version_in_force_on_the_day_decides() -> None:
    stricter = rules(
        ("low", "< 900", "", "reject", "Low"), ("fine", ">= 900", "", "approve", "Fine")
    )
    first, second = date(2026, 1, 1), date(2026, 7, 1)
    judge = decisions(stricter, rules(LOW, MUCH, FINE), since=(second, first))
    said = [
        (verdict.decision, verdict.version)
        for on in (date(2025, 12, 31), first, date(2026, 6, 30), second, date.max)
        for verdict in [judge.judge(facts(), on)]
    ]
    assert said == [
        ("manual_review", ""),
        ("approve", "2026-01-01"),
        ("approve", "2026-01-01"),
        ("reject", "2026-07-01"),
        ("reject", "2026-07-01"),
    ]
    assert judge.rules_in_words("MX", first)[0] == "Score below 600: rejected (Low)"
    assert judge.rules_in_words("MX", second)[0] == "Score below 900: rejected (Low)"


def test_a_version_with_a_minimum_income_is_a_file_with_one_more_row() -> None:
    """Rules are data: no code knows of a minimum."""
    tree = document()
    table_in(tree)["inputs"].append(
        {"id": "i", "name": "Income", "field": "number(monthly_income)"}
    )
    poor = {"_id": "poor", "i": "< 8000", "d": '"reject"', "r": '"Income below 8,000 (MX)"'}
    table_in(tree)["rules"].insert(0, poor)
    judge = decisions(rules(LOW, MUCH, FINE), tree, since=(date(2026, 1, 1), date(2026, 7, 1)))
    income = facts(monthly_income=7_999_99)
    assert judge.judge(income, date(2026, 6, 30)).decision == "approve"
    assert judge.judge(income, date(2026, 7, 1)).reasons == ("Income below 8,000 (MX)",)
    assert judge.judge(facts(monthly_income=8_000_00), date(2026, 7, 1)).decision == "approve"


def test_the_same_facts_under_the_same_version_are_decided_once() -> None:
    judge = decisions(
        rules(LOW, FINE), rules(LOW, MUCH, FINE), since=(date(2026, 1, 1), date(2026, 7, 1))
    )
    first = judge.judge(facts(), date(2026, 2, 1))
    assert judge.judge(facts(), date(2026, 3, 1)) == first
    assert (judge.remembered.hits, judge.remembered.asked) == (1, 1)
    judge.judge(facts(), date(2026, 8, 1))
    judge.judge(facts(amount_requested=1), date(2026, 8, 1))
    assert (judge.remembered.hits, judge.remembered.asked) == (1, 3)


def test_what_is_remembered_is_bounded() -> None:
    judge = decisions(rules(LOW, FINE), remembered=2)
    for amount in (1, 2, 3, 1):
        judge.judge(facts(amount_requested=amount), TODAY)
    assert judge.remembered.asked == 4


@pytest.mark.parametrize("minor", [10**15, 9_007_199_254_740_993, MAX_MINOR])
def test_large_amounts_are_exact_to_the_minor_unit(minor: int) -> None:
    """Past 2^53 minor units a float has no cents left."""
    at_limit = facts("PT", monthly_income=minor // 10, amount_requested=minor // 10 * 10)
    over = facts("PT", monthly_income=minor // 10, amount_requested=minor // 10 * 10 + 1)
    if over.amount_requested <= MAX_MINOR:
        assert LOADED.judge(over, TODAY).row == "amount-over-10x-income"
    assert LOADED.judge(at_limit, TODAY).row == "passes"
    offer = LOADED.judge(facts("IN", monthly_income=minor), TODAY)
    assert offer.max_approved_amount == minor * 48


def test_many_threads_may_ask_at_once() -> None:
    judge = Decisions.load(COUNTRIES)
    asked = [
        facts(code, credit_score=score, amount_requested=100_00 + repeat)
        for repeat in range(10)
        for code in COUNTRIES
        for score in (499, 800)
    ]
    expected = [LOADED.judge(one, TODAY) for one in asked]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda one: judge.judge(one, TODAY), asked)) == expected


def test_one_file_answers_on_every_day_for_its_country_only() -> None:
    judge = Decisions.of_file(json.dumps(document()))
    assert judge.judge(facts(), date(1999, 1, 1)).version == "draft"
    assert judge.judge(facts("CO"), TODAY).reasons == ("No decision table is in force",)


def test_an_ill_table_is_told_by_country(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = decisions(rules(LOW, ("fine", "[600..700]", "", "approve", "Fine")))
    assert judge.health() == {"MX": "0001-01-01: No rule matches"}


def a_folder(tmp_path: Path, name: str, text: str) -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


@pytest.mark.parametrize(
    ("name", "code", "text", "words"),
    [
        ("2026-01-01.json", "MX", "{}", "missing required field `nodes`"),
        ("january.json", "MX", json.dumps(document()), "must be the day it is in force from"),
        ("2026-01-01.json", "CO", json.dumps(document()), "it is for MX, and lies in the folder of CO"),
    ],
)  # fmt: skip
def test_a_bad_file_stops_the_start_and_is_named(
    tmp_path: Path, name: str, code: str, text: str, words: str
) -> None:
    path = a_folder(tmp_path, name, text)
    with pytest.raises(UnsoundTableError) as refused:
        Decisions.load({code: COUNTRIES[code]}, files=lambda _: [path])
    assert words in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_country_without_a_table_stops_the_start() -> None:
    with pytest.raises(UnsoundTableError, match="country MX has no decision table"):
        Decisions.load({"MX": COUNTRIES["MX"]}, files=lambda _: [])
