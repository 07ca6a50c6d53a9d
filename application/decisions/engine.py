"""Asks the rules engine, and believes it only where every cell of the table could be computed."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from application.decisions.expressions import Expression, why
from application.decisions.files import Place
from application.decisions.tables import Row, Step, Table
from application.decisions.words import Context


class Match(Struct, frozen=True):
    """A row that fits, and what it says (by output)."""

    row: Row
    says: dict[str, Any]


class EngineError(Exception):
    """The engine failed, or answered what it should not. Its text repeats no fact; `detail` may."""

    def __init__(self, what: str, place: Place, detail: str = "") -> None:
        super().__init__(str(place(what)))
        self.problem = place(f"{what}: {detail}" if detail else what)


def evaluate(table: Table, context: Context) -> tuple[Match, ...]:
    """All rows of the deciding table that fit, in its order. Raises `EngineError`."""
    here = Place(table.name)
    try:
        answer: Any = table.engine.evaluate(context, {"trace": True})
    except RuntimeError as error:
        raise EngineError("it cannot be computed", here, why(error)) from None
    try:
        for step in table.steps:
            _check(step, answer["trace"][step.id]["input"])
        return _matches(table.deciding, answer)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise EngineError("odd answer", here, str(error)[:200]) from error


def _matches(step: Step, answer: Any) -> tuple[Match, ...]:
    traced, said = answer["trace"][step.id]["traceData"], answer["result"]
    if not isinstance(said, list):
        raise TypeError("not a list of rows")
    return tuple(Match(_row(step, trace), says) for trace, says in zip(traced, said, strict=True))


def _row(step: Step, trace: Any) -> Row:
    row: Row = step.rows[trace["index"]]
    if row.id != trace["rule"]["_id"]:
        raise ValueError("another row than the one at its place")
    return row


def _check(step: Step, given: Context) -> None:
    """The engine takes a cell that it cannot compute for one that does not fit, which may skip a "no"."""
    values: list[object] = []
    for column, field in step.columns:
        place = Place(step.name, column=column)
        values.append(_computed(field, given, place))
        if values[-1] is None:
            raise EngineError("a value is missing", place)
    for row in step.rows:
        for cell in row.cells:
            place = Place(step.name, row.id, step.columns[cell.column][0])
            _computed(cell.condition, {**given, "$": values[cell.column]}, place)


def _computed(expression: Expression, context: Context, place: Place) -> object:
    try:
        return expression.value(context)
    except RuntimeError as error:
        raise EngineError("it cannot be computed", place, why(error)) from None
