"""A loan's schedule: what is due when, in whole minor units, so that the last instalment closes to zero.

Interest of a period is the balance, times the yearly rate, times the period's days as a part of the
year. It is computed with whole numbers and rounded once, half to even. What is due on a day that a month
does not have is due on the month's last day.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Literal, NamedTuple, get_args

from msgspec import Struct

from domain.refusals import Refusal

Method = Literal["annuity", "equal_principal"]
DayCount = Literal["30/360", "actual/365", "actual/360"]

METHODS: tuple[str, ...] = get_args(Method)
DAY_COUNTS: tuple[str, ...] = get_args(DayCount)

MAX_MONTHS = 600
MAX_RATE_BPS = 10_000
"""A hundred percent a year."""

_YEAR = {"30/360": 360, "actual/365": 365, "actual/360": 360}
_MONTH_30 = 30
_BPS = 10_000


class Terms(Struct, frozen=True):
    """What a schedule follows from. `principal` is minor units, the rate is of a year in basis points."""

    principal: int
    annual_rate_bps: int
    months: int
    method: str
    day_count: str
    start: date


class Instalment(Struct, frozen=True, array_like=True):
    """What is due on a day, in minor units; `balance_after` is the principal that is left then."""

    number: int
    due: date
    principal: int
    interest: int
    balance_after: int

    @property
    def amount(self) -> int:
        return self.principal + self.interest


class _Period(NamedTuple):
    number: int
    due: date
    days: int


def check_terms(terms: Terms) -> None:
    """Refuses `negative_amount` and `invalid_terms`."""
    if terms.principal <= 0:
        raise Refusal("negative_amount")
    if not 1 <= terms.months <= MAX_MONTHS:
        raise Refusal("invalid_terms", why=f"a loan has 1 to {MAX_MONTHS} instalments")
    if not 0 <= terms.annual_rate_bps <= MAX_RATE_BPS:
        raise Refusal("invalid_terms", why=f"a rate is 0 to {MAX_RATE_BPS} basis points a year")
    if terms.method not in METHODS:
        raise Refusal("invalid_terms", why=f"the method is one of {', '.join(METHODS)}")
    if terms.day_count not in DAY_COUNTS:
        raise Refusal("invalid_terms", why=f"days are counted as {', '.join(DAY_COUNTS)}")


def schedule(terms: Terms) -> tuple[Instalment, ...]:
    """All instalments. Refuses as `check_terms`."""
    check_terms(terms)
    return _lay_out(terms, terms.principal, tuple(_periods(terms, 1, terms.start)), 0)


def rest(
    terms: Terms, number: int, balance: int, accrues_from: date, carried: int
) -> tuple[Instalment, ...]:
    """The instalments from `number` on, on the same days, over a balance that accrues from a day within
    that instalment's period. `carried` minor units of interest have accrued before and are not paid."""
    return _lay_out(terms, balance, tuple(_periods(terms, number, accrues_from)), carried)


def due_date(start: date, months: int) -> date:
    """So many months after the start: the same day, or the last one of a shorter month."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1]))


def accrued(terms: Terms, number: int, balance: int, since: date, until: date) -> int:
    """The interest of a balance between two days of the period that ends with instalment `number`."""
    days = _elapsed(terms, number, until) - _elapsed(terms, number, since)
    return _interest(terms, balance, max(days, 0))


def _periods(terms: Terms, number: int, accrues_from: date) -> Iterator[_Period]:
    for each in range(number, terms.months + 1):
        due = due_date(terms.start, each)
        since = accrues_from if each == number else due_date(terms.start, each - 1)
        days = _elapsed(terms, each, due) - _elapsed(terms, each, since)
        yield _Period(each, due, days)


def _elapsed(terms: Terms, number: int, on: date) -> int:
    """Days of a period that are over, as the day count has them: a month of 30/360 has 30, whichever it
    is, and all of them are over when the instalment is due."""
    begin, due = due_date(terms.start, number - 1), due_date(terms.start, number)
    on = min(max(on, begin), due)
    if terms.day_count != "30/360":
        return (on - begin).days
    if on == due:
        return _MONTH_30
    months = (on.year - begin.year) * 12 + on.month - begin.month
    first = min(terms.start.day, _MONTH_30)
    days = months * _MONTH_30 + min(on.day, _MONTH_30) - first
    return min(max(days, 0), _MONTH_30)


def _lay_out(
    terms: Terms, principal: int, periods: Sequence[_Period], carried: int
) -> tuple[Instalment, ...]:
    is_annuity = terms.method == "annuity"
    level = _level(terms, principal, periods) if is_annuity else 0
    equal = _equal_parts(principal, len(periods))
    found: list[Instalment] = []
    balance = principal
    for (number, due, days), part in zip(periods, equal, strict=True):
        interest = _interest(terms, balance, days) + (0 if found else carried)
        paid = min(max(level - interest, 0), balance) if is_annuity else part
        if number == terms.months:
            paid = balance
        balance -= paid
        found.append(Instalment(number, due, paid, interest, balance))
    return tuple(found)


def _equal_parts(principal: int, number: int) -> Iterator[int]:
    """Parts that differ by one minor unit at most."""
    return (
        principal * each // number - principal * (each - 1) // number
        for each in range(1, number + 1)
    )


def _level(terms: Terms, principal: int, periods: Sequence[_Period]) -> int:
    """The instalment that, paid in each period, would leave nothing, but for rounding.

    With growth g of a balance in each period, a payment L leaves `principal * g1...gn` less the sum of
    `L * gk+1...gn`. All over `unit` to the power of n, so that whole numbers do.
    """
    unit = _BPS * _YEAR[terms.day_count]
    growth, payments, scale = 1, 0, 1
    for period in periods:
        factor = unit + terms.annual_rate_bps * period.days
        scale *= unit
        growth *= factor
        payments = payments * factor + scale
    return _half_even(principal * growth, payments)


def _interest(terms: Terms, balance: int, days: int) -> int:
    return _half_even(balance * terms.annual_rate_bps * days, _BPS * _YEAR[terms.day_count])


def _half_even(dividend: int, divisor: int) -> int:
    quotient, left = divmod(dividend, divisor)
    twice = 2 * left
    return quotient + (twice > divisor or (twice == divisor and quotient % 2 == 1))
