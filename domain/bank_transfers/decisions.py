"""Decides what becomes of a bank transfer: its events, and with them the money's.

Nothing here asks what happened last. What the bank has moved is compared with what is booked on either
side of the clearing account, so that news may come late, twice or out of order. The bank's side always
books: when the customer's can't, the suspense account stands in until somebody has seen to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from domain import accounts, movements
from domain.accounts import Account
from domain.bank_transfers.commands import (
    BookBankTransfer,
    CancelBankTransfer,
    Command,
    CompensateBankTransfer,
    DoubtBankTransfer,
    FailBankTransfer,
    RequestBankTransfer,
    RetryBankTransfer,
    ReturnBankTransfer,
)
from domain.bank_transfers.state import (
    BankTransfer,
    Booked,
    Completed,
    FailedEvent,
    Instructed,
    NeedsOperator,
    Requested,
    Resumed,
    ReturnedEvent,
    SetAside,
    Side,
    SourceHeld,
    TakenBack,
    TakenUp,
    evolve,
)
from domain.events import Event
from domain.house import HouseType, check_is_free, house_account
from domain.movements import CONTRADICTED, Direction, Movement, derived_id
from domain.ownership import is_within_reach
from domain.refusals import Refusal
from domain.sheets import Lookup, Sheet
from domain.transfers import Decided, PostTransfer

_LEGS: dict[str, tuple[str, Direction]] = {
    "deposit": ("collection", "in"),
    "withdrawal": ("payout", "out"),
}


def needs(command: Command, lookup: Lookup) -> Iterator[UUID]:
    """The streams that must be known to decide."""
    yield command.bank_transfer_id
    if isinstance(command, RequestBankTransfer):
        yield command.account_id
        yield house_account("clearing", command.currency)
        yield derived_id(command.bank_transfer_id, "hold")
        return
    there = lookup(command.bank_transfer_id)
    if isinstance(there, BankTransfer):
        yield there.requested.account_id
        types: tuple[HouseType, ...] = ("clearing", "suspense", "cash")
        yield from (house_account(type_, there.requested.currency) for type_ in types)
        for id_ in (there.movement_id, there.hold_id, there.bank_id, there.customer_id):
            if id_ is not None:
                yield id_


def decide(command: Command, lookup: Lookup, now: datetime) -> Decided:
    """Events with their streams. Refuses: `bank_transfer_not_found`, `nothing_new`, and what the
    functions below say."""
    if isinstance(command, RequestBankTransfer):
        return _request(command, lookup, now)
    there = lookup(command.bank_transfer_id)
    if not isinstance(there, BankTransfer):
        raise Refusal("bank_transfer_not_found", bank_transfer_id=command.bank_transfer_id)
    work = _Work(there, lookup, now)
    match command:
        case CancelBankTransfer():
            work.cancel(command)
        case ReturnBankTransfer(reason=reason) if there.is_closed:
            work.call_somebody("return", reason)
        case BookBankTransfer() if there.is_closed:
            work.call_somebody(there.requested.kind, CONTRADICTED)
        case BookBankTransfer() | FailBankTransfer() | ReturnBankTransfer():
            if not there.is_closed:
                work.catch_up()
        case DoubtBankTransfer(reason=reason):
            work.doubt(reason)
        case RetryBankTransfer():
            work.retry()
        case CompensateBankTransfer(reason=reason):
            work.compensate(reason)
    if not work.sheet.decided:
        raise Refusal("nothing_new", bank_transfer_id=there.id, status=there.status)
    return work.sheet.decided


def is_same_request(there: BankTransfer, command: RequestBankTransfer) -> bool:
    """Whether a bank transfer is what the command asks for, so that a repeat answers as the first time.
    What is sealed is never the same twice: its hint stands for it."""
    r = there.requested
    return (r.kind, r.account_id, r.currency, r.amount, r.bank_account_hint, r.reference) == (
        command.kind, command.account_id, command.currency, command.amount,
        command.bank_account_hint, command.reference,
    )  # fmt: skip


def _request(command: RequestBankTransfer, lookup: Lookup, now: datetime) -> Decided:
    """Refuses: `negative_amount`, `account_not_found`, `invalid_account_type` (the house's own),
    `reserved_account` (a loan's), `currency_mismatch`, and by the account's status; a withdrawal also by
    its funds."""
    if command.amount <= 0:
        raise Refusal("negative_amount")
    account = lookup(command.account_id)
    if not isinstance(account, Account) or not is_within_reach(account, command.owner_id):
        raise Refusal("account_not_found", account_id=command.account_id)
    if not account.has_floor:
        raise Refusal("invalid_account_type", type=account.type)
    check_is_free(account)
    if account.currency != command.currency:
        raise Refusal("currency_mismatch", requested=command.currency, account=account.currency)
    if command.kind == "deposit":
        accounts.check_credit(account, command.amount)
    sheet, id_ = Sheet(lookup, now), command.bank_transfer_id
    sheet.add(
        id_,
        Requested(
            command.kind, account.id, command.currency, command.amount, command.bank_account,
            command.bank_account_hint, command.person_id, account.owner_id, command.reference,
        ),
    )  # fmt: skip
    if command.kind == "withdrawal":
        hold_id, clearing = derived_id(id_, "hold"), sheet.house("clearing", command.currency)
        sheet.post(
            PostTransfer(
                hold_id, account.id, clearing, command.amount, command.currency,
                description="Withdrawal", reference=str(id_), pending=True,
            )
        )  # fmt: skip
        sheet.add(id_, SourceHeld(hold_id))
    movement_id = derived_id(id_, "movement")
    leg, direction = _LEGS[command.kind]
    sheet.add(
        movement_id,
        movements.Instructed(
            command.kind, id_, leg, direction, command.bank_account, command.currency,
            command.amount, command.person_id,
        ),
    )  # fmt: skip
    sheet.add(id_, Instructed(movement_id))
    return sheet.decided


class _Work:
    """A bank transfer that is there, as the decision leaves it so far."""

    def __init__(self, there: BankTransfer, lookup: Lookup, now: datetime) -> None:
        self.sheet = Sheet(lookup, now)
        self._there = there
        self._asked = there.requested
        movement = None if there.movement_id is None else lookup(there.movement_id)
        assert isinstance(movement, Movement), "it is instructed with the request"
        self._movement = movement

    def cancel(self, command: CancelBankTransfer) -> None:
        """Refuses: `bank_transfer_not_found` (another's), `already_sent`, `invalid_transition`."""
        there = self._there
        if command.owner_id not in (None, self._asked.owner_id):
            raise Refusal("bank_transfer_not_found", bank_transfer_id=there.id)
        if there.status != "pending":
            raise Refusal(
                "invalid_transition",
                bank_transfer_id=there.id,
                current=there.status,
                requested="cancelled",
                allowed=[],
            )
        self._call_off("cancelled")
        self._fail("request", "cancelled")

    def catch_up(self, *, again: bool = False) -> None:
        """Book what is not booked yet, also when it was taken to be over. With `again` the bank is asked
        again for what it has not answered."""
        has_moved = self._movement.status == "completed"
        refused = ""
        for side in self._sides() if has_moved else reversed(self._sides()):
            if has_moved == (self._booked_by(side) is not None):
                continue
            try:
                self._book(side) if has_moved else self._take_back(side)
            except Refusal as refusal:
                refused = refusal.reason
        self._tidy()
        if refused:
            self.call_somebody(self._asked.kind if has_moved else "return", refused)
        elif has_moved:
            self._complete()
        elif self._movement.status in movements.OVER:
            self._end()
        elif again:
            self._note(Resumed(self._movement.id))

    def doubt(self, reason: str) -> None:
        """Nothing is undone that may have happened."""
        if self._there.status == "pending" and self._movement.status not in movements.OVER:
            self.call_somebody(self._asked.kind, reason)

    def retry(self) -> None:
        """Refuses `nothing_to_retry` when there is nothing that another attempt could change."""
        there = self._there
        if there.status == "needs_operator":
            self.catch_up(again=True)
        if not self.sheet.decided:
            raise Refusal("nothing_to_retry", bank_transfer_id=there.id, status=there.status)

    def compensate(self, reason: str) -> None:
        """What the bank has not answered is taken not to happen: the operator knows. Money that has moved
        and cannot be booked stays in the suspense account, for the operator to hand it out.

        Refuses `nothing_to_undo` unless it waits for an operator; `bank_has_it`.
        """
        there, movement = self._there, self._movement
        why = reason or there.reason
        if there.status != "needs_operator":
            raise Refusal("nothing_to_undo", bank_transfer_id=there.id, status=there.status)
        is_unheard = movement.status == "completed" and not there.bank_id
        if is_unheard or (movement.status == "returned" and there.bank_id):
            # The bank's doing is booked before anything is undone.
            raise Refusal("nothing_to_undo", bank_transfer_id=there.id, status=there.status)
        if movement.status not in movements.OVER:
            self.sheet.add(movement.id, movements.write_off(movement, why))
        if there.bank_id or there.customer_id or there.suspense:
            self._let_go(why)
            self._note(FailedEvent(self._asked.kind, why, is_closed=True))
        else:
            self._fail(self._asked.kind, why)

    def _sides(self) -> tuple[Side, Side]:
        """In the order in which the money goes."""
        if self._asked.kind == "deposit":
            return ("bank", "customer")
        return ("customer", "bank")

    def _booked_by(self, side: Side) -> UUID | None:
        return self._there.bank_id if side == "bank" else self._there.customer_id

    def _ends(self, side: Side) -> tuple[UUID, UUID]:
        clearing = self._house("clearing")
        other = self._house("cash") if side == "bank" else self._asked.account_id
        into_clearing = (self._asked.kind == "deposit") == (side == "bank")
        return (other, clearing) if into_clearing else (clearing, other)

    def _book(self, side: Side) -> None:
        """The customer's side of a withdrawal is held; when that was let go of, it is what is there."""
        hold_id = self._there.hold_id
        if side == "customer" and hold_id is not None and self._is_pending(hold_id):
            self.sheet.capture(hold_id)
            self._note(Booked(side, hold_id))
        else:
            self._note(Booked(side, self._post(side, *self._ends(side))))

    def _take_back(self, side: Side) -> None:
        transfer_id = self._booked_by(side)
        transfer = None if transfer_id is None else self.sheet.transfer(transfer_id)
        source, destination = self._ends(side)
        if transfer is None or transfer.reversed:
            back = self._post(f"{side}_back", destination, source)
        else:
            back = derived_id(self._there.id, f"{side}_back", self._there.version)
            self.sheet.reverse(transfer.id, back, self._movement.reason)
        self._note(TakenBack(side, back))

    def _complete(self) -> None:
        there = self._there
        if there.status == "completed":
            return
        first, second = (self._booked_by(side) for side in self._sides())
        assert first is not None, "it was booked just now, or before"
        assert second is not None, "it was booked just now, or before"
        self._note(Completed(second, first))

    def _end(self) -> None:
        """The bank has not moved it, or has taken it back."""
        there, reason = self._there, self._movement.reason
        if there.back_id is None:
            self._fail(self._asked.kind, reason)
        elif there.status != "returned":
            self._let_go(reason)
            self._note(ReturnedEvent(reason, there.back_id))

    def _fail(self, step: str, reason: str) -> None:
        if self._there.status != "failed":
            self._let_go(reason)
            self._note(FailedEvent(step, reason))

    def _let_go(self, reason: str) -> None:
        hold_id = self._there.hold_id
        if hold_id is not None and self._is_pending(hold_id):
            self.sheet.void(hold_id, reason)

    def _call_off(self, reason: str) -> None:
        """Refuses `already_sent`: then only the bank can call it off."""
        self.sheet.add(self._movement.id, movements.call_off(self._movement, reason))

    def call_somebody(self, step: str, reason: str) -> None:
        there = self._there
        if (there.status, there.step, there.reason) != ("needs_operator", step, reason):
            self._note(NeedsOperator(step, reason, there.place))

    def _tidy(self) -> None:
        """Leave nothing in the clearing account, which is zero at rest."""
        while self._there.clearing > 0:
            ends = (self._house("clearing"), self._house("suspense"))
            self._note(SetAside(self._post("set_aside", *ends)))
        while self._there.clearing < 0:
            ends = (self._house("suspense"), self._house("clearing"))
            self._note(TakenUp(self._post("taken_up", *ends)))

    def _is_pending(self, transfer_id: UUID) -> bool:
        transfer = self.sheet.transfer(transfer_id)
        return transfer is not None and transfer.status == "pending"

    def _house(self, type_: HouseType) -> UUID:
        return self.sheet.house(type_, self._asked.currency)

    def _post(self, what: str, source: UUID, destination: UUID) -> UUID:
        there, asked = self._there, self._asked
        transfer_id = derived_id(there.id, what, there.version)
        self.sheet.post(
            PostTransfer(
                transfer_id, source, destination, asked.amount, asked.currency,
                description=asked.kind.capitalize(), reference=str(there.id),
            )
        )  # fmt: skip
        return transfer_id

    def _note(self, event: Event) -> None:
        self.sheet.add(self._there.id, event)
        self._there = evolve(self._there, event, self._there.id)
