"""What is asked of a second person besides transfers and roles, as it is kept with the approval."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace


# Stored for ever with approval.requested: add a field with a default, or another kind; never edit one.
# Fields are named as in the commands that they become; amounts are minor units.
class InvestmentAsked(Struct, frozen=True, omit_defaults=True, tag="investment"):
    """See `RequestInvestment`."""

    investment_id: UUID
    investor_account_id: UUID
    fund_id: UUID
    amount: int
    currency: str
    owner_id: UUID | None = None


class BankTransferAsked(Struct, frozen=True, omit_defaults=True, tag="bank_transfer"):
    """A deposit or a withdrawal; `bank_account` is sealed for `person_id`. See `RequestBankTransfer`."""

    bank_transfer_id: UUID
    kind: str
    account_id: UUID
    currency: str
    amount: int
    bank_account: str = ""
    bank_account_hint: str = ""
    person_id: UUID | None = None
    reference: str = ""
    owner_id: UUID | None = None


class RepaymentAsked(Struct, frozen=True, omit_defaults=True, tag="repayment"):
    """It is made as of the day on which it is agreed to. See `RepayLoan`."""

    loan_id: UUID
    repayment_id: UUID
    account_id: UUID
    amount: int
    currency: str
    owner_id: UUID | None = None


class FundingAsked(Struct, frozen=True, omit_defaults=True, tag="funding"):
    """See `FundLending`."""

    transfer_id: UUID
    source_id: UUID
    amount: int
    currency: str
    owner_id: UUID | None = None


class ReviewAsked(Struct, frozen=True, omit_defaults=True, tag="review"):
    """The approval of an application, as it was with what was known then. See `ReviewApplication`."""

    application_id: UUID
    amount: int
    currency: str
    round: int
    reason: str = ""
    report_id: UUID | None = None


Asked = InvestmentAsked | BankTransferAsked | RepaymentAsked | FundingAsked | ReviewAsked


def unsealed(asked: Asked) -> Asked:
    """What may be shown, and compared: what is sealed is never the same twice, and its hint stands for
    it."""
    return replace(asked, bank_account="") if isinstance(asked, BankTransferAsked) else asked
