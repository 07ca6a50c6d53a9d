"""Investment: an investor's money on its way into a fund, by two banks, over days.

The seat is reserved and the money held before a bank is asked. It is withdrawn into the clearing account,
then deposited at the fund. Whatever fails is undone in reverse: refund, release of the hold, release of
the seat; and where even that fails, the money waits in the suspense account for an operator.
"""

from __future__ import annotations

from domain.investments.commands import (
    BookLeg,
    CancelInvestment,
    Command,
    CompensateInvestment,
    DoubtLeg,
    FailLeg,
    HoldSource,
    RequestInvestment,
    RetryInvestment,
    ReturnLeg,
)
from domain.investments.decisions import decide, is_same_request, needs
from domain.investments.state import (
    EVENTS,
    OVER,
    STATUSES,
    Completed,
    Deposited,
    FailedEvent,
    Instructed,
    Investment,
    NeedsOperator,
    Refunded,
    Requested,
    Resumed,
    SetAside,
    SourceHeld,
    TakenBack,
    TakenUp,
    Undoing,
    Withdrawn,
    evolve,
)

__all__ = [
    "EVENTS",
    "OVER",
    "STATUSES",
    "BookLeg",
    "CancelInvestment",
    "Command",
    "CompensateInvestment",
    "Completed",
    "Deposited",
    "DoubtLeg",
    "FailLeg",
    "FailedEvent",
    "HoldSource",
    "Instructed",
    "Investment",
    "NeedsOperator",
    "Refunded",
    "RequestInvestment",
    "Requested",
    "Resumed",
    "RetryInvestment",
    "ReturnLeg",
    "SetAside",
    "SourceHeld",
    "TakenBack",
    "TakenUp",
    "Undoing",
    "Withdrawn",
    "decide",
    "evolve",
    "is_same_request",
    "needs",
]
