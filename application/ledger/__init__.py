"""The one door to the log: commands go in, outcomes come out, and nothing else writes."""

from application.ledger.ledger import Ledger, WriteFailedError
from application.ledger.outcomes import (
    Accepted,
    Answer,
    Done,
    Outcome,
    Receipt,
    Refused,
    Submission,
)
from application.ledger.queueing import LedgerClosedError, QueueFullError

__all__ = [
    "Accepted",
    "Answer",
    "Done",
    "Ledger",
    "LedgerClosedError",
    "Outcome",
    "QueueFullError",
    "Receipt",
    "Refused",
    "Submission",
    "WriteFailedError",
]
