"""What the bank does wrong, to which of the calls, and how often."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from api.sandbox.rules import AnyMatch, AnyRule, Following, Known, decode_rules

Operation = Literal["instruct", "status", "cancel", "balance"]

MOVEMENT = frozenset({"duplicate_webhook", "out_of_order_webhooks", "lost_webhook", "never_settle"})
"""Of what happens to the movement afterwards."""

WITH_REASON = frozenset({"reject", "reject_later", "return"})
"""Written `reject:account_closed`: refused at once, failed later, or returned after it was settled
(`value`: seconds in between)."""


class Match(AnyMatch, frozen=True, forbid_unknown_fields=True, kw_only=True):
    on: Operation = "instruct"
    kind: str | None = None
    account: str | None = None
    amount: int | None = None


class Rule(AnyRule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    match: Match = Match()


class Call(Struct, frozen=True):
    """What rules look at."""

    on: Operation
    kind: str | None = None
    account: str | None = None
    amount: int | None = None


Faults = Following[Rule]


def read_rules(body: bytes) -> list[Rule]:
    """Raises `FaultError`."""
    return decode_rules(body, Rule, Known("instruct", MOVEMENT, WITH_REASON, "account_closed"))
