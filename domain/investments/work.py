"""One decision about an investment: the ledger catches up with what the bank has done, and the investment
goes on from there.

Nothing here asks what happened last. What the bank has moved is compared with what is booked, so that
news may come late, twice or out of order; then what is booked says what is to be done.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from domain import accounts, funds, movements
from domain.events import Event
from domain.funds import Fund
from domain.investments.state import (
    Completed,
    Deposited,
    FailedEvent,
    Instructed,
    Investment,
    NeedsOperator,
    Refunded,
    Resumed,
    SetAside,
    SourceHeld,
    TakenBack,
    TakenUp,
    Undoing,
    Withdrawn,
    evolve,
)
from domain.movements import CONTRADICTED, Direction, Movement, derived_id
from domain.refusals import Refusal
from domain.sheets import Lookup, Sheet
from domain.transfers import PostTransfer

REFUNDED_TWICE = "refunded_twice"

_DIRECTION: dict[str, Direction] = {"withdrawal": "in", "deposit": "out", "refund": "out"}


class Work:
    """An investment that is there, as the decision leaves it so far."""

    def __init__(self, investment: Investment, lookup: Lookup, now: datetime) -> None:
        self.sheet = Sheet(lookup, now)
        self.investment = investment
        self._asked = investment.requested
        self._lookup = lookup
        self._movements: dict[UUID, Movement] = {}

    def hold(self) -> None:
        """Hold the investor's money. Refuses what the account refuses, and the fund's."""
        i, asked = self.investment, self._asked
        self._check_fund_account()
        hold_id = derived_id(i.id, "hold")
        self.sheet.post(
            PostTransfer(
                hold_id, asked.investor_account_id, self._clearing, asked.amount, asked.currency,
                description="Investment", reference=str(i.id), pending=True,
            )
        )  # fmt: skip
        self._note(SourceHeld(hold_id))

    # What the bank has moved, the ledger moves.
    def catch_up(self, *, again: bool = False) -> None:
        """Book what is not booked yet, and go on. With `again` whatever is waited for is asked for again,
        and a refund that failed is tried once more."""
        refused: tuple[str, str] | None = None
        for leg, movement in self._differing():
            try:
                if movement.status == "completed":
                    self._settle(leg, movement)
                else:
                    self._take_back(leg, movement)
            except Refusal as refusal:
                refused = refused or (leg, refusal.reason)
        if refused is None:
            self._go_on(again=again)
        else:
            self.call_somebody(*refused)

    def is_behind(self) -> bool:
        """Whether the bank has done what could not be booked."""
        return next(self._differing(), None) is not None

    def _differing(self) -> Iterator[tuple[str, Movement]]:
        i = self.investment
        singles = ((leg, i.legs.get(leg)) for leg in ("withdrawal", "deposit"))
        for leg, movement_id in (*singles, *(("refund", id_) for id_ in i.refunds)):
            movement = self._movement(movement_id)
            if movement is None:
                continue
            if (movement.status == "completed") != (movement.id in self.investment.moved):
                yield leg, movement

    def _settle(self, leg: str, movement: Movement) -> None:
        i, asked = self.investment, self._asked
        if leg == "withdrawal":
            self._note(Withdrawn(self._withdraw()))
        elif leg == "deposit":
            transfer_id = self._post("deposit", self._clearing, asked.fund_account_id)
            self._note(Deposited(transfer_id))
        else:
            ends = (self._clearing, asked.investor_account_id)
            transfer_id = self._send_back("refund", i.withdrawal_id, *ends, i.reason)
            self._note(Refunded(transfer_id, movement.id))

    def _take_back(self, leg: str, movement: Movement) -> None:
        i, asked = self.investment, self._asked
        investor, fund = asked.investor_account_id, asked.fund_account_id
        if leg == "withdrawal":
            back = self._send_back(
                "returned", i.withdrawal_id, self._clearing, investor, movement.reason
            )
        elif leg == "deposit":
            back = self._send_back("returned", i.deposit_id, fund, self._clearing, movement.reason)
        else:
            back = self._post("returned", investor, self._clearing)
        if leg == "deposit" and i.seat == "taken":
            self._release_seat()
        self._note(TakenBack(leg, movement.id, back))

    def _withdraw(self) -> UUID:
        """What is held; when it was let go of, whatever is there."""
        i = self.investment
        if i.hold_id is not None and self._is_pending(i.hold_id):
            self.sheet.capture(i.hold_id)
            return i.hold_id
        return self._post("withdrawn", self._asked.investor_account_id, self._clearing)

    # What is booked says what is to be done.
    def _go_on(self, *, again: bool) -> None:
        i = self.investment
        withdrawal = self._leg("withdrawal")
        if withdrawal is None:
            return
        if not i.paid_in:
            self._go_on_without_money(withdrawal, again=again)
        elif i.left == 1:
            self._go_on_with_money(again=again)
        elif i.left == 0 and i.paid_fund:
            self._complete(again=again)
        elif i.left == 0:
            # A deposit that an operator took not to happen may be with the bank still.
            self._call_off("deposit", i.reason)
            if self._call_off("refund", i.reason):
                self.fail(i.step, i.reason)
            else:
                self._await("refund", CONTRADICTED, again=again)
        else:
            twice = i.paid_back > 1
            self.call_somebody(
                "refund" if twice else "deposit", REFUNDED_TWICE if twice else CONTRADICTED
            )

    def _go_on_without_money(self, withdrawal: Movement, *, again: bool) -> None:
        i = self.investment
        if _is_open(withdrawal):
            if again:
                self._resume("withdrawal", withdrawal)
        elif i.paid_fund or i.paid_back:
            self.call_somebody("withdrawal", withdrawal.reason or CONTRADICTED)
        elif not self._call_off("refund", withdrawal.reason):
            self._await("refund", withdrawal.reason, again=again)
        elif not self._call_off("deposit", withdrawal.reason):
            self._await("deposit", withdrawal.reason, again=again)
        else:
            self.fail("withdrawal", withdrawal.reason)

    def _go_on_with_money(self, *, again: bool) -> None:
        deposit, refund = self._leg("deposit"), self._leg("refund")
        if refund is not None:
            if _is_open(refund):
                self._go_on_waiting("refund", refund, again=again)
            elif again:
                self._instruct("refund", self._asked.investor_account_id)
            else:
                self.call_somebody("refund", refund.reason)
        elif deposit is None:
            self._begin_deposit()
        elif not _is_open(deposit):
            self.begin_refund("deposit", deposit.reason)
        else:
            self._go_on_waiting("deposit", deposit, again=again)

    def _go_on_waiting(self, leg: str, movement: Movement, *, again: bool) -> None:
        """Money that has come back to be paid by a leg that is on its way waits for that, and nobody has
        to see to it any longer."""
        i = self.investment
        is_put_right = i.clearing > 0 and i.status != f"{leg}_pending"
        if again or is_put_right:
            self._resume(leg, movement)

    def _begin_deposit(self) -> None:
        if self.investment.seat != "reserved":
            self.call_somebody("withdrawal", CONTRADICTED)
            return
        try:
            self._check_fund_account()
        except Refusal as refusal:
            self.begin_refund("deposit", refusal.reason)
        else:
            self._instruct("deposit", self._asked.fund_account_id)

    def _check_fund_account(self) -> None:
        """Refuses what the bank had better not be asked to pay in."""
        account = self.sheet.account(self._asked.fund_account_id)
        assert account is not None, "a fund's account is there before it"
        accounts.check_credit(account, self._asked.amount)

    def _complete(self, *, again: bool) -> None:
        i = self.investment
        if i.status == "completed":
            return
        if not self._call_off("refund", CONTRADICTED):
            self._await("refund", CONTRADICTED, again=again)
        elif i.seat == "released":
            self.call_somebody("deposit", CONTRADICTED)
        else:
            self._tidy()
            if i.seat == "reserved":  # otherwise it was taken, before the bank contradicted itself
                self.sheet.add(self._asked.fund_id, funds.AllocationTaken(i.id, self._asked.amount))
            self._note(Completed())

    def begin_refund(self, step: str, reason: str) -> None:
        """Undo a withdrawal. A deposit that the bank has not been asked for is called off."""
        self._call_off("deposit", reason)
        self._note(Undoing(step, reason))
        self._instruct("refund", self._asked.investor_account_id)

    def begin_withdrawal(self) -> None:
        """Have the bank asked for the investor's money."""
        self._instruct("withdrawal", self._asked.investor_account_id)

    def fail(self, step: str, reason: str) -> None:
        """It is over: what is held is let go of, and the seat is free."""
        i = self.investment
        if i.status == "failed":
            return
        for leg in ("withdrawal", "deposit"):
            self._call_off(leg, reason)
        self._let_go(reason)
        if i.seat != "released":
            self._release_seat()
        self._tidy()
        step, reason = i.undoing or (step, reason)
        failed = FailedEvent(step, reason, "source")
        place = evolve(self.investment, failed, i.id).place
        self._note(FailedEvent(step, reason, place))

    def close(self, step: str, reason: str) -> None:
        """It is over, and what the ledger still has of it is an operator's to hand out."""
        self._let_go(reason)
        if self.investment.seat == "reserved":
            self._release_seat()
        self._tidy()
        place = evolve(
            self.investment, FailedEvent(step, reason, "source"), self.investment.id
        ).place
        self._note(FailedEvent(step, reason, place, is_closed=True))

    def _let_go(self, reason: str) -> None:
        i = self.investment
        if i.is_held and i.hold_id is not None and self._is_pending(i.hold_id):
            self.sheet.void(i.hold_id, reason)

    def call_somebody(self, step: str, reason: str) -> None:
        """It waits for an operator; the money out of the clearing account, which is zero at rest."""
        self._tidy()
        i = self.investment
        if (i.status, i.step, i.reason) != ("needs_operator", step, reason):
            self._note(NeedsOperator(step, reason, i.place))

    # How that is done.
    def _await(self, leg: str, reason: str, *, again: bool) -> None:
        """An operator has to see what becomes of a leg that should not be on its way."""
        movement = self._leg(leg)
        if again and movement is not None:
            self._resume(leg, movement)
        else:
            self.call_somebody(leg, reason)

    def _resume(self, leg: str, movement: Movement) -> None:
        self._tidy(1 if self.investment.left > 0 else 0)
        self._note(Resumed(leg, movement.id))

    def _instruct(self, leg: str, account_id: UUID) -> None:
        i, asked = self.investment, self._asked
        self._tidy(0 if leg == "withdrawal" else 1)
        movement_id = derived_id(i.id, leg, i.attempts)
        instructed = movements.Instructed(
            "investment", i.id, leg, _DIRECTION[leg], str(account_id), asked.currency, asked.amount
        )
        self._tell(movement_id, instructed)
        self._note(Instructed(leg, movement_id))

    def _call_off(self, leg: str, reason: str) -> bool:
        """Whether the bank will not move a leg, since it was called off or is over."""
        movement = self._leg(leg)
        if movement is None or not _is_open(movement):
            return True
        if movement.status != "initiated":
            return False
        self._tell(movement.id, movements.call_off(movement, reason))
        return True

    def _release_seat(self) -> None:
        i, fund = self.investment, self._lookup(self._asked.fund_id)
        assert isinstance(fund, Fund), "an investment's fund is there before it"
        released = funds.release_seat(fund, i.id, self._asked.amount, was_taken=i.seat == "taken")
        self.sheet.add(fund.id, released)

    def _tidy(self, wanted: int = 0) -> None:
        """Leave so many times the amount in the clearing account, by way of suspense."""
        while self.investment.clearing > wanted:
            self._note(SetAside(self._post("set_aside", self._clearing, self._suspense)))
        while self.investment.clearing < wanted:
            self._note(TakenUp(self._post("taken_up", self._suspense, self._clearing)))

    @property
    def _clearing(self) -> UUID:
        return self.sheet.house("clearing", self._asked.currency)

    @property
    def _suspense(self) -> UUID:
        return self.sheet.house("suspense", self._asked.currency)

    def _post(self, what: str, source: UUID, destination: UUID) -> UUID:
        i, asked = self.investment, self._asked
        transfer_id = derived_id(i.id, "transfer", what, i.version)
        self.sheet.post(
            PostTransfer(
                transfer_id, source, destination, asked.amount, asked.currency,
                description="Investment", reference=str(i.id),
            )
        )  # fmt: skip
        return transfer_id

    def _send_back(
        self, what: str, transfer_id: UUID | None, source: UUID, destination: UUID, reason: str
    ) -> UUID:
        """Reverse a transfer; when that was done before, move the money by another one."""
        transfer = None if transfer_id is None else self.sheet.transfer(transfer_id)
        if transfer is None or transfer.reversed:
            return self._post(what, source, destination)
        back = derived_id(self.investment.id, "transfer", what, self.investment.version)
        self.sheet.reverse(transfer.id, back, reason)
        return back

    def _is_pending(self, transfer_id: UUID) -> bool:
        transfer = self.sheet.transfer(transfer_id)
        return transfer is not None and transfer.status == "pending"

    def _leg(self, leg: str) -> Movement | None:
        return self._movement(self.investment.legs.get(leg))

    def _movement(self, movement_id: UUID | None) -> Movement | None:
        if movement_id is None or movement_id in self._movements:
            return None if movement_id is None else self._movements[movement_id]
        movement = self._lookup(movement_id)
        return movement if isinstance(movement, Movement) else None

    def is_open(self, leg: str) -> bool:
        """Whether the bank has yet to say what becomes of a leg."""
        return _is_open(self._leg(leg))

    def call_off_unsent(self, leg: str, reason: str) -> None:
        """Refuses `already_sent`: then only the bank can call it off."""
        movement = self._leg(leg)
        assert movement is not None, "it was instructed with the step that is called off"
        self._tell(movement.id, movements.call_off(movement, reason))

    def write_off(self, leg: str, reason: str) -> None:
        """Take it from an operator that the bank has not moved a leg that it has not answered for."""
        movement = self._leg(leg)
        if movement is not None and _is_open(movement):
            self._tell(movement.id, movements.write_off(movement, reason))

    def _tell(self, movement_id: UUID, event: Event) -> None:
        before = self._movement(movement_id)
        self._movements[movement_id] = movements.evolve(before, event, movement_id)
        self.sheet.add(movement_id, event)

    def _note(self, event: Event) -> None:
        self.sheet.add(self.investment.id, event)
        self.investment = evolve(self.investment, event, self.investment.id)


def _is_open(movement: Movement | None) -> bool:
    return movement is not None and movement.status not in movements.OVER
