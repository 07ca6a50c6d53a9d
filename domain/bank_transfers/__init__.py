"""Bank transfer: a customer's money coming from an account at another bank (a deposit), or going to one
(a withdrawal).

The bank's money meets the customer's in the clearing account: a deposit goes from the house's bank
account (`cash`) into clearing and on to the customer, a withdrawal from the customer into clearing and on
to the bank account, where it was held before. Both steps are booked when the bank has moved the money.
"""

from __future__ import annotations

from domain.bank_transfers.commands import (
    BookBankTransfer,
    CancelBankTransfer,
    Command,
    CompensateBankTransfer,
    DoubtBankTransfer,
    FailBankTransfer,
    RequestBankTransfer,
    RetryBankTransfer,
    ReturnBankTransfer,
)
from domain.bank_transfers.decisions import decide, is_same_request, needs
from domain.bank_transfers.state import (
    EVENTS,
    STATUSES,
    BankTransfer,
    Booked,
    Completed,
    FailedEvent,
    Instructed,
    NeedsOperator,
    Requested,
    Resumed,
    ReturnedEvent,
    SetAside,
    SourceHeld,
    TakenBack,
    TakenUp,
    evolve,
)

__all__ = [
    "EVENTS",
    "STATUSES",
    "BankTransfer",
    "BookBankTransfer",
    "Booked",
    "CancelBankTransfer",
    "Command",
    "CompensateBankTransfer",
    "Completed",
    "DoubtBankTransfer",
    "FailBankTransfer",
    "FailedEvent",
    "Instructed",
    "NeedsOperator",
    "RequestBankTransfer",
    "Requested",
    "Resumed",
    "RetryBankTransfer",
    "ReturnBankTransfer",
    "ReturnedEvent",
    "SetAside",
    "SourceHeld",
    "TakenBack",
    "TakenUp",
    "decide",
    "evolve",
    "is_same_request",
    "needs",
]
