"""The matrix: each step that a bank carries out, each thing that can go wrong with it, each moment at which
a worker can end meanwhile; and how the flow ends."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any, Literal, NamedTuple

from application.outbound.bank import REASONS, Handling
from tests.support.crashing import Moment

Leg = Literal["withdrawal", "deposit", "refund", "collection", "payout"]
Outcome = Literal["moves", "fails", "waits", "overdue", "comes_back"]
"""What a fault amounts to: the bank does it after all, will not do it, nobody knows or somebody has to
decide, it is called off after too long, or it is undone by the bank afterwards."""
After = Literal["retry", "compensate"]
"""What an operator does once nothing goes wrong any more."""

LEGS: tuple[Leg, ...] = ("withdrawal", "deposit", "refund", "collection", "payout")
CRASHES: tuple[Moment | None, ...] = (None, "before", "after")

REFUSED = "account_closed"
"""Why the deposit of an investment that is refunded fails."""

STRANGE = "moon_in_the_wrong_phase"
"""A reason that nobody has heard of."""


class Fault(NamedTuple):
    """`rule` is one of the sandbox's, without what it matches."""

    name: str
    rule: dict[str, Any] | None
    outcome: Outcome
    reason: str = ""


class End(NamedTuple):
    """Where a flow ends. Of a flow that has come to a good end no step or reason is told."""

    status: str
    step: str = ""
    reason: str = ""


class Cell(NamedTuple):
    leg: Leg
    fault: Fault
    crash: Moment | None

    @property
    def flow(self) -> Literal["investment", "deposit", "withdrawal"]:
        match self.leg:
            case "collection":
                return "deposit"
            case "payout":
                return "withdrawal"
            case _:
                return "investment"

    @property
    def ends(self) -> frozenset[End]:
        """How it may end: more than one where it depends on which of two things comes first."""
        return frozenset(_ends(self))

    def after(self, action: After) -> End | None:
        """How it ends once nothing goes wrong any more, and an operator has done this. None: nothing is
        to be done, or it cannot be done."""
        if self.fault.outcome == "comes_back":
            return None
        if self.leg == "refund":
            return End("failed", "deposit", REFUSED) if action == "retry" else None
        if self.fault.outcome != "waits":
            return None
        if action == "retry":
            return End("completed")
        return End("failed", self._step, "given up")

    @property
    def _step(self) -> str:
        return self.leg if self.flow == "investment" else self.flow


def _ends(cell: Cell) -> Iterator[End]:
    fault, step, reason = cell.fault, cell._step, cell.fault.reason
    match fault.outcome, cell.leg:
        case "moves", "refund":
            yield End("failed", "deposit", REFUSED)
        case "moves", _:
            yield End("completed")
        case "waits", _:
            yield End("needs_operator", step, reason)
        case (("fails" | "overdue" | "comes_back"), "refund"):
            yield End("needs_operator", step, reason)
        case "fails" | "overdue", _:
            yield End("failed", step, reason)
        case "comes_back", "withdrawal":
            yield End("needs_operator", step, reason)  # it is in the fund already
            yield End("failed", step, reason)  # the deposit could be called off
        case "comes_back", "deposit":
            yield End("failed", step, reason)
        case _:
            yield End("returned")
            yield End("failed", step, reason)  # the money had not been booked yet


def cells() -> list[Cell]:
    """Of reasons that are dealt with alike one goes with each step and each crash, and each of the others
    with one step: they are words in one table."""
    alike = list(_alike())
    every = [
        Cell(leg, fault, crash)
        for leg in LEGS
        for fault in (*_PLAIN, *(faults[0] for faults in alike))
        for crash in CRASHES
    ]
    others = [fault for faults in alike for fault in faults[1:]]
    return every + [Cell(leg, fault, None) for fault, leg in zip(others, cycle(LEGS))]


def _alike() -> Iterator[list[Fault]]:
    words = {**REASONS, STRANGE: Handling.MANUAL}
    for handling in Handling:
        reasons = [reason for reason, handled in words.items() if handled is handling]
        yield [_rejected(reason, handling) for reason in reasons]
        if handling is Handling.FAILURE:
            yield [
                Fault(f"{reason} later", {"fault": f"reject_later:{reason}"}, "fails", reason)
                for reason in reasons
            ]
    yield [
        Fault(
            f"{reason} after all", {"fault": f"return:{reason}", "value": 2.0}, "comes_back", reason
        )
        for reason in ("account_closed", "refused_by_holder", "recalled")
    ]


def _rejected(reason: str, handling: Handling) -> Fault:
    name, rule = f"{reason} at once", {"fault": f"reject:{reason}"}
    match handling:
        case Handling.FAILURE:
            return Fault(name, rule, "fails", reason)
        case Handling.RETRY:
            return Fault(name, {**rule, "times": 2}, "moves")
        case Handling.MANUAL:
            return Fault(name, rule, "waits", reason)


_PLAIN = (
    Fault("nothing", None, "moves"),
    Fault("slow", {"fault": "slow", "value": 0.3}, "moves"),
    Fault("500 twice", {"fault": "500", "times": 2}, "moves"),
    Fault("500 for ever", {"fault": "500"}, "waits", "bank_silent"),
    Fault("429 twice", {"fault": "429", "times": 2, "value": 0}, "moves"),
    Fault("429 for ever", {"fault": "429", "value": 0}, "waits", "bank_silent"),
    Fault("time-out", {"fault": "timeout_after_accepting", "times": 1}, "moves"),
    Fault("dropped twice", {"fault": "drop", "times": 2}, "moves"),
    Fault("dropped for ever", {"fault": "drop"}, "waits", "bank_silent"),
    Fault("answer dropped", {"fault": "drop_after_accepting", "times": 1}, "moves"),
    Fault("500 afterwards", {"fault": "500_after_accepting", "times": 1}, "moves"),
    Fault("doubled webhooks", {"fault": "duplicate_webhook"}, "moves"),
    Fault("webhooks out of order", {"fault": "out_of_order_webhooks"}, "moves"),
    Fault("lost webhooks", {"fault": "lost_webhook"}, "moves"),
    Fault("never settled", {"fault": "never_settle"}, "overdue", "timeout"),
)
