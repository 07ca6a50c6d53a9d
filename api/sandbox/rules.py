"""The rules by which a service of the sandbox goes wrong: to which of the calls, and how often."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

BEFORE = frozenset({"slow", "500", "429", "drop"})
"""Of the call as such, before the service looks at it. `value`: seconds (slow: of waiting, 429: until to
try again)."""

AFTER = frozenset({"timeout_after_accepting", "drop_after_accepting", "500_after_accepting"})
"""It is done, and the answer gets lost."""


class FaultError(Exception):
    """A rule that cannot be followed; the message says why."""


class AnyMatch(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which calls: all that are given must fit. `nth` counts those that do, from 1."""

    on: str
    nth: int | None = None


class AnyRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`times`: how often it happens at most. A service's own have a `match` with fields of its calls."""

    fault: str
    match: AnyMatch
    times: int | None = None
    value: float | None = None

    @property
    def name(self) -> str:
        return self.fault.partition(":")[0]

    @property
    def reason(self) -> str:
        return self.fault.partition(":")[2]


class Known(NamedTuple):
    """The faults of a service's own. They go with the calls that are `on` this operation, but for those
    that go `anywhere`."""

    on: str
    plain: frozenset[str]
    with_reason: frozenset[str]
    """Written `reject:account_closed`, where `account_closed` is a `reason`."""
    reason: str
    anywhere: frozenset[str] = frozenset()


R = TypeVar("R", bound=AnyRule)


class _Counted(Generic[R]):
    def __init__(self, rule: R) -> None:
        self.rule = rule
        self.matched = 0
        self.happened = 0

    def happens(self, call: Struct) -> bool:
        match = self.rule.match
        for field in call.__struct_fields__:
            wanted = getattr(match, field)
            if wanted is not None and wanted != getattr(call, field):
                return False
        self.matched += 1
        if match.nth is not None and match.nth != self.matched:
            return False
        if self.rule.times is not None and self.happened >= self.rule.times:
            return False
        self.happened += 1
        return True


class Following(Generic[R]):
    """The rules that hold, until they are taken back or the service ends."""

    def __init__(self) -> None:
        self._counted: list[_Counted[R]] = []

    def set(self, rules: Iterable[R]) -> None:
        """These instead of those before."""
        self._counted = [_Counted(rule) for rule in rules]

    def of(self, call: Struct) -> list[R]:
        """What goes wrong with a call; each is counted as having happened. Its fields are the match's."""
        if not self._counted:
            return []
        return [counted.rule for counted in self._counted if counted.happens(call)]


def decode_rules(body: bytes, kind: type[R], known: Known) -> list[R]:
    """Raises `FaultError`."""
    try:
        rules: list[R] = msgspec.json.decode(body, type=list[kind])  # type: ignore[valid-type]
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FaultError(str(error)) from error
    for rule in rules:
        _check(rule, known)
    return rules


def _check(rule: AnyRule, known: Known) -> None:
    plain = BEFORE | AFTER | known.plain | known.anywhere
    if rule.name in known.with_reason:
        if not rule.reason:
            example = f"{rule.name}:{known.reason}"
            raise FaultError(f"{rule.name} needs a reason: {example}, for example")
    elif rule.fault not in plain:
        every = (*sorted(plain), *(f"{name}:…" for name in sorted(known.with_reason)))
        raise FaultError(f"there is no fault {rule.fault!r}; there are {', '.join(every)}")
    if rule.fault not in BEFORE | known.anywhere and rule.match.on != known.on:
        raise FaultError(f"{rule.fault} only goes with {known.on}")
