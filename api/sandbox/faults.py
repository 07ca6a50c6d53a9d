"""What the bank does wrong, to which of the calls, and how often."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from api.sandbox.rules import AFTER, BEFORE, AnyMatch, AnyRule, FaultError, Following, decode_rules

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
    rules = decode_rules(body, Rule)
    for rule in rules:
        _check(rule)
    return rules


def _check(rule: Rule) -> None:
    plain = BEFORE | AFTER | MOVEMENT
    if rule.name in WITH_REASON:
        if not rule.reason:
            raise FaultError(f"{rule.name} needs a reason: {rule.name}:account_closed, for example")
    elif rule.fault not in plain:
        known = ", ".join(sorted(plain)) + ", " + ", ".join(f"{n}:…" for n in sorted(WITH_REASON))
        raise FaultError(f"there is no fault {rule.fault!r}; there are {known}")
    if rule.fault not in BEFORE and rule.match.on != "instruct":
        raise FaultError(f"{rule.fault} only goes with instruct")
