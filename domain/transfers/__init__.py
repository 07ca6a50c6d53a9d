"""Transfer: moves money between two accounts as double entry, at once or in two phases.

A transfer posted at once debits its source and credits its destination. A pending one holds the
amount at the source until it is posted (wholly or in part, the rest set free), voided, or expires.
What was posted can be reversed, wholly or in parts, by new transfers the other way round.
"""

from __future__ import annotations

from domain.transfers.commands import (
    MAX_EXPIRY_S,
    Condition,
    ExpirePending,
    PostPending,
    PostTransfer,
    ReverseTransfer,
    VoidPending,
)
from domain.transfers.decisions import (
    Decided,
    expire_pending,
    is_same_request,
    is_same_reversal,
    post_pending,
    post_transfer,
    reverse_transfer,
    void_pending,
)
from domain.transfers.state import (
    EVENTS,
    Captured,
    Expired,
    Metadata,
    Posted,
    Reserved,
    Reversed,
    Transfer,
    Voided,
    evolve,
)

__all__ = [
    "EVENTS",
    "MAX_EXPIRY_S",
    "Captured",
    "Condition",
    "Decided",
    "ExpirePending",
    "Expired",
    "Metadata",
    "PostPending",
    "PostTransfer",
    "Posted",
    "Reserved",
    "ReverseTransfer",
    "Reversed",
    "Transfer",
    "VoidPending",
    "Voided",
    "evolve",
    "expire_pending",
    "is_same_request",
    "is_same_reversal",
    "post_pending",
    "post_transfer",
    "reverse_transfer",
    "void_pending",
]
