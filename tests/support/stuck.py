"""Flows that wait for an operator, and the ways in which they came to that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from msgspec.structs import replace

from application.ledger import Ledger
from application.processes import investments
from application.processes.definitions import Reaction
from domain.events import Recorded
from domain.movements import GiveUp, SendMovement
from tests.support.money import Money
from tests.support.stepping import stepping

PROCESS = "investments"


class StuckOnPurposeError(Exception):
    """Raised by a process that is broken on purpose."""


class Stuck:
    """Makes them, in a ledger that nobody else drives."""

    def __init__(self, ledger: Ledger, conninfo: str) -> None:
        self.money = Money(ledger, conninfo)
        self._fund_id = self.money.fund()

    def at_an_event(self) -> UUID:
        """An investment whose request its process cannot deal with."""
        investment_id = self.money.invest(self._fund_id)
        broken = replace(investments.process(), react=_break)
        with stepping(self.money.ledger, self.money.conninfo, broken) as steps:
            steps.work()
        return investment_id

    def for_a_decision(self) -> UUID:
        """An investment of whose withdrawal the bank has said nothing."""
        investment_id = self.money.invest(self._fund_id)
        self.go_on()
        movement_id = self.money.state(investment_id).legs["withdrawal"]
        self.money.submit(SendMovement(movement_id), GiveUp(movement_id, "bank_silent"))
        self.go_on()
        return investment_id

    def running(self) -> UUID:
        """An investment that waits for its bank, as it should."""
        investment_id = self.money.invest(self._fund_id)
        self.go_on()
        return investment_id

    def go_on(self) -> None:
        """The process reacts to all that has happened."""
        with stepping(self.money.ledger, self.money.conninfo, investments.process()) as steps:
            steps.work()


def _break(event: Recorded) -> Reaction:
    raise StuckOnPurposeError("on purpose")


@contextmanager
def getting_stuck(conninfo: str) -> Iterator[Stuck]:
    with Ledger(conninfo) as ledger:
        yield Stuck(ledger, conninfo)
