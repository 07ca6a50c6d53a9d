"""Schedules of loans: they agree with another computation of them, to the minor unit."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.loans.schedule import (
    DAY_COUNTS,
    METHODS,
    Instalment,
    Terms,
    accrued,
    due_date,
    rest,
    schedule,
)
from domain.money import format_amount, parse_amount
from tests.support.given import refused

MONTH_ENDS = Terms(1_000_00, 12_00, 3, "annuity", "30/360", date(2026, 1, 31))

amounts = st.one_of(
    st.integers(1, 1_000),
    st.integers(1, 10**15),
    st.builds(
        lambda whole, currency: parse_amount(str(whole), currency),
        st.integers(1, 10**9),
        st.sampled_from(["JPY", "EUR", "KWD"]),
    ),
)
rates = st.one_of(st.integers(0, 3_000), st.integers(0, 10_000))
days = st.dates(date(2000, 1, 1), date(2100, 1, 1))
all_terms = st.builds(
    Terms,
    principal=amounts,
    annual_rate_bps=rates,
    months=st.one_of(st.integers(1, 60), st.integers(1, 480)),
    method=st.sampled_from(METHODS),
    day_count=st.sampled_from(DAY_COUNTS),
    start=days,
)


# Another computation, with decimals of sixty digits.
def reference_due(start: date, number: int) -> date:
    """Day by day back from a day that may not be there."""
    year, month, day = start.year, start.month, start.day
    for _ in range(number):
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    while True:
        try:
            return date(year, month, day)
        except ValueError:
            day -= 1


def reference_fraction(terms: Terms, since: date, until: date) -> Decimal:
    """A whole period's part of a year."""
    if terms.day_count == "30/360":
        return Decimal(1) / Decimal(12)
    year = 365 if terms.day_count == "actual/365" else 360
    return Decimal((until - since) / timedelta(days=1)) / year


def fractions_of(terms: Terms) -> list[Decimal]:
    dues = [reference_due(terms.start, number) for number in range(terms.months + 1)]
    return [reference_fraction(terms, *pair) for pair in pairwise(dues)]


def whole(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_EVEN))


def rate_of(terms: Terms) -> Decimal:
    return Decimal(terms.annual_rate_bps) / 10_000


@given(terms=all_terms)
@settings(max_examples=80)
def test_a_schedule_pays_all_back_and_its_interest_is_that_of_its_balances(terms: Terms) -> None:
    found = schedule(terms)
    assert [each.number for each in found] == list(range(1, terms.months + 1))
    assert [each.due for each in found] == [
        reference_due(terms.start, each.number) for each in found
    ]
    assert sum(each.principal for each in found) == terms.principal
    before = terms.principal
    with localcontext() as context:
        context.prec = 60
        for each, fraction in zip(found, fractions_of(terms), strict=True):
            assert each.interest == whole(before * rate_of(terms) * fraction)
            assert each.balance_after == before - each.principal
            assert 0 <= each.balance_after <= before
            before = each.balance_after
    assert before == 0


@given(terms=all_terms)
@settings(max_examples=60)
def test_an_annuity_is_level_until_it_closes(terms: Terms) -> None:
    """Where the interest of a long month is more than the level instalment, that is what is due."""
    found = schedule(replace(terms, method="annuity"))
    with localcontext() as context:
        context.prec = 60
        growth, owed = Decimal(1), Decimal(0)
        for fraction in reversed(fractions_of(terms)):
            owed += growth
            growth *= 1 + rate_of(terms) * fraction
        level = terms.principal * growth / owed
    for each in found[:-1]:
        if each.balance_after and each.principal:
            assert abs(each.amount - level) <= Decimal("0.5")
        elif each.balance_after:
            assert each.amount == each.interest >= level - Decimal("0.5")


@given(terms=all_terms)
@settings(max_examples=40)
def test_equal_parts_differ_by_one_minor_unit_at_most(terms: Terms) -> None:
    parts = {each.principal for each in schedule(replace(terms, method="equal_principal"))}
    assert max(parts) - min(parts) <= 1


@given(terms=all_terms, number=st.integers(1, 480), part=st.floats(0, 1))
@settings(max_examples=80)
def test_interest_accrues_day_by_day_up_to_that_of_the_period(
    terms: Terms, number: int, part: float
) -> None:
    number = min(number, terms.months)
    begin, due = due_date(terms.start, number - 1), due_date(terms.start, number)
    balance = terms.principal
    by_day = [
        accrued(terms, number, balance, begin, begin + timedelta(days=each))
        for each in range((due - begin).days + 1)
    ]
    assert by_day[0] == 0
    assert by_day == sorted(by_day)
    between = begin + timedelta(days=int(part * (due - begin).days))
    first = accrued(terms, number, balance, begin, between)
    second = accrued(terms, number, balance, between, due)
    assert abs(first + second - by_day[-1]) <= 1
    (of_period,) = rest(replace(terms, months=number), number, balance, begin, 0)
    assert by_day[-1] == of_period.interest


@given(terms=all_terms, number=st.integers(1, 480), part=st.floats(0, 1), carried=amounts)
@settings(max_examples=40)
def test_what_remains_is_paid_back_on_the_same_days(
    terms: Terms, number: int, part: float, carried: int
) -> None:
    number = min(number, terms.months)
    begin = due_date(terms.start, number - 1)
    since = begin + timedelta(days=int(part * (due_date(terms.start, number) - begin).days))
    found = rest(terms, number, terms.principal, since, carried)
    assert [each.due for each in found] == [
        reference_due(terms.start, each) for each in range(number, terms.months + 1)
    ]
    assert sum(each.principal for each in found) == terms.principal
    assert min(each.principal for each in found) >= 0
    assert found[-1].balance_after == 0
    of_days = accrued(terms, number, terms.principal, since, found[0].due)
    assert found[0].interest == carried + of_days


def test_a_schedule_from_the_textbook() -> None:
    """1,000.00 at 1 % a month for three months: 340.02 each, the last what is left."""
    assert schedule(MONTH_ENDS) == (
        Instalment(1, date(2026, 2, 28), 330_02, 10_00, 669_98),
        Instalment(2, date(2026, 3, 31), 333_32, 6_70, 336_66),
        Instalment(3, date(2026, 4, 30), 336_66, 3_37, 0),
    )


def test_equal_principal_from_the_textbook() -> None:
    terms = replace(MONTH_ENDS, method="equal_principal")
    assert [(each.principal, each.interest) for each in schedule(terms)] == [
        (333_33, 10_00), (333_33, 6_67), (333_34, 3_33),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("start", "dues"),
    [
        (date(2024, 1, 31), ["2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"]),
        (date(2026, 11, 30), ["2026-12-30", "2027-01-30", "2027-02-28", "2027-03-30"]),
        (date(2026, 12, 1), ["2027-01-01", "2027-02-01", "2027-03-01", "2027-04-01"]),
    ],
)
def test_the_31st_is_the_last_of_a_shorter_month_and_back_again(
    start: date, dues: list[str]
) -> None:
    found = schedule(replace(MONTH_ENDS, start=start, months=4))
    assert [each.due.isoformat() for each in found] == dues


@pytest.mark.parametrize("method", METHODS)
def test_without_interest_it_is_divided(method: str) -> None:
    found = schedule(replace(MONTH_ENDS, annual_rate_bps=0, method=method, months=4))
    assert {(each.principal, each.interest) for each in found} == {(250_00, 0)}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("principal", [1, 2, 299, 301, 599])
def test_next_to_nothing_is_paid_back_over_fifty_years(method: str, principal: int) -> None:
    found = schedule(replace(MONTH_ENDS, principal=principal, months=600, method=method))
    assert sum(each.principal for each in found) == principal
    assert min(min(each.principal, each.balance_after) for each in found) == 0
    assert found[-1].balance_after == 0


def test_one_instalment_is_all_of_it() -> None:
    (only,) = schedule(replace(MONTH_ENDS, months=1))
    assert (only.principal, only.interest) == (1_000_00, 10_00)


@pytest.mark.parametrize(
    ("day_count", "interest"),
    [("30/360", 10_00), ("actual/365", 9_21), ("actual/360", 9_33)],
)
def test_days_are_counted_as_agreed(day_count: str, interest: int) -> None:
    """28 days of February: 28/365 of 120.00 is 9.205..., 28/360 is 9.333..."""
    found = schedule(replace(MONTH_ENDS, day_count=day_count))
    assert found[0].interest == interest


@pytest.mark.parametrize(("balance", "interest"), [(50, 0), (51, 1), (150, 2), (250, 2), (149, 1)])
def test_half_a_minor_unit_goes_to_the_even_one(balance: int, interest: int) -> None:
    assert accrued(MONTH_ENDS, 1, balance, MONTH_ENDS.start, date(2026, 2, 28)) == interest


@pytest.mark.parametrize(
    ("start", "on", "counted"),
    [
        (date(2026, 1, 31), date(2026, 2, 27), 27),
        (date(2026, 1, 31), date(2026, 2, 28), 30),
        (date(2026, 3, 1), date(2026, 3, 31), 29),
        (date(2026, 3, 1), date(2026, 4, 1), 30),
        (date(2026, 1, 15), date(2026, 2, 1), 16),
        (date(2026, 1, 15), date(2026, 6, 1), 30),
        (date(2026, 1, 15), date(2026, 1, 1), 0),
    ],
)
def test_a_month_of_30_360_has_thirty_days(start: date, on: date, counted: int) -> None:
    terms = replace(MONTH_ENDS, start=start)
    assert accrued(terms, 1, 3_600_000, start, on) == counted * 1_200


def test_the_second_month_of_30_360_begins_where_the_first_should_have_ended() -> None:
    begin = date(2026, 2, 28)
    counted = [
        accrued(MONTH_ENDS, 2, 3_600_000, begin, date(2026, 3, day)) // 1_200
        for day in (1, 2, 29, 30, 31)
    ]
    assert counted == [1, 2, 29, 30, 30]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"principal": 0}, "negative_amount"),
        ({"principal": -5}, "negative_amount"),
        ({"months": 0}, "invalid_terms"),
        ({"months": 601}, "invalid_terms"),
        ({"annual_rate_bps": -1}, "invalid_terms"),
        ({"annual_rate_bps": 10_001}, "invalid_terms"),
        ({"method": "balloon"}, "invalid_terms"),
        ({"day_count": "actual/actual"}, "invalid_terms"),
    ],
)
def test_terms_that_make_no_sense_have_no_schedule(wrong: dict[str, object], reason: str) -> None:
    with refused(reason):
        schedule(replace(MONTH_ENDS, **wrong))


def test_the_widest_terms_have_one() -> None:
    found = schedule(replace(MONTH_ENDS, annual_rate_bps=10_000, months=600))
    assert format_amount(sum(each.principal for each in found), "EUR") == "1000.00"
    assert monthrange(found[-1].due.year, found[-1].due.month)[1] == found[-1].due.day
