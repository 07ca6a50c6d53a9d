"""Reconciliation: the record of how one statement of a bank was held against what was instructed."""

from __future__ import annotations

from datetime import date
from typing import ClassVar
from uuid import UUID

from msgspec import Struct

from domain.events import Event

MAX_LISTED = 500
"""Of each kind that are listed; the totals count all."""
MAX_GROUPED = 20
"""Lines, and movements, of one mismatch that are listed."""


class MatchedLine(Struct, frozen=True, forbid_unknown_fields=True):
    """`line` is its number in the statement, from 1; `amount` is the bank's, above zero when money came
    in. `by` is reference or amount."""

    line: int
    movement_id: UUID
    amount: int
    by: str


class MissingMovement(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Instructed, and not in the statement: for days that is nothing odd, unless it is `settled`."""

    movement_id: UUID
    amount: int
    settled: bool = False


class UnexpectedLine(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """In the statement, and not instructed. `names`: a movement that another line has settled, or that was
    over before."""

    line: int
    on: date
    amount: int
    reference: str = ""
    names: UUID | None = None


class Mismatch(Struct, frozen=True, forbid_unknown_fields=True):
    """Lines and movements that name each other, and do not come out even; with what both come to."""

    lines: tuple[int, ...]
    movement_ids: tuple[UUID, ...]
    lines_amount: int
    movements_amount: int


# Events. Stored for ever: add a field with a default, or a new event; never edit one.
class Made(Event, frozen=True):
    """A statement was held against the movements of its days, as they were known then. Amounts are in
    minor units of `currency`; `digest` is the SHA-256 of the file that it came in, in hex. Lists hold the
    first `MAX_LISTED`, the totals count all; lines that move nothing are left out of both."""

    topic: ClassVar[str] = "reconciliation.made"
    account: str
    currency: str
    opened_on: date
    closed_on: date
    statement_reference: str
    number: str
    digest: str
    opening: int
    closing: int
    lines: int
    movements: int
    matched_total: int
    missing_total: int
    unexpected_total: int
    mismatched_total: int
    matched: tuple[MatchedLine, ...] = ()
    missing: tuple[MissingMovement, ...] = ()
    unexpected: tuple[UnexpectedLine, ...] = ()
    mismatched: tuple[Mismatch, ...] = ()
    source: str = ""

    @property
    def is_even(self) -> bool:
        """Whether nothing is left for a person to look at: all lines were instructed, and all that has
        settled is there."""
        open_ = self.unexpected_total + self.mismatched_total
        # What is missing and settled comes first, so that it is among those that are listed.
        return not open_ and not any(one.settled for one in self.missing[:1])


EVENTS: tuple[type[Event], ...] = (Made,)


# State.
class Reconciliation(Struct, frozen=True):
    id: UUID
    version: int
    made: Made


def evolve(reconciliation: Reconciliation | None, event: Event, stream_id: UUID) -> Reconciliation:
    """The reconciliation after its one event."""
    assert isinstance(event, Made), event
    return Reconciliation(stream_id, 1, event)


# Commands.
class MakeReconciliation(Struct, frozen=True):
    """Record how a statement compared. The same statement may be compared again, when more is known."""

    reconciliation_id: UUID
    made: Made


# Decisions.
def make_reconciliation(command: MakeReconciliation) -> Made:
    """Nothing is refused: what was found is a fact, however it came out."""
    return command.made
