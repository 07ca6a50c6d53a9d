"""What the bank does wrong, to which of the calls, and how often."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec
from msgspec import Struct

Operation = Literal["instruct", "status", "cancel", "balance"]

BEFORE = frozenset({"slow", "500", "429", "drop"})
"""Of the call as such, before the bank looks at it. `value`: seconds (slow: of waiting, 429: until to
try again)."""

AFTER = frozenset({"timeout_after_accepting", "drop_after_accepting", "500_after_accepting"})
"""The movement is taken on, and the answer gets lost."""

MOVEMENT = frozenset({"duplicate_webhook", "out_of_order_webhooks", "lost_webhook", "never_settle"})
"""Of what happens to the movement afterwards."""

WITH_REASON = frozenset({"reject", "reject_later", "return"})
"""Written `reject:account_closed`: refused at once, failed later, or returned after it was settled
(`value`: seconds in between)."""


class FaultError(Exception):
    """A rule that cannot be followed; the message says why."""


class Match(Struct, frozen=True, forbid_unknown_fields=True):
    """Which calls: all that are given must fit. `nth` counts those that do, from 1."""

    on: Operation = "instruct"
    kind: str | None = None
    account: str | None = None
    amount: int | None = None
    nth: int | None = None


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """`times`: how often it happens at most."""

    fault: str
    match: Match = Match()
    times: int | None = None
    value: float | None = None

    @property
    def name(self) -> str:
        return self.fault.partition(":")[0]

    @property
    def reason(self) -> str:
        return self.fault.partition(":")[2]


class Call(Struct, frozen=True):
    """What rules look at."""

    on: Operation
    kind: str | None = None
    account: str | None = None
    amount: int | None = None


class _Counted:
    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.matched = 0
        self.happened = 0

    def happens(self, call: Call) -> bool:
        match = self.rule.match
        if match.on != call.on:
            return False
        if any(
            wanted is not None and wanted != found
            for wanted, found in (
                (match.kind, call.kind),
                (match.account, call.account),
                (match.amount, call.amount),
            )
        ):
            return False
        self.matched += 1
        if match.nth is not None and match.nth != self.matched:
            return False
        if self.rule.times is not None and self.happened >= self.rule.times:
            return False
        self.happened += 1
        return True


class Faults:
    """The rules that hold, until they are taken back or the bank ends."""

    def __init__(self) -> None:
        self._counted: list[_Counted] = []

    def set(self, rules: Iterable[Rule]) -> None:
        """These instead of those before. Raises `FaultError`."""
        rules = list(rules)
        for rule in rules:
            _check(rule)
        self._counted = [_Counted(rule) for rule in rules]

    def of(self, call: Call) -> list[Rule]:
        """What goes wrong with a call; each is counted as having happened."""
        if not self._counted:
            return []
        return [counted.rule for counted in self._counted if counted.happens(call)]


def read_rules(body: bytes) -> list[Rule]:
    """Raises `FaultError`."""
    try:
        return msgspec.json.decode(body, type=list[Rule])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FaultError(str(error)) from error


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
