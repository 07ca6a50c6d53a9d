"""What can be asked of bank transfers: by people, by the process that drives them, and by operators."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from domain.ownership import Owner


class RequestBankTransfer(Struct, frozen=True):
    """Bring `amount` minor units from an account at another bank, or send them there. With `owner_id`
    only for this person's account. `bank_account` is sealed for `person_id`."""

    bank_transfer_id: UUID
    kind: str
    account_id: UUID
    currency: str
    amount: int
    bank_account: str
    bank_account_hint: str = ""
    person_id: UUID | None = None
    reference: str = ""
    owner_id: Owner = None


class CancelBankTransfer(Struct, frozen=True):
    """Call it off, before it is sent to the bank."""

    bank_transfer_id: UUID
    reason: str = ""
    owner_id: Owner = None


class BookBankTransfer(Struct, frozen=True):
    """The bank has moved it: so does the ledger."""

    bank_transfer_id: UUID


class FailBankTransfer(Struct, frozen=True):
    """The bank will not move it."""

    bank_transfer_id: UUID
    reason: str


class ReturnBankTransfer(Struct, frozen=True):
    """What the bank had moved has come back."""

    bank_transfer_id: UUID
    reason: str


class DoubtBankTransfer(Struct, frozen=True):
    """Nobody knows what became of it."""

    bank_transfer_id: UUID
    reason: str


class RetryBankTransfer(Struct, frozen=True):
    """An operator has whatever it waits for tried again."""

    bank_transfer_id: UUID


class CompensateBankTransfer(Struct, frozen=True):
    """An operator gives it up: nothing has moved at the bank."""

    bank_transfer_id: UUID
    reason: str = ""


Command = (
    RequestBankTransfer
    | CancelBankTransfer
    | BookBankTransfer
    | FailBankTransfer
    | ReturnBankTransfer
    | DoubtBankTransfer
    | RetryBankTransfer
    | CompensateBankTransfer
)
