"""What the bureau does wrong, to which of the calls, and how often."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from api.sandbox.rules import AnyMatch, AnyRule, Following, Known, decode_rules

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
    known = Known("request", REPORT, frozenset({REFUSE}), "no_file", anywhere=ANSWER)
    return decode_rules(body, Rule, known)
