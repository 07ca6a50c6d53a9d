"""A customer, a fund and flows between them, by a real ledger that refuses nothing."""

from __future__ import annotations

from uuid import UUID, uuid4

from application.ledger import Accepted, Ledger, Submission
from application.ledger.outcomes import Command
from domain.accounts import OpenAccount
from domain.bank_transfers import RequestBankTransfer
from domain.funds import OpenFund
from domain.investments import RequestInvestment
from domain.transfers import PostTransfer
from tests.projections.histories import WHO


class World:
    """Amounts are minor units of euros. `account` has 1,000,000, and is `owner`'s."""

    def __init__(self, ledger: Ledger, seats: int = 100) -> None:
        self.ledger = ledger
        self.owner, self.account, self.fund, self.fund_account = (uuid4() for _ in range(4))
        cash = uuid4()
        self.do(
            OpenAccount(cash, "cash", "cash", "EUR"),
            OpenAccount(self.account, "Al", "checking", "EUR", owner_id=self.owner),
            OpenAccount(self.fund_account, "Forests", "fund", "EUR"),
            PostTransfer(uuid4(), cash, self.account, 1_000_000, "EUR"),
            OpenFund(self.fund, "Forests", "EUR", self.fund_account, 10, 0, seats),
        )

    def do(self, *commands: Command) -> None:
        """Submit commands, one after the other."""
        for command in commands:
            (outcome,) = self.ledger.submit_and_wait(Submission([command], WHO)).outcomes
            assert isinstance(outcome, Accepted), (command, outcome)

    def invest(self, amount: int = 100) -> UUID:
        """Ask for an investment."""
        id_ = uuid4()
        self.do(RequestInvestment(id_, self.account, self.fund, amount, "EUR"))
        return id_

    def bank_transfer(self, kind: str, amount: int = 100) -> UUID:
        """Ask for a deposit or a withdrawal."""
        id_ = uuid4()
        self.do(
            RequestBankTransfer(id_, kind, self.account, "EUR", amount, "sealed:1:AAAA", "**3000")
        )
        return id_
