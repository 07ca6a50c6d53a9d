"""What goes into the ledger and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct
from psycopg import Connection

from application.jobs.jobs import NewJob
from domain import (
    bank_transfers,
    credit_applications,
    fraud_alarms,
    funds,
    investments,
    loans,
    movements,
    users,
)
from domain.accounts import Account, ChangeAccountStatus, OpenAccount
from domain.approvals import Approve, Reject, RequestApproval, Withdraw
from domain.catalogue import AggregateState
from domain.provenance import Provenance
from domain.reconciliations import MakeReconciliation
from domain.security import NoteSecurity
from domain.statements import RecordStatement
from domain.transfers import (
    ExpirePending,
    PostPending,
    PostTransfer,
    ReverseTransfer,
    VoidPending,
)

FlowCommand = (
    funds.Command
    | investments.Command
    | bank_transfers.Command
    | movements.Command
    | fraud_alarms.Command
)
"""On what takes days, and what stops it."""

CreditCommand = credit_applications.Command | loans.Command | loans.FundLending

BookCommand = (
    OpenAccount
    | ChangeAccountStatus
    | PostTransfer
    | PostPending
    | VoidPending
    | ExpirePending
    | ReverseTransfer
    | RecordStatement
    | MakeReconciliation
    | users.Command
    | RequestApproval
    | Approve
    | Reject
    | Withdraw
    | NoteSecurity
)
"""On what is decided at once."""

Command = BookCommand | FlowCommand | CreditCommand


class Accepted(Struct, frozen=True, gc=False):
    """The command is in the log. `position` is its last event's: read at least that fresh to see it.

    `state` is the aggregate that the command made or changed; `accounts` are a transfer's source and
    destination, all as they were right after the command. `replayed`: it was there already.
    """

    id: UUID
    position: int
    recorded_at: datetime
    state: AggregateState
    accounts: tuple[Account, ...] = ()
    replayed: bool = False


class Refused(Struct, frozen=True, gc=False):
    """The ledger's "no"; nothing was written."""

    reason: str
    details: dict[str, object]


Outcome = Accepted | Refused


class AlreadyDone(Exception):  # noqa: N818 - not an error: the first answer is to be given again
    """The command's own stream is there and says what the command says."""

    def __init__(self, stream_id: UUID) -> None:
        super().__init__(stream_id)
        self.stream_id = stream_id


class Answer(Struct, frozen=True):
    """What the edge answers, kept byte for byte for a repeat with the same key."""

    status: int
    body: bytes
    position: int


class Receipt(Struct, frozen=True):
    """A request's Idempotency-Key. `render` makes the answer from the outcomes, so that it can be
    stored in the same transaction as the events. `fingerprint` is a digest of the whole request."""

    caller: str
    key: str
    fingerprint: bytes
    render: Callable[[Sequence[Outcome]], Answer]


class Step(Struct, frozen=True):
    """What becomes of a process with its reaction to an event, a deadline or an operator, in the
    transaction of the reaction's events.

    `previous` and `position` are of the process' checkpoint before and after; equal when it stays.
    `key` is the flow's stream, None when only the checkpoint moves. `jobs` and `deadlines` (name -> when
    it is due, None: no longer) are for when the command is accepted, or has nothing new to say. When it
    is refused, the process is stuck: this event and those after it wait in its inbox.
    """

    process: str
    previous: int
    position: int
    key: UUID | None = None
    event_position: int = 0
    """Of the event that is reacted to; 0: of none."""
    step: str = ""
    status: str = "waiting"
    error: str = ""
    did: tuple[str, ...] = ()
    jobs: tuple[NewJob, ...] = ()
    needless: tuple[UUID, ...] = ()
    """Jobs that wait for what has come: they are taken out again."""
    deadlines: Mapping[str, datetime | None] = {}
    fired: str = ""
    """The deadline that is over: it must be there still, and is not afterwards."""
    from_inbox: bool = False
    """The event is taken out of the inbox, where it must be still."""
    kind: Literal["reaction", "defect", "parked"] = "reaction"
    """`defect`: there is no reaction, for `error`; `parked`: the process is stuck and the event waits."""


class Submission(Struct, frozen=True):
    """Commands that one request brings. `linked`: all are accepted or all are refused.

    `beside` writes to ordinary tables in the transaction of the events; it runs once all commands are
    accepted, and not for repeats. What it raises, the submitter gets, and nothing was written. `step` is
    of a process, whose commands these are; it is written whatever becomes of them.
    """

    commands: Sequence[Command]
    provenance: Provenance
    linked: bool = False
    receipt: Receipt | None = None
    beside: Callable[[Connection[Any]], None] | None = None
    step: Step | None = None


class Done(Struct, frozen=True):
    """What became of a submission. With a receipt `answer` is what was stored, and `replayed` says
    that it was stored by an earlier request; `outcomes` is then empty."""

    outcomes: Sequence[Outcome]
    answer: Answer | None = None
    replayed: bool = False
