"""Finds in a decision table what could grow: texts joined and lists nested, node after node."""

from __future__ import annotations

import re
from collections.abc import Iterator

from application.decisions.expressions import ExpressionError, Token, insertions, tokens
from application.decisions.files import (
    MAX_CELLS,
    MAX_NAMES,
    ExpressionContent,
    Node,
    Place,
    Problem,
    TableContent,
    converted,
)
from application.decisions.graph import EXPRESSIONS
from application.decisions.words import MONEY, TEXTS

FACTS_THAT_ARE_TEXTS = frozenset({*MONEY, *TEXTS})

_MAKE_TEXTS = frozenset({"string", "lower", "upper"})
_AS_NUMBER = re.compile(r"\bnumber\(\s*\w+\s*\)", re.ASCII)

Content = ExpressionContent | TableContent


def size_problems(nodes: list[Node]) -> Iterator[Problem]:
    """Of all nodes between input and output: how much there is to compute for one application."""
    contents = [_content(node) for node in nodes]
    cells = sum(
        len(one.rules) * (len(one.inputs) + len(one.outputs))
        for one in contents
        if isinstance(one, TableContent)
    )
    names = sum(len(one.expressions) for one in contents if isinstance(one, ExpressionContent))
    if cells > MAX_CELLS:
        yield Problem(f"its rows times columns are {cells}, and may be {MAX_CELLS}")
    if names > MAX_NAMES:
        yield Problem(f"its expression nodes make {names} names, and may make {MAX_NAMES}")


def growth_problems(node: Node, texts: frozenset[str], *, decides: bool) -> Iterator[Problem]:
    """Of one node; `texts` are the words that may stand for a text in it."""
    here, content = Place(node.name), _content(node)
    if isinstance(content, ExpressionContent):
        for one in content.expressions:
            yield from _value_problems(one.value, texts, here.at(column=one.key))
        return
    rows = [(rule, here.at(row=rule.get("_id", ""))) for rule in content.rules]
    for column in content.inputs:
        yield from _value_problems(column.field, texts, here.at(column=column.name))
        of_column = texts | {"$"} if may_be_text(column.field, texts) else texts
        for rule, row in rows:
            place = row.at(column=column.name)
            yield from _problems(rule.get(column.id, ""), of_column, place, may_insert=False)
    for column in content.outputs:
        for rule, row in rows:
            place, said = row.at(column=column.name), rule.get(column.id, "")
            yield from _value_problems(said, texts, place, may_insert=decides)


def texts_made_by(node: Node, texts: frozenset[str]) -> frozenset[str]:
    """What a node makes that may be a text."""
    content = _content(node)
    if isinstance(content, ExpressionContent):
        return frozenset(one.key for one in content.expressions if may_be_text(one.value, texts))
    return frozenset(
        column.field
        for column in content.outputs
        if any(may_be_text(rule.get(column.id, ""), texts) for rule in content.rules)
    )


def may_be_text(expression: str, texts: frozenset[str]) -> bool:
    """Whether a text is anywhere in it: what it says of a comparison of texts is too much, and harmless."""
    return any(_is_text(token, texts) for token in _tokens(_AS_NUMBER.sub("0", expression)))


def _content(node: Node) -> Content:
    if node.type == EXPRESSIONS:
        return converted(node.content, ExpressionContent, node.name)
    return converted(node.content, TableContent, node.name)


def _value_problems(
    text: str, texts: frozenset[str], place: Place, *, may_insert: bool = False
) -> Iterator[Problem]:
    """Of what makes a value. A list that is one would be put into the next list."""
    yield from _problems(text, texts, place, may_insert=may_insert)
    words = ["", "", *(token.text for token in _tokens(text))]
    for at, word in enumerate(words):
        is_argument = words[at - 1] == "(" and words[at - 2] in ("max", "min")
        if word == "[" and words[at - 1] != "in" and not is_argument:
            yield place("a list may only come after in, or in max([...]) and min([...])")
            return


def _problems(
    text: str, texts: frozenset[str], place: Place, *, may_insert: bool
) -> Iterator[Problem]:
    found = _tokens(_AS_NUMBER.sub("0", text))
    inserted = [each for one in found if one.kind == "template" for each in insertions(one.text)]
    if inserted and not may_insert:
        yield place("only what the table that decides says may have values inserted into it")
    for inner in inserted:
        yield from _problems(inner, texts, place, may_insert=False)
    # What is made a text when all is computed, string(1 + 2), is none while it is.
    computed = found[1:] if found and found[0].text == "string" else found
    if any(one.text == "+" for one in found) and any(_is_text(one, texts) for one in computed):
        yield place("+ is for numbers only: what belongs together in a reason can be a template")


def _is_text(token: Token, texts: frozenset[str]) -> bool:
    if token.kind in ("text", "template"):
        return True
    return token.text in _MAKE_TEXTS or token.text in texts


def _tokens(text: str) -> list[Token]:
    try:
        return list(tokens(text))
    except ExpressionError:
        return []  # what cannot be read is refused already, with its place
