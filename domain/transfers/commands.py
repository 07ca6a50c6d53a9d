"""What can be asked of transfers.

With `expected_versions` a command is for the transfer `transfer_id` at one of those versions only; with
`owner_id` only when the account that pays is this person's, as if there were no others.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.ownership import Owner
from domain.transfers.state import Metadata
from domain.versions import Expected

MAX_EXPIRY_S = 366 * 24 * 3600
"""A pending transfer may hold money for a year and a day at most."""


class Condition(Struct, frozen=True):
    """What must hold of one of the two accounts just before the transfer; amounts in minor units."""

    account_id: UUID
    version: int | None = None
    balance_at_least: int | None = None
    balance_at_most: int | None = None
    available_at_least: int | None = None
    available_at_most: int | None = None


class PostTransfer(Struct, frozen=True, gc=False):
    """Move `amount` minor units of `currency`, or hold them when `pending`."""

    transfer_id: UUID
    source_id: UUID
    destination_id: UUID
    amount: int
    currency: str
    description: str = ""
    reference: str = ""
    effective_at: datetime | None = None
    metadata: Metadata = {}
    pending: bool = False
    expires_in_s: int = 0
    up_to: bool = False
    conditions: tuple[Condition, ...] = ()
    owner_id: Owner = None


class PostPending(Struct, frozen=True):
    """Post a pending transfer: all of it, or the decimal string `amount` in its currency."""

    transfer_id: UUID
    amount: str | None = None
    reason: str = ""
    expected_versions: Expected = None
    owner_id: Owner = None


class VoidPending(Struct, frozen=True):
    transfer_id: UUID
    reason: str = ""
    expected_versions: Expected = None
    owner_id: Owner = None


class ExpirePending(Struct, frozen=True):
    transfer_id: UUID


class ReverseTransfer(Struct, frozen=True):
    """Send a posted transfer back by the new transfer `reversal_id`: what is left of it, or the
    decimal string `amount` in its currency."""

    transfer_id: UUID
    reversal_id: UUID
    amount: str | None = None
    reason: str = ""
    expected_versions: Expected = None
    owner_id: Owner = None
