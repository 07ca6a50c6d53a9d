"""The port to a bank: what it is asked to move, what it says to that, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, Protocol
from urllib.parse import quote
from uuid import UUID

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from application.outbound.client import Answer
from application.outbound.errors import UNKNOWN_CODE, BadResponseError, NeedsPersonError, is_code
from application.outbound.service import HttpService

Direction = Literal["in", "out"]
"""As seen from here: `in` is collected from the outside account, `out` is paid to it."""

Status = Literal["accepted", "settled", "failed", "returned", "cancelled"]


class Handling(StrEnum):
    """What to do when a bank refuses to take on a movement."""

    RETRY = "retry"
    MANUAL = "manual"
    FAILURE = "failure"


REASONS: Mapping[str, Handling] = {
    # The movement as it is can never be made.
    "account_not_found": Handling.FAILURE,
    "invalid_account": Handling.FAILURE,
    "account_closed": Handling.FAILURE,
    "account_blocked": Handling.FAILURE,
    "account_mismatch": Handling.FAILURE,
    "insufficient_funds": Handling.FAILURE,
    "limit_exceeded": Handling.FAILURE,
    "invalid_amount": Handling.FAILURE,
    "currency_not_supported": Handling.FAILURE,
    "mandate_missing": Handling.FAILURE,
    "refused_by_holder": Handling.FAILURE,
    # It may be made later.
    "temporarily_unavailable": Handling.RETRY,
    "cut_off_passed": Handling.RETRY,
    "rate_limited": Handling.RETRY,
    # Somebody has to talk to the bank.
    "duplicate": Handling.MANUAL,
    "key_reused": Handling.MANUAL,
    "regulatory_hold": Handling.MANUAL,
    "suspected_fraud": Handling.MANUAL,
    "unauthorized": Handling.MANUAL,
    "forbidden": Handling.MANUAL,
    "invalid_request": Handling.MANUAL,
}
"""What a bank may say instead of taking on a movement, word by word."""


def handling_of(reason: str) -> Handling:
    """What nobody has thought about is for a person to settle."""
    return REASONS.get(reason, Handling.MANUAL)


class BankAnswer(Struct, frozen=True):
    """Where a movement is. `sequence` grows with its status, so that older news can be told.

    It goes into the log, for ever and for many to read. So whatever a bank writes, `reason` is a code or
    empty, and `bank_reference` a short word or empty.
    """

    movement_id: UUID
    status: Status
    bank_reference: str
    reason: str
    sequence: int

    def __post_init__(self) -> None:
        if self.reason and not is_code(self.reason):
            force_setattr(self, "reason", UNKNOWN_CODE)
        if not _REFERENCE.fullmatch(self.bank_reference):
            force_setattr(self, "bank_reference", "")


_REFERENCE = re.compile("[A-Za-z0-9._:/-]{1,64}")


class UnreadableAnswerError(Exception):
    """What a bank said makes no sense."""


class Bank(Protocol):
    """Moves money between the accounts of others and the clearing account.

    Each raises `OutboundError`; amounts are in minor units.
    """

    def instruct(
        self,
        movement_id: UUID,
        kind: str,
        direction: Direction,
        amount_minor: int,
        currency: str,
        account: str,
        reference: str,
    ) -> BankAnswer:
        """Ask for a movement; asked again with the same id, it is the same movement.

        What the bank refuses for good is `failed`. Raises `NeedsPersonError` for what a person has to
        settle with the bank.
        """
        ...

    def status(self, movement_id: UUID) -> BankAnswer | None:
        """Where a movement is; None if the bank has never heard of it."""
        ...

    def cancel(self, movement_id: UUID) -> BankAnswer | None:
        """Ask to stop a movement: `cancelled`, or where it is because it is too late for that."""
        ...

    def balance(self, account: str) -> dict[str, int]:
        """What is in an account, by currency."""
        ...


class _Told(Struct):
    movement_id: UUID
    status: Literal["CREATED", "IN_PROGRESS", "COMPLETED", "FAILED", "RETURNED", "CANCELLED"]
    sequence: Annotated[int, Meta(ge=0, le=2**31)]
    bank_reference: str = ""
    reason: str | None = None


class _Balance(Struct):
    balances: dict[str, int]


_STATUS: Mapping[str, Status] = {
    "CREATED": "accepted",
    "IN_PROGRESS": "accepted",
    "COMPLETED": "settled",
    "FAILED": "failed",
    "RETURNED": "returned",
    "CANCELLED": "cancelled",
}

REFUSED_SEQUENCE = 0
"""Of a movement that was refused: none, since the bank has not numbered it. Whatever it tells of it later
is news."""


def answer_of(told: Mapping[str, object]) -> BankAnswer:
    """What a bank says of a movement, as in the `data` of its webhooks. Raises `UnreadableAnswerError`."""
    try:
        return _answer(msgspec.convert(told, _Told))
    except msgspec.ValidationError:  # which may repeat what was said
        raise UnreadableAnswerError from None


def _answer(told: _Told) -> BankAnswer:
    return BankAnswer(
        movement_id=told.movement_id,
        status=_STATUS[told.status],
        bank_reference=told.bank_reference,
        reason=told.reason or "",
        sequence=told.sequence,
    )


class HttpBank(HttpService):
    """A bank with an HTTP interface like that of `daybook sandbox bank`."""

    name = "bank"

    def instruct(
        self,
        movement_id: UUID,
        kind: str,
        direction: Direction,
        amount_minor: int,
        currency: str,
        account: str,
        reference: str,
    ) -> BankAnswer:
        asked = {
            "movement_id": movement_id,
            "kind": kind,
            "direction": direction,
            "amount": amount_minor,
            "currency": currency,
            "account": account,
            "reference": reference,
        }
        try:
            answer = self._client.call(
                "POST", "/v1/movements", json=asked, idempotency_key=str(movement_id)
            )
        except BadResponseError as error:
            if error.status >= 500 or error.transient:
                raise
            return self._refused(movement_id, error)
        return self._movement(answer, movement_id)

    def status(self, movement_id: UUID) -> BankAnswer | None:
        try:
            answer = self._client.call("GET", f"/v1/movements/{movement_id}")
        except BadResponseError as error:
            if error.code == "movement_not_found":
                return None
            raise
        return self._movement(answer, movement_id)

    def cancel(self, movement_id: UUID) -> BankAnswer | None:
        try:
            answer = self._client.call(
                "POST",
                f"/v1/movements/{movement_id}/cancel",
                idempotency_key=f"{movement_id}-cancel",
            )
        except BadResponseError as error:
            if error.code in ("movement_not_found", "too_late"):
                return self.status(movement_id)
            raise
        return self._movement(answer, movement_id)

    def balance(self, account: str) -> dict[str, int]:
        path = f"/v1/accounts/{quote(account, safe='')}/balance"
        return self._decoded(self._client.call("GET", path), _Balance).balances

    def _refused(self, movement_id: UUID, error: BadResponseError) -> BankAnswer:
        if error.code == "key_reused":  # the bank has it otherwise than it is here
            raise NeedsPersonError(error.service, error.code) from error
        # The first of two tries may have been taken on without an answer: then this one's is void.
        if (taken := self.status(movement_id)) is not None:
            return taken
        match handling_of(error.code):
            case Handling.FAILURE:
                return BankAnswer(movement_id, "failed", "", error.code, REFUSED_SEQUENCE)
            case Handling.RETRY:
                raise BadResponseError(
                    error.service,
                    error.status,
                    code=error.code,
                    retry_after_s=error.retry_after_s,
                    transient=True,
                ) from error
            case Handling.MANUAL:
                raise NeedsPersonError(error.service, error.code or str(error.status)) from error

    def _movement(self, answer: Answer, movement_id: UUID) -> BankAnswer:
        told = self._decoded(answer, _Told)
        if told.movement_id != movement_id:
            raise self._senseless(answer, "it is about another movement")
        return _answer(told)
