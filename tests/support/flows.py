"""Funds, investments, deposits and withdrawals in tests, and what the bank and the worker do to them,
put into the ledger without either."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx2

from application.ledger import Accepted, Ledger
from application.ledger.outcomes import Command
from domain.bank_transfers import BankTransfer, BookBankTransfer, FailBankTransfer
from domain.investments import BookLeg, CompensateInvestment, FailLeg, HoldSource, Investment
from domain.movements import ReportMovement, SendMovement, derived_id
from tests.support.ledgers import accepted

Json = dict[str, Any]

IBAN = "DE89370400440532013000"

_PATIENCE = 6
"""So many signs of life of a stream without a word are enough: a minute and a half."""


class Steps:
    """Drives flows in a ledger, one step after the other."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def hold(self, investment_id: str) -> Investment:
        """The money is held, or the investment has failed."""
        return self._investment(HoldSource(UUID(investment_id)))

    def settle(self, investment_id: str, leg: str, attempt: int) -> Investment:
        """The bank takes a leg on and moves it; the ledger follows."""
        id_ = UUID(investment_id)
        self._move(derived_id(id_, leg, attempt))
        return self._investment(BookLeg(id_, leg))

    def fail(self, investment_id: str, leg: str, attempt: int, reason: str) -> Investment:
        """The bank refuses a leg."""
        self.send(derived_id(UUID(investment_id), leg, attempt))
        return self.fail_sent(investment_id, leg, attempt, reason)

    def fail_sent(self, investment_id: str, leg: str, attempt: int, reason: str) -> Investment:
        """The bank refuses a leg that it was sent."""
        id_ = UUID(investment_id)
        movement_id = derived_id(id_, leg, attempt)
        accepted(self.ledger, ReportMovement(movement_id, "failed", reason=reason, sequence=3))
        return self._investment(FailLeg(id_, leg, reason))

    def compensate(self, investment_id: str) -> Investment:
        """An operator has it undone."""
        return self._investment(CompensateInvestment(UUID(investment_id)))

    def complete(self, investment_id: str) -> Investment:
        """All of it, as when nothing goes wrong."""
        self.hold(investment_id)
        self.settle(investment_id, "withdrawal", 0)
        return self.settle(investment_id, "deposit", 1)

    def book(self, bank_transfer_id: str) -> BankTransfer:
        """The bank moves a deposit or a withdrawal; the ledger follows."""
        id_ = UUID(bank_transfer_id)
        self._move(derived_id(id_, "movement"))
        return self._bank_transfer(BookBankTransfer(id_))

    def refuse(self, bank_transfer_id: str, reason: str) -> BankTransfer:
        """The bank will not move it."""
        id_ = UUID(bank_transfer_id)
        movement_id = derived_id(id_, "movement")
        accepted(self.ledger, SendMovement(movement_id))
        accepted(self.ledger, ReportMovement(movement_id, "failed", reason=reason, sequence=3))
        return self._bank_transfer(FailBankTransfer(id_, reason))

    def send(self, movement_id: UUID) -> None:
        accepted(self.ledger, SendMovement(movement_id))

    def _move(self, movement_id: UUID) -> None:
        self.send(movement_id)
        reference = f"B-{movement_id.hex[:8]}"
        for number, status in enumerate(("accepted", "settled"), 1):
            command = ReportMovement(movement_id, status, reference, sequence=2 * number)
            accepted(self.ledger, command)

    def _investment(self, command: Command) -> Investment:
        state = self._state(command).state
        assert isinstance(state, Investment)
        return state

    def _bank_transfer(self, command: Command) -> BankTransfer:
        state = self._state(command).state
        assert isinstance(state, BankTransfer)
        return state

    def _state(self, command: Command) -> Accepted:
        return accepted(self.ledger, command)


def fund_body(**more: object) -> Json:
    """A fund that takes 100.00 to 5,000.00 EUR, five times."""
    return {
        "name": "First Fund",
        "currency": "EUR",
        "minimum_investment": "100.00",
        "maximum_investment": "5000.00",
        "seats": 5,
        **more,
    }


def make_fund(admin: httpx2.Client, **more: object) -> str:
    answer = admin.post("/api/funds", json=fund_body(**more))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def investing(account_id: str, fund_id: str, amount: str = "100.00", **more: object) -> Json:
    """The body of an investment."""
    return {
        "investor_account_id": account_id,
        "fund_id": fund_id,
        "amount": amount,
        "currency": "EUR",
        **more,
    }


def invest(client: httpx2.Client, account_id: str, fund_id: str, amount: str = "100.00") -> Json:
    """An investment that was asked for, as it was answered."""
    answer = client.post("/api/investments", json=investing(account_id, fund_id, amount))
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def transferring(account_id: str, amount: str = "50.00", **more: object) -> Json:
    """The body of a deposit or a withdrawal."""
    return {
        "account_id": account_id,
        "amount": amount,
        "currency": "EUR",
        "bank_account": {"iban": IBAN},
        **more,
    }


class Heard:
    """What a stream of server-sent events says, event by event."""

    def __init__(self, stream: httpx2.Response) -> None:
        assert stream.status_code == 200, stream.read()
        self._lines = stream.iter_lines()

    def __iter__(self) -> Iterator[tuple[str, str, str]]:
        """Event, id (empty when there is none), and data, until the stream ends."""
        event = id_ = data = ""
        quiet = 0
        for line in self._lines:
            name, _, value = line.partition(": ")
            quiet += not name and bool(value)
            assert quiet < _PATIENCE, "nothing more comes"
            if name == "event":
                event = value
            elif name == "id":
                id_ = value
            elif name == "data":
                data = value
            elif not line and event:
                yield event, id_, data
                event = id_ = data = ""
