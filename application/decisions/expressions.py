"""The few words that a cell of a decision table may use: none guesses, waits, or looks outside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

if TYPE_CHECKING:  # the engine is loaded where one is asked: commands without tables go without it
    import zen

MAX_LENGTH = 500
"""Characters of one cell."""

FUNCTIONS = frozenset(
    {"abs", "ceil", "floor", "lower", "max", "min", "number", "round", "string", "upper"}
)
"""No function of these reads a clock, throws dice or goes through a list of unknown length."""

_KEYWORDS = frozenset({"and", "or", "not", "in", "true", "false"})
_TOKEN = re.compile(
    r"""(?P<space>\s+) | (?P<text>"[^"\\]*"|'[^'\\]*') | (?P<template>`[^`\\]*`)
    | (?P<number>\d+(?:\.\d+)?) | (?P<word>[A-Za-z_]\w*) | (?P<sign>\.\.|[<>=!]=|[-+*/<>()\[\],$])""",
    re.VERBOSE | re.ASCII,
)
_INSERTED = re.compile(r"\$\{([^{}]*)\}")

Kind = Literal["value", "condition"]


class Token(Struct, frozen=True):
    kind: str
    text: str


class Expression(Struct, frozen=True):
    """A cell's expression, ready to be computed. A condition speaks of its column's value, as `$`."""

    text: str
    words: frozenset[str]
    """What it reads: names of facts, or of what an earlier node made."""
    has_text: bool
    """Whether a text stands in it."""
    compiled: zen.Expression

    def value(self, context: dict[str, object]) -> object:
        """Raises `RuntimeError` when the engine cannot compute it."""
        read = {word: context[word] for word in (*self.words, "$") if word in context}
        return self.compiled.evaluate(read)


class ExpressionError(ValueError):
    """Its text says to whoever wrote the cell what is wrong with it."""


def compile_value(text: str) -> Expression:
    """An expression that makes a value. Raises `ExpressionError`."""
    return _compiled(text, "value")


def compile_condition(text: str) -> Expression:
    """A cell of an input column. Raises `ExpressionError`."""
    return _compiled(text, "condition")


def literal(text: str) -> str | None:
    """What a quoted text says; None for every other expression."""
    match = _TOKEN.fullmatch(text.strip())
    return match["text"][1:-1] if match and match["text"] else None


def tokens(text: str) -> Iterator[Token]:
    """Raises `ExpressionError` at what is no part of an expression here."""
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ExpressionError(f"{text[at]!r} may not be used here")
        if match.lastgroup != "space":
            yield Token(str(match.lastgroup), match[0])
        at = match.end()


def insertions(template: str) -> list[str]:
    """The expressions in a template: ${...}."""
    return _INSERTED.findall(template)


def why(error: RuntimeError) -> str:
    """What the engine says, without the trace of its inside that comes after the first line."""
    first = str(error).partition("\n")[0]
    try:
        said = json.loads(first)
    except ValueError:
        return first[:200]
    source = said.get("source") if isinstance(said, dict) else None
    return str(source or first)[:200]


def _compiled(text: str, kind: Kind) -> Expression:
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"it is longer than {MAX_LENGTH} characters")
    import zen

    words = frozenset(_words(text, kind))
    has_text = any(token.kind in ("text", "template") for token in tokens(text))
    build = zen.compile_expression if kind == "value" else zen.compile_unary_expression
    try:
        return Expression(text, words, has_text, build(text))
    except RuntimeError as error:
        raise ExpressionError(f"the engine cannot read it: {why(error)}") from None


def _words(text: str, kind: Kind) -> Iterator[str]:
    found = list(tokens(text))
    for token, after in zip(found, [*found[1:], Token("end", "")], strict=False):
        if token.kind == "template":
            yield from _inserted(token.text)
        elif token.kind == "word":
            yield from _word(token.text, is_called=after.text == "(")
        elif token.text == "$" and kind == "value":
            raise ExpressionError("$ is the value of an input column: there is none here")
        elif token.text == "/" and not _divides_well(after):
            raise ExpressionError(
                "divide by a number only, or multiply the other side: by 0 is nothing"
            )


def _word(name: str, *, is_called: bool) -> Iterator[str]:
    if is_called and name not in _KEYWORDS:
        if name not in FUNCTIONS:
            raise ExpressionError(f"{name}() may not be used; {', '.join(sorted(FUNCTIONS))} may")
    elif name not in _KEYWORDS:
        yield name


def _inserted(template: str) -> Iterator[str]:
    if "${" in _INSERTED.sub("", template):
        raise ExpressionError("what stands between ${ and } may have no braces of its own")
    for inner in insertions(template):
        yield from _words(inner, "value")


def _divides_well(divisor: Token) -> bool:
    return divisor.kind == "number" and float(divisor.text) != 0
