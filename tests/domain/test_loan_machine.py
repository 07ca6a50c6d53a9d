"""A few loans of all kinds, paid back well or badly, in whatever order: the books are in order, always."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.loans import (
    DAY_COUNTS,
    METHODS,
    MarkInstalmentOverdue,
    RepayLoan,
    due_date,
    owed,
    payoff,
)
from tests.support.given import refused
from tests.support.loan_world import (
    CLAIMS,
    CUSTOMER,
    INTEREST,
    LENDING,
    OWNER,
    START,
    LoanWorld,
    opening_of,
)

numbers = st.integers(0, 99)


class Lending(RuleBasedStateMachine):
    """A few loans of all kinds, paid back well or badly."""

    def __init__(self) -> None:
        super().__init__()
        self.world = LoanWorld()
        self.today = START
        self.loans: list[UUID] = []

    @initialize(lending=st.sampled_from([10_00, 1_000_00, 10**9]))
    def begin(self, lending: int) -> None:
        self.world = LoanWorld(lending=lending, has=10**7)

    @rule(
        principal=st.one_of(st.integers(1, 20), st.integers(1, 10**6)),
        rate=st.sampled_from([0, 100, 999, 2_400, 10_000]),
        months=st.integers(1, 7),
        method=st.sampled_from(METHODS),
        day_count=st.sampled_from(DAY_COUNTS),
    )
    @precondition(lambda self: len(self.loans) < 3)
    def lend(self, principal: int, rate: int, months: int, method: str, day_count: str) -> None:
        loan_id, there = self.world.new_id(), self.world.balance(LENDING)
        asked = opening_of(
            loan_id, principal=principal, annual_rate_bps=rate, months=months, method=method,
            day_count=day_count, started_on=self.today,
        )  # fmt: skip
        if principal > there:
            with refused("insufficient_funds"):
                self.world.lend(asked, loan_id)
            return
        self.world.lend(asked, loan_id)
        self.loans.append(loan_id)
        assert self.world.balance(LENDING) == there - principal

    @rule(days=st.sampled_from([1, 3, 14, 31, 75]))
    def pass_time(self, days: int) -> None:
        self.today = date.fromordinal(self.today.toordinal() + days)

    @precondition(lambda self: self.loans)
    @rule(
        number=numbers, how=st.sampled_from(["due", "part", "early", "payoff", "more"]), n=numbers
    )
    def repay(self, number: int, how: str, n: int) -> None:
        loan = self.world.loan(self.loans[number % len(self.loans)])
        there = owed(loan, self.today)
        amount = {
            "due": there.due_now,
            "part": there.due_now * n // 100,
            "early": there.due_now + (there.payoff - there.due_now) * n // 100,
            "payoff": there.payoff,
            "more": there.payoff + 1 + n,
        }[how]
        command = RepayLoan(loan.id, self.world.new_id(), CUSTOMER, amount, self.today, OWNER)
        if amount == 0 or amount > there.payoff or loan.status == "settled":
            reason = "negative_amount" if amount == 0 else "exceeds_outstanding"
            with refused("loan_settled" if loan.status == "settled" and amount else reason):
                self.world.submit(command)
            return
        earned, has = self.world.balance(INTEREST), self.world.balance(CUSTOMER)
        self.world.submit(command)
        after = self.world.loan(loan.id)
        assert self.world.balance(CUSTOMER) == has - amount
        interest = self.world.balance(INTEREST) - earned
        assert loan.outstanding - after.outstanding == amount - interest
        assert after.status == ("settled" if amount == there.payoff else "active")
        assert payoff(after, self.today) == there.payoff - amount

    @precondition(lambda self: self.loans)
    @rule(number=numbers, instalment=st.integers(1, 7))
    def mark_overdue(self, number: int, instalment: int) -> None:
        loan = self.world.loan(self.loans[number % len(self.loans)])
        self.world.on(self.today)
        late = owed(loan, self.today).due
        missing = {part.number: part.interest + part.principal for part in late}
        is_late = due_date(loan.opened.started_on, instalment) < self.today
        command = MarkInstalmentOverdue(loan.id, instalment)
        if is_late and missing.get(instalment) and instalment not in loan.overdue:
            self.world.submit(command)
            assert self.world.loan(loan.id).arrears == loan.arrears + missing[instalment]
        else:
            with refused("nothing_new"):
                self.world.submit(command)

    @invariant()
    def the_books_are_in_order(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        """Whatever was done before, the payoff of a day settles, and nothing is left anywhere."""
        principal = self.world.balance(LENDING) + self.world.balance(CLAIMS)
        for loan_id in self.loans:
            loan = self.world.loan(loan_id)
            if loan.status == "active":
                rest = payoff(loan, self.today)
                self.world.submit(
                    RepayLoan(loan_id, self.world.new_id(), CUSTOMER, rest, self.today, OWNER)
                )
            assert self.world.loan(loan_id).status == "settled"
        assert self.world.balance(CLAIMS) == 0
        assert self.world.balance(LENDING) == principal
        self.world.check()


TestLending = Lending.TestCase
TestLending.settings = settings(max_examples=80, stateful_step_count=30)
