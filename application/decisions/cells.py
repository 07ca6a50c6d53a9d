"""Finds in a decision table's rows and cells what could make it say yes by mistake."""

from __future__ import annotations

import re
from collections.abc import Iterator

from application.decisions.expressions import (
    Expression,
    ExpressionError,
    compile_condition,
    compile_value,
    literal,
)
from application.decisions.files import (
    MAX_ROWS,
    Column,
    ExpressionContent,
    Node,
    Place,
    Problem,
    TableContent,
    converted,
)
from application.decisions.graph import EXPRESSIONS
from application.decisions.verdicts import APPROVE, DECISIONS, PRE_APPROVE
from application.decisions.words import MONEY, WORDS, made_up

DECISION, REASON, MOST = "decision", "reason", "max_approved_amount"

_YES = (APPROVE, PRE_APPROVE)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_ROW_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}", re.ASCII)
_AS_NUMBER = re.compile(rf"\bnumber\(\s*({'|'.join(MONEY)})\s*\)", re.ASCII)

Problems = Iterator[Problem]
Rule = dict[str, str]


def made_by(node: Node) -> frozenset[str]:
    """What nodes after this one may look at besides the facts. Raises `UnsoundTableError`."""
    if node.type == EXPRESSIONS:
        made = converted(node.content, ExpressionContent, node.name).expressions
        return frozenset(one.key for one in made)
    content = converted(node.content, TableContent, node.name)
    return frozenset(one.field for one in content.outputs)


def node_problems(node: Node, known: frozenset[str], *, decides: bool) -> Problems:
    """Of one node between input and output. Raises `UnsoundTableError` where it has another shape."""
    here = Place(node.name)
    if node.type == EXPRESSIONS:
        content = converted(node.content, ExpressionContent, node.name)
        yield from _mode_problems(content, here, passes=True)
        yield from _name_problems([one.key for one in content.expressions], known, here)
        for one in content.expressions:
            yield from _value_problems(one.value, known, here.at(column=one.key))
        return
    table = converted(node.content, TableContent, node.name)
    yield from _mode_problems(table, here, passes=not decides)
    yield from _column_problems(table, known, here)
    yield from _row_problems(table, known, here)
    if decides:
        yield from _deciding_problems(table, here)
        return
    if table.hit_policy != "first":
        yield here("its hit policy must be first: it makes one value of each name")
    yield from _name_problems([one.field for one in table.outputs], known, here)


def _mode_problems(
    content: TableContent | ExpressionContent, here: Place, *, passes: bool
) -> Problems:
    if content.execution_mode != "single" or content.input_field or content.output_path:
        yield here("it must take the facts as they are: no loop, input field or output path")
    if content.pass_through != passes:
        yield here(f"it must {'' if passes else 'not '}pass the facts through (passThrough)")


def _name_problems(names: list[str], known: frozenset[str], here: Place) -> Problems:
    for name in names:
        if not _NAME.fullmatch(name) or name in known | WORDS or names.count(name) > 1:
            yield here(f"{name!r} must be a new name in small letters")


def _column_problems(table: TableContent, known: frozenset[str], here: Place) -> Problems:
    ids = [one.id for one in [*table.inputs, *table.outputs]]
    if len(set(ids)) != len(ids) or not all(ids):
        yield here("every column needs an id of its own")
    if not table.inputs or not table.outputs:
        yield here("it needs columns to look at and columns that say something")
    for column in table.inputs:
        place = here.at(column=column.name)
        yield from _value_problems(column.field, known, place, is_compared=True)


def _row_problems(table: TableContent, known: frozenset[str], here: Place) -> Problems:
    if not 0 < len(table.rules) <= MAX_ROWS:
        yield here(f"it needs 1 to {MAX_ROWS} rows")
    ids = {one.id for one in [*table.inputs, *table.outputs]}
    seen: set[str] = set()
    for number, rule in enumerate(table.rules, 1):
        row = rule.get("_id", "")
        place = here.at(row=row or f"number {number}")
        if not _ROW_ID.fullmatch(row) or row in seen:
            yield place("every row needs an _id of its own")
        seen.add(row)
        for key in sorted(set(rule) - {"_id", "_description", *ids}):
            yield place(f"there is no column with the id {key}")
        for column in table.inputs:
            if rule.get(column.id):
                yield from _cell_problems(rule[column.id], column, known, place)
        for column in table.outputs:
            at = place.at(column=column.name)
            if rule.get(column.id):
                yield from _value_problems(rule[column.id], known, at)
            elif column.field != MOST:
                yield at("it must not be empty")


def _cell_problems(text: str, column: Column, known: frozenset[str], row: Place) -> Problems:
    place = row.at(column=column.name)
    try:
        condition = compile_condition(text)
    except ExpressionError as error:
        yield place(str(error))
        return
    yield from _word_problems(condition, known, place, is_compared=True)
    is_text = _is_text(column.field)
    if is_text is not None and is_text != condition.has_text:
        yield place("it compares a number with a text")


def _value_problems(
    text: str, known: frozenset[str], place: Place, *, is_compared: bool = False
) -> Problems:
    try:
        expression = compile_value(text)
    except ExpressionError as error:
        yield place(str(error))
        return
    yield from _word_problems(expression, known, place, is_compared=is_compared)


def _word_problems(
    expression: Expression, known: frozenset[str], place: Place, *, is_compared: bool
) -> Problems:
    for word in sorted(expression.words - known):
        is_fact = word in WORDS
        yield place(f"{word} is {'not required by the schema' if is_fact else 'nothing known'}")
    rest = _AS_NUMBER.sub("", expression.text)
    for word in MONEY:
        if is_compared and re.search(rf"\b{word}\b", rest):
            yield place(f"write number({word}): amounts are texts")


def _is_text(field: str) -> bool | None:
    """Whether a column's value is a text; None where that depends on what an earlier node makes."""
    try:
        return isinstance(compile_value(field).value(made_up({})), str)
    except (ExpressionError, RuntimeError):
        return None


def _deciding_problems(table: TableContent, here: Place) -> Problems:
    if table.hit_policy != "collect":
        yield here("its hit policy must be collect, so that all reasons are known")
    outputs = {one.field: one for one in table.outputs}
    is_known = {DECISION, REASON} <= set(outputs) <= {DECISION, REASON, MOST}
    if not is_known or len(outputs) != len(table.outputs):
        yield here(f"its outputs must be {DECISION} and {REASON}, and may be {MOST}")
        return
    is_yes = False
    for rule in table.rules:
        row = here.at(row=rule.get("_id", ""))
        said = literal(rule.get(outputs[DECISION].id, ""))
        if is_yes and said not in _YES:
            yield row("it comes after a row that says yes, and would not be asked: put it before")
        is_yes = is_yes or said in _YES
        if said not in DECISIONS:
            words = ", ".join(f'"{one}"' for one in DECISIONS)
            yield row.at(column=outputs[DECISION].name)(f"it must be one of {words}")
        if said in _YES and not _looks_at_score(rule, table):
            yield row(f"what says {said} needs a condition on credit_score that none is no part of")
        most = rule.get(outputs[MOST].id, "").strip() if MOST in outputs else ""
        if most and not most.startswith("string("):
            yield row.at(column=outputs[MOST].name)(
                "make it a text, string(...), or digits are lost"
            )


def _looks_at_score(rule: Rule, table: TableContent) -> bool:
    return any(
        column.field.strip() == "credit_score"
        and rule.get(column.id)
        and not _fits_without_score(rule[column.id])
        for column in table.inputs
    )


def _fits_without_score(cell: str) -> bool:
    nobody = {**made_up({}), "credit_score": None, "$": None}
    try:
        return compile_condition(cell).value(nobody) is not False
    except ExpressionError:
        return True
    except RuntimeError:
        return False  # what is not there is neither larger nor smaller than anything
