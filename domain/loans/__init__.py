"""Loan: money that the house has lent, owed by the customer, and paid back by instalments.

A loan begins with its money in the customer's account. Whatever is repaid pays what is due first, the
oldest first, interest before principal; what is paid beyond that lowers the instalments that follow.
"""

from __future__ import annotations

from domain.loans.commands import Command, MarkInstalmentOverdue, RepayLoan
from domain.loans.decisions import (
    decide,
    is_same_repayment,
    loan_account,
    needs,
    needs_to_open,
    open_loan,
    opening,
)
from domain.loans.funding import FundLending, fund_lending
from domain.loans.owing import Owed, owed, payoff
from domain.loans.schedule import (
    DAY_COUNTS,
    MAX_MONTHS,
    METHODS,
    Instalment,
    Terms,
    due_date,
    schedule,
)
from domain.loans.state import (
    EVENTS,
    STATUSES,
    Disbursed,
    InstalmentOverdue,
    Loan,
    Opened,
    Paid,
    Part,
    Repaid,
    Repayment,
    Rescheduled,
    Settled,
    evolve,
)

__all__ = [
    "DAY_COUNTS",
    "EVENTS",
    "MAX_MONTHS",
    "METHODS",
    "STATUSES",
    "Command",
    "Disbursed",
    "FundLending",
    "Instalment",
    "InstalmentOverdue",
    "Loan",
    "MarkInstalmentOverdue",
    "Opened",
    "Owed",
    "Paid",
    "Part",
    "Repaid",
    "RepayLoan",
    "Repayment",
    "Rescheduled",
    "Settled",
    "Terms",
    "decide",
    "due_date",
    "evolve",
    "fund_lending",
    "is_same_repayment",
    "loan_account",
    "needs",
    "needs_to_open",
    "open_loan",
    "opening",
    "owed",
    "payoff",
    "schedule",
]
