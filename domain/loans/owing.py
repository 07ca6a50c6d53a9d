"""What is owed on a loan on a day, and what a repayment pays of it.

What is due comes first, the oldest instalment before the others, its interest before its principal. What
is paid beyond that pays the interest that has accrued since the last due date, then principal. Interest
accrues on the balance that the schedule has: who pays late owes no interest on interest, and no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from msgspec import Struct

from domain.loans import schedule
from domain.loans.schedule import Instalment
from domain.loans.state import Loan, Part, Rescheduled


class Owed(Struct, frozen=True):
    """What is owed on a day, in minor units: `due` by instalment, and beyond that the `accrued` interest
    and the principal that is not due yet. `next_number` is the first instalment that is not due, None when
    all are."""

    on: date
    due: tuple[Part, ...]
    accrued: int
    not_due: int
    next_number: int | None

    @property
    def due_now(self) -> int:
        return sum(part.interest + part.principal for part in self.due)

    @property
    def payoff(self) -> int:
        """What would settle the loan."""
        return self.due_now + self.accrued + self.not_due


def owed(loan: Loan, today: date) -> Owed:
    """On a day; on that of the last repayment, when that is later."""
    on = max(today, loan.last_on)
    due = [each for each in loan.instalments if each.due <= on]
    later = loan.instalments[len(due) :]
    not_due = sum(each.principal for each in later)
    return Owed(
        on,
        tuple(part for part in map(loan.missing, due) if part.interest or part.principal),
        _accrued(loan, later[0], not_due, on) if later else 0,
        not_due,
        later[0].number if later else None,
    )


def payoff(loan: Loan, today: date) -> int:
    """What would settle the loan on a day, in minor units."""
    return owed(loan, today).payoff


def allocate(there: Owed, amount: int) -> tuple[Part, ...]:
    """What an amount of the payoff or less pays, by instalment; 0 is for what is not due yet."""
    return tuple(_parts(there, amount))


def _parts(there: Owed, amount: int) -> Iterator[Part]:
    early = Part(0, there.accrued, there.not_due)
    for part in (*there.due, early):
        interest = min(amount, part.interest)
        principal = min(amount - interest, part.principal)
        amount -= interest + principal
        if interest or principal:
            yield Part(part.number, interest, principal)


def reschedule(loan: Loan, there: Owed, early: Part) -> Rescheduled:
    """What remains after something was paid that was not due yet: no instalments, when nothing does."""
    assert there.next_number is not None, "nothing is paid early when all is due"
    carried, balance = there.accrued - early.interest, there.not_due - early.principal
    number, terms = there.next_number, loan.opened.terms
    instalments = schedule.rest(terms, number, balance, there.on, carried) if balance else ()
    return Rescheduled(number, instalments, there.on, carried)


def _accrued(loan: Loan, following: Instalment, balance: int, on: date) -> int:
    begin = schedule.due_date(loan.opened.started_on, following.number - 1)
    is_within = loan.accrues_from >= begin
    since = loan.accrues_from if is_within else begin
    new = schedule.accrued(loan.opened.terms, following.number, balance, since, on)
    return new + (loan.carried if is_within else 0)
