"""Holds a bank's statement against what the bank was asked to move.

Who is meant is told by references; by amount and day only where a statement tells nothing else. Nothing is
guessed: what does not come out even, a payment in two parts for example, is left for a person to look at.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

from msgspec import Struct

WINDOW_DAYS = 5
"""By amount alone, a line is taken for a movement of at most so many days before."""

_HEX = re.compile(r"[0-9a-f]{32,}")
_SPACING = re.compile(r"[\s\-]+")


class StatementLine(Struct, frozen=True):
    """A line of a statement. `amount` is in minor units, above zero when money came in; `number` is its
    own, from 1; `words` is what else the bank tells, where a reference may stand as well."""

    number: int
    on: date
    amount: int
    currency: str
    references: tuple[str, ...] = ()
    words: str = ""


class InstructedMovement(Struct, frozen=True):
    """What a bank was asked to move. `amount` is above zero; `reference` is what it was given to show,
    `bank_reference` what it calls it by itself.

    `is_due`: it may be in this statement. What has failed, or was settled long before, may not: a line that
    names it all the same is unexpected, and it is not missing.
    """

    id: UUID
    direction: Literal["in", "out"]
    amount: int
    currency: str
    account: str
    reference: str
    instructed_at: datetime
    settled_at: datetime | None = None
    is_due: bool = True
    bank_reference: str = ""

    @property
    def signed(self) -> int:
        """The amount as a statement shows it."""
        return self.amount if self.direction == "in" else -self.amount


class Matched(Struct, frozen=True):
    line: StatementLine
    movement: InstructedMovement
    by: Literal["reference", "amount"]


class Mismatched(Struct, frozen=True):
    """Lines and movements that name each other, and whose amounts do not come out even one by one."""

    lines: tuple[StatementLine, ...]
    movements: tuple[InstructedMovement, ...]


class Unexpected(Struct, frozen=True):
    """A line that nothing was instructed for. `names`: a movement that another line has settled, or that
    is not due."""

    line: StatementLine
    names: UUID | None = None


class Matching(Struct, frozen=True):
    """Every line, and every movement that is due, in one place; by the numbers of lines and the ages of
    movements."""

    matched: tuple[Matched, ...]
    missing: tuple[InstructedMovement, ...]
    unexpected: tuple[Unexpected, ...]
    mismatched: tuple[Mismatched, ...]


def reconcile(lines: Iterable[StatementLine], movements: Iterable[InstructedMovement]) -> Matching:
    """Match lines with movements: by reference first, then by amount and day. The order in which they are
    given does not matter."""
    in_order = sorted(lines, key=lambda line: line.number)
    known = sorted(movements, key=lambda movement: (movement.instructed_at, movement.id))
    by_age = [movement for movement in known if movement.is_due]
    named = _named(in_order, by_age)
    matched: list[Matched] = []
    mismatched: list[Mismatched] = []
    unexpected: list[Unexpected] = []
    for group in _groups(in_order, by_age, named):
        paired = _pair_named(*group, named)
        matched += [Matched(line, movement, "reference") for line, movement in paired]
        left_lines, left_movements = _left(group, paired)
        if left_lines and left_movements:
            mismatched.append(Mismatched(tuple(left_lines), tuple(left_movements)))
            continue
        unexpected += [Unexpected(line, min(named[line.number])) for line in left_lines]
    done = {one.id for group in mismatched for one in group.movements}
    done |= {one.movement.id for one in matched}
    nameless = [line for line in in_order if not named[line.number]]
    free = [movement for movement in by_age if movement.id not in done]
    paired = _pair_by_amount(nameless, free)
    matched += [Matched(line, movement, "amount") for line, movement in paired]
    left_lines, missing = _left((nameless, free), paired)
    others = _named(left_lines, [movement for movement in known if not movement.is_due])
    unexpected += [Unexpected(line, min(others[line.number], default=None)) for line in left_lines]
    return Matching(
        matched=tuple(sorted(matched, key=lambda one: one.line.number)),
        missing=tuple(missing),
        unexpected=tuple(sorted(unexpected, key=lambda one: one.line.number)),
        mismatched=tuple(sorted(mismatched, key=lambda one: one.lines[0].number)),
    )


_Group = tuple[Sequence[StatementLine], Sequence[InstructedMovement]]
_Pairs = list[tuple[StatementLine, InstructedMovement]]


def _named(
    lines: Sequence[StatementLine], movements: Sequence[InstructedMovement]
) -> dict[int, frozenset[UUID]]:
    """By line, the movements that it tells of."""
    by_reference: dict[str, set[UUID]] = defaultdict(set)
    for movement in movements:
        by_reference[movement.id.hex].add(movement.id)
        for reference in (movement.reference, movement.bank_reference):
            if plain := _plain(reference):
                by_reference[plain].add(movement.id)
    return {
        line.number: frozenset(
            id_ for reference in _told(line) for id_ in by_reference.get(reference, ())
        )
        for line in lines
    }


def _told(line: StatementLine) -> Iterator[str]:
    """References of a line, and whatever may be an id among its words, however that was broken up."""
    for text in (*line.references, line.words):
        plain = _plain(text)
        yield plain
        for run in _HEX.findall(plain):
            # What stands before or after it may look like a part of it.
            yield from (run[start : start + 32] for start in range(len(run) - 31))


def _plain(text: str) -> str:
    return _SPACING.sub("", text).lower()


def _groups(
    lines: Sequence[StatementLine],
    movements: Sequence[InstructedMovement],
    named: dict[int, frozenset[UUID]],
) -> Iterator[_Group]:
    """Lines and movements that hang together by their references, each group by itself."""
    telling: dict[UUID, list[StatementLine]] = defaultdict(list)
    for line in lines:
        for id_ in named[line.number]:
            telling[id_].append(line)
    seen: set[int] = set()
    for line in lines:
        if not named[line.number] or line.number in seen:
            continue
        found_lines, found_ids, ahead = {line.number}, set[UUID](), [line]
        while ahead:
            for id_ in named[ahead.pop().number] - found_ids:
                found_ids.add(id_)
                new = [one for one in telling[id_] if one.number not in found_lines]
                found_lines |= {one.number for one in new}
                ahead += new
        seen |= found_lines
        yield (
            [one for one in lines if one.number in found_lines],
            [one for one in movements if one.id in found_ids],
        )


def _pair_named(
    lines: Sequence[StatementLine],
    movements: Sequence[InstructedMovement],
    named: dict[int, frozenset[UUID]],
) -> _Pairs:
    """Lines with movements that they name and that they are even with. Those that leave least to choose
    choose first."""
    free = list(movements)
    pairs: _Pairs = []
    for line in sorted(lines, key=lambda line: (len(named[line.number]), line.number)):
        ids = named[line.number]
        even = (one for one in free if one.id in ids and _even(line, one))
        if (movement := next(even, None)) is not None:
            free.remove(movement)
            pairs.append((line, movement))
    return pairs


def _even(line: StatementLine, movement: InstructedMovement) -> bool:
    return (line.amount, line.currency) == (movement.signed, movement.currency)


def _pair_by_amount(
    lines: Sequence[StatementLine], movements: Sequence[InstructedMovement]
) -> _Pairs:
    """Day by day, each line with the movement of its amount that cannot wait any longer: that makes as
    many pairs as there can be."""
    waiting: dict[tuple[int, str], list[InstructedMovement]] = defaultdict(list)
    for movement in sorted(movements, key=lambda one: (_days(one)[1], one.instructed_at, one.id)):
        waiting[movement.signed, movement.currency].append(movement)
    pairs: _Pairs = []
    for line in sorted(lines, key=lambda line: (line.on, line.number)):
        same = waiting[line.amount, line.currency]
        in_time = (one for one in same if _days(one)[0] <= line.on <= _days(one)[1])
        if (first := next(in_time, None)) is not None:
            same.remove(first)
            pairs.append((line, first))
    return pairs


def _days(movement: InstructedMovement) -> tuple[date, date]:
    """The first and the last day that a line without a reference is taken for it. A bank's day may begin
    before ours, and what takes days is booked days later."""
    last = movement.settled_at or movement.instructed_at
    return (
        movement.instructed_at.date() - timedelta(days=1),
        last.date() + timedelta(days=WINDOW_DAYS),
    )


def _left(group: _Group, paired: _Pairs) -> tuple[list[StatementLine], list[InstructedMovement]]:
    """What of a group has found nobody."""
    lines = {line.number for line, _ in paired}
    movements = {movement.id for _, movement in paired}
    return (
        [line for line in group[0] if line.number not in lines],
        [movement for movement in group[1] if movement.id not in movements],
    )
