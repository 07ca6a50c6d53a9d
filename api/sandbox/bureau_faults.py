"""What the bureau does wrong, to which of the calls, and how often."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from api.sandbox.rules import AFTER, BEFORE, AnyMatch, AnyRule, FaultError, Following, decode_rules

Operation = Literal["request", "look"]

REPORT = frozenset({"later", "never_answer", "no_score", "duplicate_webhook", "lost_webhook"})
"""Of what becomes of a report. `later`: `value` is the seconds that it takes."""

ANSWER = frozenset({"garbage"})
"""Of what one answer says."""

REFUSE = "refuse"
"""Written `refuse:no_file`."""


class Match(AnyMatch, frozen=True, forbid_unknown_fields=True, kw_only=True):
    on: Operation = "request"
    country: str | None = None
    document: str | None = None


class Rule(AnyRule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    match: Match = Match()


class Call(Struct, frozen=True):
    """What rules look at."""

    on: Operation
    country: str | None = None
    document: str | None = None


Faults = Following[Rule]


def read_rules(body: bytes) -> list[Rule]:
    """Raises `FaultError`."""
    rules = decode_rules(body, Rule)
    for rule in rules:
        _check(rule)
    return rules


def _check(rule: Rule) -> None:
    plain = BEFORE | AFTER | REPORT | ANSWER
    if rule.name == REFUSE:
        if not rule.reason:
            raise FaultError(f"{REFUSE} needs a reason: {REFUSE}:no_file, for example")
    elif rule.fault not in plain:
        known = ", ".join(sorted(plain))
        raise FaultError(f"there is no fault {rule.fault!r}; there are {known}, {REFUSE}:…")
    if rule.fault not in BEFORE | ANSWER and rule.match.on != "request":
        raise FaultError(f"{rule.fault} only goes with request")
