"""Reads a decision table's file: whatever could make it say yes by mistake is refused here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from application.decisions.bounds import (
    FACTS_THAT_ARE_TEXTS,
    growth_problems,
    size_problems,
    texts_made_by,
)
from application.decisions.cells import made_by, node_problems
from application.decisions.engine import EngineError, evaluate
from application.decisions.expressions import Expression, compile_condition, compile_value, why
from application.decisions.files import (
    ExpressionContent,
    Node,
    Problem,
    TableContent,
    UnsoundTableError,
    converted,
    parse,
    schema_of,
)
from application.decisions.graph import EXPRESSIONS, in_line, schema_problems
from application.decisions.tables import Cell, Row, Step, Table
from application.decisions.words import made_up

if TYPE_CHECKING:
    import zen


def read_table(text: str | bytes, version: str) -> Table:
    """Raises `UnsoundTableError` with everything that is wrong, each with its node, row and column."""
    parsed = parse(text)
    line = in_line(parsed.file)
    schema = schema_of(line[0])
    problems = list(schema_problems(schema, line[0].name))
    too_much = list(size_problems(line[1:-1]))
    if too_much:
        raise UnsoundTableError([*problems, *too_much])
    known, texts = frozenset(schema.required), FACTS_THAT_ARE_TEXTS
    for node in line[1:-1]:
        problems += growth_problems(node, texts, decides=node is line[-2])
        problems += node_problems(node, known, decides=node is line[-2])
        known |= made_by(node)
        texts |= texts_made_by(node, texts)
    if problems:
        raise UnsoundTableError(problems)
    table = Table(
        country=str(schema.properties["country"].const),
        version=version,
        digest=parsed.digest,
        required=tuple(schema.required),
        properties=schema.properties,
        steps=tuple(_step(node) for node in line[1:-1]),
        engine=_engine(parsed.for_engine),
    )
    _try(table)
    return table


def _step(node: Node) -> Step:
    if node.type == EXPRESSIONS:
        made = converted(node.content, ExpressionContent, node.name).expressions
        words = _words(compile_value(one.value) for one in made)
        return Step(node.id, node.name, frozenset(one.key for one in made), words)
    content = converted(node.content, TableContent, node.name)
    columns = tuple((one.name, compile_value(one.field)) for one in content.inputs)
    rows = tuple(_row(rule, content) for rule in content.rules)
    said = (text for row in rows for text in row.says.values() if text)
    words = _words(
        [
            *(field for _, field in columns),
            *(cell.condition for row in rows for cell in row.cells),
            *map(compile_value, said),
        ]
    )
    makes = frozenset(one.field for one in content.outputs)
    return Step(node.id, node.name, makes, words, columns, rows)


def _row(rule: dict[str, str], content: TableContent) -> Row:
    cells = tuple(
        Cell(at, compile_condition(rule[column.id]))
        for at, column in enumerate(content.inputs)
        if rule.get(column.id)
    )
    return Row(rule["_id"], cells, {one.field: rule.get(one.id, "") for one in content.outputs})


def _words(expressions: Iterable[Expression]) -> frozenset[str]:
    return frozenset(word for one in expressions for word in one.words)


def _engine(text: str) -> zen.ZenDecision:
    import zen

    try:
        decision = zen.ZenEngine().create_decision(text)
        decision.validate()
    except RuntimeError as error:
        raise UnsoundTableError([Problem(f"the engine cannot read it: {why(error)}")]) from None
    return decision


def _try(table: Table) -> None:
    """Computes every cell once: the engine takes one that it cannot compute for one that does not fit."""
    try:
        evaluate(table, made_up(table.properties))
    except EngineError as error:
        found = error.problem
        what = f"with a made-up application: {found.what}"
        raise UnsoundTableError([msgspec.structs.replace(found, what=what)]) from None
