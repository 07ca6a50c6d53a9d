"""Decides what is asked of transfers: events in the order in which they are appended, or a refusal."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from domain import accounts
from domain.accounts import Account
from domain.events import Event
from domain.money import parse_amount
from domain.ownership import Owner, is_within_reach
from domain.refusals import Refusal
from domain.transfers.commands import (
    Condition,
    ExpirePending,
    PostPending,
    PostTransfer,
    ReverseTransfer,
    VoidPending,
)
from domain.transfers.state import (
    Captured,
    Expired,
    Metadata,
    Posted,
    Reserved,
    Reversed,
    Transfer,
    Voided,
)
from domain.versions import Expected, check_version

Decided = tuple[tuple[UUID, Event], ...]
"""Events with their streams, in the order in which they are appended."""


def post_transfer(
    command: PostTransfer, source: Account | None, destination: Account | None, now: datetime
) -> Decided:
    """Refuses by amount, accounts, currency, conditions, status and funds, in that order."""
    amount = command.amount
    if amount <= 0:
        raise Refusal("negative_amount")
    if command.source_id == command.destination_id:
        raise Refusal("same_account", account_id=command.source_id)
    if not is_within_reach(source, command.owner_id):
        raise Refusal("account_not_found", account_id=command.source_id)
    if destination is None:
        raise Refusal("account_not_found", account_id=command.destination_id)
    if source.currency != command.currency or destination.currency != command.currency:
        raise Refusal(
            "currency_mismatch",
            requested=command.currency,
            source=source.currency,
            destination=destination.currency,
        )
    for condition in command.conditions:
        _check_condition(condition, source, destination, command.owner_id)
    requested = 0
    if command.up_to:
        accounts.check_status_for_debit(source)
        amount = _at_most_available(source, amount)
        requested = command.amount if amount != command.amount else 0
    accounts.check_debit(source, amount)
    accounts.check_credit(destination, amount)
    if command.pending:
        return _reserve(command, source, amount, requested, now)
    posted = Posted(
        command.source_id,
        command.destination_id,
        command.currency,
        amount,
        requested,
        command.up_to,
        command.description,
        command.reference,
        command.effective_at,
        command.metadata,
    )
    return ((command.transfer_id, posted), *_move(command.transfer_id, posted, source, destination))


def _reserve(
    command: PostTransfer, source: Account, amount: int, requested: int, now: datetime
) -> Decided:
    expires_at = now + timedelta(seconds=command.expires_in_s) if command.expires_in_s else None
    reserved = Reserved(
        command.source_id,
        command.destination_id,
        command.currency,
        amount,
        requested,
        command.up_to,
        command.description,
        command.reference,
        command.effective_at,
        command.metadata,
        expires_at,
        command.expires_in_s,
        command.owner_id,
    )
    held = accounts.Held(command.transfer_id, amount, source.balance, source.held + amount)
    return ((command.transfer_id, reserved), (source.id, held))


def _move(
    transfer_id: UUID,
    request: Posted | Reserved,
    source: Account,
    destination: Account,
    *,
    amount: int | None = None,
    released: int = 0,
) -> Decided:
    """The two entries of a movement; each carries what its account has afterwards."""
    amount = request.amount if amount is None else amount
    return (
        (
            source.id,
            accounts.Debited(
                transfer_id,
                destination.id,
                amount,
                source.balance - amount,
                source.held - released,
                released,
                request.effective_at,
                request.description,
                request.reference,
            ),
        ),
        (
            destination.id,
            accounts.Credited(
                transfer_id,
                source.id,
                amount,
                destination.balance + amount,
                destination.held,
                request.effective_at,
                request.description,
                request.reference,
            ),
        ),
    )


def post_pending(
    command: PostPending, transfer: Transfer | None, source: Account, destination: Account,
    now: datetime,
) -> Decided:  # fmt: skip
    """Refuses: `transfer_not_found`, `precondition_failed`, `transfer_not_pending`,
    `transfer_expired`, `amount_exceeds_pending`, and what either account's status refuses."""
    _check_reach(command.transfer_id, source, destination, command.owner_id)
    pending = _check_pending(command.transfer_id, transfer, command.expected_versions)
    request = pending.request
    assert isinstance(request, Reserved)
    _check_asked(request, command.owner_id)
    if request.expires_at is not None and now >= request.expires_at:
        raise Refusal(
            "transfer_expired", transfer_id=pending.id, expired_at=request.expires_at.isoformat()
        )
    amount = pending.amount
    if command.amount is not None:
        amount = parse_amount(command.amount, request.currency)
    if amount > pending.amount:
        raise Refusal(
            "amount_exceeds_pending",
            transfer_id=pending.id,
            currency=request.currency,
            pending_minor=pending.amount,
            requested_minor=amount,
        )
    accounts.check_status_for_debit(source)
    accounts.check_credit(destination, amount)
    return (
        (pending.id, Captured(amount, pending.amount - amount, command.reason)),
        *_move(pending.id, request, source, destination, amount=amount, released=pending.amount),
    )


def void_pending(
    command: VoidPending, transfer: Transfer | None, source: Account, destination: Account
) -> Decided:
    """Refuses: `transfer_not_found`, `precondition_failed`, `transfer_not_pending`. A frozen source
    gets its hold back too."""
    _check_reach(command.transfer_id, source, destination, command.owner_id)
    pending = _check_pending(command.transfer_id, transfer, command.expected_versions)
    assert isinstance(pending.request, Reserved)
    _check_asked(pending.request, command.owner_id)
    return ((pending.id, Voided(command.reason)), _release(pending, source))


def expire_pending(
    command: ExpirePending, transfer: Transfer | None, source: Account, now: datetime
) -> Decided:
    """Refuses: `transfer_not_found`, `transfer_not_pending`, `transfer_not_due`."""
    pending = _check_pending(command.transfer_id, transfer)
    assert isinstance(pending.request, Reserved)
    if pending.request.expires_at is None or now < pending.request.expires_at:
        raise Refusal("transfer_not_due", transfer_id=pending.id)
    return ((pending.id, Expired()), _release(pending, source))


def reverse_transfer(
    command: ReverseTransfer, transfer: Transfer | None, source: Account, destination: Account
) -> Decided:
    """`source` and `destination` are the original's. Refuses: `transfer_not_found`,
    `precondition_failed`, `transfer_not_posted`, `not_reversible`, `already_reversed`,
    `amount_exceeds_posted`, and what either account refuses."""
    _check_reach(command.transfer_id, destination, source, command.owner_id)
    if transfer is None:
        raise Refusal("transfer_not_found", transfer_id=command.transfer_id)
    check_version(transfer.id, transfer.version, command.expected_versions)
    if transfer.status != "posted":
        raise Refusal("transfer_not_posted", transfer_id=transfer.id, status=transfer.status)
    request = transfer.request
    if isinstance(request, Posted) and request.reverses is not None:
        raise Refusal("not_reversible", transfer_id=transfer.id, reverses=request.reverses)
    left = transfer.amount - transfer.reversed
    if left == 0:
        raise Refusal("already_reversed", transfer_id=transfer.id)
    amount = left
    if command.amount is not None:
        amount = parse_amount(command.amount, request.currency)
    if amount > left:
        raise Refusal(
            "amount_exceeds_posted",
            transfer_id=transfer.id,
            currency=request.currency,
            reversible_minor=left,
            requested_minor=amount,
        )
    accounts.check_debit(destination, amount)
    accounts.check_credit(source, amount)
    posted = Posted(
        destination.id,
        source.id,
        request.currency,
        amount,
        description=request.description,
        reference=request.reference,
        reverses=transfer.id,
        reason=command.reason,
    )
    return (
        (command.reversal_id, posted),
        (transfer.id, Reversed(command.reversal_id, amount)),
        *_move(command.reversal_id, posted, destination, source),
    )


def is_same_request(transfer: Transfer, command: PostTransfer) -> bool:
    """Whether a transfer is what the command asks for, so that a repeat answers as the first time.

    Conditions are not part of it: they speak of the moment of the first attempt.
    """
    r = transfer.request
    if isinstance(r, Posted) and r.reverses is not None:
        return False
    return (
        isinstance(r, Reserved) == command.pending
        and r.source_id == command.source_id
        and r.destination_id == command.destination_id
        and (r.requested or r.amount) == command.amount
        and r.currency == command.currency
        and r.up_to == command.up_to
        and r.description == command.description
        and r.reference == command.reference
        and r.effective_at == command.effective_at
        and _exactly(r.metadata) == _exactly(command.metadata)
        and (not isinstance(r, Reserved) or r.expires_in_s == command.expires_in_s)
    )


def _exactly(metadata: Metadata) -> bytes:
    """Metadata as JSON, where 1 and true are two things."""
    return msgspec.json.encode(metadata, order="deterministic")


def is_same_reversal(transfer: Transfer, command: ReverseTransfer) -> bool:
    """Whether a transfer is the reversal that the command asks for.

    Expected versions are not part of it: they speak of the moment of the first attempt.
    """
    r = transfer.request
    return (
        isinstance(r, Posted)
        and r.reverses == command.transfer_id
        and r.reason == command.reason
        and (command.amount is None or parse_amount(command.amount, r.currency) == transfer.amount)
    )


def _check_asked(request: Reserved, owner_id: Owner) -> None:
    """A hold that the house has put on an account is worth nothing if its owner may lift it."""
    if owner_id is not None and request.owner_id != owner_id:
        raise Refusal(
            "insufficient_permissions", why="who asked for the hold decides what becomes of it"
        )


def _check_reach(transfer_id: UUID, paying: Account, other: Account, owner_id: Owner) -> None:
    """Whose account pays decides; whose account is paid sees the transfer and leaves it alone."""
    if is_within_reach(paying, owner_id):
        return
    if is_within_reach(other, owner_id):
        raise Refusal(
            "insufficient_permissions", why="it is for the owner of the account that pays"
        )
    raise Refusal("transfer_not_found", transfer_id=transfer_id)


def _check_pending(
    transfer_id: UUID, transfer: Transfer | None, expected: Expected = None
) -> Transfer:
    if transfer is None:
        raise Refusal("transfer_not_found", transfer_id=transfer_id)
    check_version(transfer.id, transfer.version, expected)
    if transfer.status != "pending":
        raise Refusal("transfer_not_pending", transfer_id=transfer.id, status=transfer.status)
    return transfer


def _release(pending: Transfer, source: Account) -> tuple[UUID, Event]:
    return (
        source.id,
        accounts.Released(pending.id, pending.amount, source.balance, source.held - pending.amount),
    )


def _at_most_available(source: Account, amount: int) -> int:
    available = source.available
    if available is None:
        return amount
    if available <= 0:
        raise Refusal(
            "insufficient_funds",
            account_id=source.id,
            currency=source.currency,
            available_minor=available,
            requested_minor=amount,
        )
    return min(amount, available)


def _check_condition(
    condition: Condition, source: Account, destination: Account, owner_id: Owner
) -> None:
    if condition.account_id == source.id:
        account = source
    elif condition.account_id == destination.id and is_within_reach(destination, owner_id):
        account = destination
    else:  # another's balance could be found out, one condition after the other
        raise Refusal("condition_account_unknown", account_id=condition.account_id)
    available = account.available
    checks: tuple[tuple[str, bool, int | None, int | None], ...] = (
        ("version", account.version != condition.version, condition.version, account.version),
        ("balance_at_least", account.balance < (condition.balance_at_least or 0),
         condition.balance_at_least, account.balance),
        ("balance_at_most", account.balance > (condition.balance_at_most or 0),
         condition.balance_at_most, account.balance),
        ("available_at_least", available is not None
         and available < (condition.available_at_least or 0),
         condition.available_at_least, available),
        ("available_at_most", available is None or available > (condition.available_at_most or 0),
         condition.available_at_most, available),
    )  # fmt: skip
    for name, fails, wanted, actual in checks:
        if wanted is not None and fails:
            suffix = "" if name == "version" else "_minor"
            raise Refusal(
                "condition_failed",
                account_id=account.id,
                currency=account.currency,
                condition=name,
                **{f"wanted{suffix}": wanted, f"actual{suffix}": actual},
            )
