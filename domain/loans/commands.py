"""What can be asked of loans: by those who owe, and by the process that watches the due dates."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from msgspec import Struct

from domain.ownership import Owner


class RepayLoan(Struct, frozen=True):
    """Pay back `amount` minor units of the loan's currency from an account, as of `today`. With `owner_id`
    only this person's loan, from this person's account."""

    loan_id: UUID
    repayment_id: UUID
    account_id: UUID
    amount: int
    today: date
    owner_id: Owner = None


class MarkInstalmentOverdue(Struct, frozen=True):
    """The due date of an instalment is over."""

    loan_id: UUID
    number: int


Command = RepayLoan | MarkInstalmentOverdue
