"""A decision table's file as it is written (the JDM format), before anything is believed of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

MAX_BYTES = 64 * 1024
MAX_NODES = 20
MAX_ROWS = 200
MAX_CELLS = 2000
"""Rows times columns, of all its tables: each is computed for each application."""

MAX_NAMES = 100
"""That expression nodes make."""

T = TypeVar("T")


class Problem(Struct, frozen=True):
    """What is wrong with a file. `node`, `row` and `column` are "" where it is not about one."""

    what: str
    node: str = ""
    row: str = ""
    column: str = ""

    def __str__(self) -> str:
        place = (("node", self.node), ("row", self.row), ("column", self.column))
        named = ", ".join(f"{kind} {name}" for kind, name in place if name)
        return f"{named}: {self.what}" if named else self.what


class Place(Struct, frozen=True):
    """Where in a file something is."""

    node: str = ""
    row: str = ""
    column: str = ""

    def __call__(self, what: str) -> Problem:
        return Problem(what, self.node, self.row, self.column)

    def at(self, *, row: str = "", column: str = "") -> Place:
        return Place(self.node, row or self.row, column)


class UnsoundTableError(Exception):
    """No decision may be made with this file; `problems` has all that was found."""

    def __init__(self, problems: Sequence[Problem], file: str = "") -> None:
        self.problems = tuple(problems)
        told = "; ".join(map(str, self.problems))
        super().__init__(f"decision table {file}: {told}" if file else told)


class Column(Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    name: str
    field: str
    type: str = "expression"


class TableContent(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    hit_policy: str
    inputs: list[Column]
    outputs: list[Column]
    rules: list[dict[str, str]]
    pass_through: bool = False
    execution_mode: str = "single"
    input_field: str | None = None
    output_path: str | None = None


class Made(Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    key: str
    value: str


class ExpressionContent(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    expressions: list[Made]
    pass_through: bool = False
    execution_mode: str = "single"
    input_field: str | None = None
    output_path: str | None = None


class InputContent(Struct, frozen=True, forbid_unknown_fields=True):
    schema: str = ""


class Property(Struct, frozen=True, forbid_unknown_fields=True):
    """What a table demands of one fact. Nothing else of JSON Schema: no pattern, no reference."""

    type: str = ""
    const: str | None = None
    enum: list[str] | None = None
    minimum: int | None = None
    maximum: int | None = None
    title: str = ""
    description: str = ""


class Schema(Struct, frozen=True, forbid_unknown_fields=True):
    type: str
    required: list[str]
    properties: dict[str, Property]


class Node(Struct, frozen=True):
    id: str
    type: str
    name: str
    content: Any = None


class Edge(Struct, frozen=True, rename="camel"):
    source_id: str
    target_id: str


class File(Struct, frozen=True):
    nodes: list[Node]
    edges: list[Edge]


class Parsed(Struct, frozen=True):
    """A file, and what was read as the engine gets it: written anew, so that both read the same."""

    file: File
    for_engine: str
    digest: str


def parse(text: str | bytes) -> Parsed:
    """Raises `UnsoundTableError`."""
    if len(text) > MAX_BYTES:
        raise UnsoundTableError([Problem(f"the file is larger than {MAX_BYTES // 1024} KiB")])
    try:
        tree = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        for_engine = json.dumps(tree, ensure_ascii=False)
        raw = text.encode() if isinstance(text, str) else text
        for_engine.encode()  # half a character, written as \ud800, is none
    except (ValueError, RecursionError) as error:
        raise UnsoundTableError([Problem(f"this is not JSON: {error}")]) from None
    if "\\u0000" in for_engine:
        raise UnsoundTableError([Problem("there is a NUL character in it")])
    return Parsed(converted(tree, File, ""), for_engine, hashlib.sha256(raw).hexdigest())


def converted(tree: Any, shape: type[T], node: str) -> T:
    """A part of the file in its shape. Raises `UnsoundTableError` that names the place."""
    try:
        return msgspec.convert(tree, shape)
    except msgspec.ValidationError as error:
        raise UnsoundTableError([Problem(str(error), node)]) from None


def schema_of(node: Node) -> Schema:
    """What the input node demands. Raises `UnsoundTableError`, also when it demands nothing."""
    content = converted(node.content or {}, InputContent, node.name)
    if not content.schema.strip():
        raise UnsoundTableError([Problem("it needs a schema with the required facts", node.name)])
    try:
        tree = json.loads(content.schema, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise UnsoundTableError([Problem(f"its schema is not JSON: {error}", node.name)]) from None
    return converted(tree, Schema, node.name)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(pairs)
    if len(named) != len(pairs):
        raise ValueError("a name is given twice in one object")
    return named


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")
