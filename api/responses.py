"""The shapes that go out, for the API's description; the answers themselves are made by `views`."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from api.problems import CATALOGUE, PROBLEM_JSON

_AMOUNT = Field(examples=["12.50"])


class ErrorOut(BaseModel):
    """The same, as clients of the older API read it."""

    type: str
    message: str
    code: int
    reason: str
    details: dict[str, Any]
    timestamp: datetime


class ProblemOut(BaseModel):
    """RFC 9457, with a reason for programs and a sentence for people."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    reason: str = Field(examples=sorted(CATALOGUE)[:3])
    category: str
    retryable: bool
    details: dict[str, Any]
    timestamp: datetime
    correlation_id: str
    error: ErrorOut


class RetryOut(BaseModel):
    tries: int
    delay_ms: int = Field(description="before the second try")
    factor: float = Field(description="by which each wait is longer than the one before")


class ProblemTypeOut(BaseModel):
    """What a reason means. `advice` has the names of details in braces."""

    type: str
    reason: str
    status: int
    category: str
    title: str
    advice: str
    retryable: bool
    retry: RetryOut | None = Field(description="how to try again; null when that would not help")


class ProblemTypePage(BaseModel):
    data: list[ProblemTypeOut]
    next_cursor: None
    has_more: bool


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer; 413, 414, 415, 429, 500 and 503 go without saying, and 401
    and 403 where there is a rule for callers."""
    every = {*statuses, 413, 414, 415, 429, 500, 503}
    content = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
    reasons = {
        status: sorted(r for r, p in CATALOGUE.items() if p.status == status) for status in every
    }
    return {
        status: {"description": "One of: " + ", ".join(reasons[status]), "content": content}
        for status in sorted(every)
    }


_ETAG = {"description": "the version that is shown, for `If-Match`", "schema": {"type": "string"}}

TAGGED: dict[str, Any] = {"headers": {"ETag": _ETAG}}
"""An answer that shows one account or transfer as it is now."""

NOT_MODIFIED: dict[str, Any] = {"description": "It has the version that the caller has", **TAGGED}


class AmountsOut(BaseModel):
    balance: str = _AMOUNT
    held: str = _AMOUNT
    available: str | None = Field(description="null where nothing limits the account")


class AccountOut(AmountsOut):
    id: UUID
    name: str
    type: str
    currency: str
    owner_id: UUID | None
    status: str
    credit_limit: str
    version: int
    position: int
    recorded_at: datetime | None = Field(
        None, description="ledger time of the write; absent in reads"
    )
    opened_at: datetime | None = Field(None, description="absent in the answers to writes")


class AccountPage(BaseModel):
    data: list[AccountOut]
    next_cursor: str | None
    has_more: bool


class AsOf(BaseModel):
    """The moment that a balance is of; with none asked for it is now."""

    position: int | None
    at: datetime | None
    effective_at: datetime | None


class BalanceOut(BaseModel):
    account_id: UUID
    currency: str
    balance: str = _AMOUNT
    held: str | None = Field(description="null by value date: a hold has none")
    available: str | None
    version: int | None
    position: int = Field(description="the log as far as it was looked at")
    as_of: AsOf


class EntryOut(BaseModel):
    account_id: UUID
    position: int
    transfer_id: UUID
    counterparty_account_id: UUID
    direction: str
    amount: str = _AMOUNT
    balance: str = _AMOUNT
    currency: str
    effective_at: datetime
    recorded_at: datetime
    description: str
    reference: str


class EntryPage(BaseModel):
    data: list[EntryOut]
    next_cursor: str | None
    has_more: bool


class AccountAfterOut(AmountsOut):
    account_id: UUID
    version: int


class TransferBase(BaseModel):
    id: UUID
    status: str
    source_account_id: UUID
    destination_account_id: UUID
    amount: str = _AMOUNT
    requested_amount: str
    reversed_amount: str
    currency: str
    description: str
    reference: str
    effective_at: datetime | None
    metadata: dict[str, str | int | bool]
    expires_at: datetime | None
    reverses: UUID | None
    position: int
    recorded_at: datetime


class TransferOut(TransferBase):
    """The answer to a write, with what the transfer left on both accounts."""

    version: int
    source: AccountAfterOut | None
    destination: AccountAfterOut | None


class TransferRead(TransferBase):
    updated_at: datetime
    reason: str


class TransferWithEntries(TransferRead):
    version: int
    entries: list[EntryOut]


class TransferPage(BaseModel):
    data: list[TransferRead]
    next_cursor: str | None
    has_more: bool


class BatchItemOut(BaseModel):
    id: str | None
    status: str
    position: int | None = None
    recorded_at: datetime | None = None
    source: AccountAfterOut | None = None
    destination: AccountAfterOut | None = None
    reason: str | None = None
    detail: str | None = None
    details: dict[str, Any] | None = None


class BatchOut(BaseModel):
    results: list[BatchItemOut]


class CurrencyOut(BaseModel):
    currency: str
    accounts: int
    debits: str
    credits: str
    difference: str = Field(description="credits less debits: always zero")
    position: int


class TrialBalanceOut(BaseModel):
    data: list[CurrencyOut]
    next_cursor: None
    has_more: bool
    position: int


class EventOut(BaseModel):
    position: int
    stream_id: UUID
    version: int
    topic: str
    recorded_at: datetime
    metadata: dict[str, Any]
    data: dict[str, Any]


class EventPage(BaseModel):
    data: list[EventOut]
    next_cursor: str | None
    has_more: bool


class ProjectionOut(BaseModel):
    name: str
    position: int
    lag_events: int
    lag_seconds: float
    health: str
    error: str | None
    built_by_version: int
    code_version: int
    parked: int = Field(description="keys that are left out because the code fails on them")


class ParkedKeyOut(BaseModel):
    key: UUID = Field(description="an account, a transfer, or a stream")
    position: int = Field(description="its first event that is not shown")
    error: str
    parked_at: datetime


class RebuildOut(BaseModel):
    name: str
    state: str = Field(
        description="waiting, filling, indexing, verifying, swapping, paused, interrupted; or the"
        " outcome: swapped, verified, different, cancelled, failed"
    )
    only_verify: bool
    accept_differences: bool
    code_version: int
    requested: str | None = Field(description="pause or cancel, until it is obeyed")
    events_done: int
    events_total: int
    events_per_s: int | None
    eta_seconds: float | None
    started_at: datetime
    updated_at: datetime
    report: dict[str, Any] | None = Field(
        description="how the rebuilt rows compare with the live ones"
    )
    error: str | None


class ProjectionDetailOut(ProjectionOut):
    rebuild: RebuildOut | None
    parked_keys: list[ParkedKeyOut]


class ProjectionsOut(BaseModel):
    data: list[ProjectionOut]
    next_cursor: None
    has_more: bool
    position: int


class CheckpointOut(BaseModel):
    position: int = Field(description="the log's events at that time: the size of the tree")
    origin: str = Field(description="the log's name, which is also its key's")
    root_hash: str = Field(description="base64")
    chain_hash: str = Field(description="base64; the hash of the event at that position")
    made_at: datetime
    note: str = Field(description="the statement as it was signed")


class CheckpointPage(BaseModel):
    data: list[CheckpointOut]
    next_cursor: str | None
    has_more: bool


class AuditProofOut(BaseModel):
    position: int
    leaf_index: int
    tree_size: int
    root_hash: str = Field(description="base64")
    hash: str = Field(description="the event's chain hash, in hexadecimal digits")
    event: EventOut
    checkpoint: str = Field(description="the signed note that the proof leads to")
    proof: str = Field(description="all that is needed to check it, as one text")


class HealthOut(BaseModel):
    status: str
    timestamp: datetime
    version: str
    uptime_s: float
    checks: dict[str, Any] | None = None
