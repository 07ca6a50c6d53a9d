"""Finds what is wrong with a decision table's nodes, and with what its input demands."""

from __future__ import annotations

import re
from collections.abc import Iterator

from application.decisions.files import (
    MAX_NODES,
    File,
    Node,
    Place,
    Problem,
    Schema,
    UnsoundTableError,
)
from application.decisions.words import NUMBERS, WORDS

INPUT, TABLE, EXPRESSIONS, OUTPUT = (
    "inputNode",
    "decisionTableNode",
    "expressionNode",
    "outputNode",
)
"""The nodes that are understood here. What runs a program of its own is not among them."""

_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_ONE_LINE = "the nodes must stand in one line, from input to output"


def in_line(file: File) -> list[Node]:
    """The nodes from input to output, one after the other. Raises `UnsoundTableError`."""
    problems = [*_node_problems(file), *_edge_problems(file)]
    if problems:
        raise UnsoundTableError(problems)
    nodes = {node.id: node for node in file.nodes}
    following = {edge.source_id: edge.target_id for edge in file.edges}
    line = [next(node for node in file.nodes if node.type == INPUT)]
    while line[-1].id in following and len(line) <= len(nodes):
        line.append(nodes[following[line[-1].id]])
    if len(line) != len(nodes) or line[-1].type != OUTPUT:
        raise UnsoundTableError([Problem(_ONE_LINE)])
    if line[-2].type != TABLE:
        raise UnsoundTableError(
            [Problem("the last node before the output must be a decision table")]
        )
    return line


def schema_problems(schema: Schema, node: str) -> Iterator[Problem]:
    """What the input must demand, so that nothing is decided on what is not known."""
    here = Place(node)
    if schema.type != "object":
        yield here("its schema must be of type object")
    for word in sorted({*schema.required, *schema.properties} - WORDS):
        yield here(f"{word} is nothing that is known; {', '.join(sorted(WORDS))} are")
    for word in sorted(set(schema.required) & WORDS):
        wanted = "integer" if word in NUMBERS else "string"
        demand = schema.properties.get(word)
        if demand is None or demand.type != wanted:
            yield here(f"{word} must be of type {wanted} in the schema")
    if "credit_score" not in schema.required:
        yield here("credit_score must be required")
    country = schema.properties.get("country")
    if "country" not in schema.required or not (
        country and country.const and _COUNTRY.fullmatch(country.const)
    ):
        yield here('country must be required, with the country\'s code as its const: "MX"')


def _node_problems(file: File) -> Iterator[Problem]:
    if len(file.nodes) > MAX_NODES:
        yield Problem(f"there are more than {MAX_NODES} nodes")
    for node in file.nodes:
        if node.type not in (INPUT, TABLE, EXPRESSIONS, OUTPUT):
            yield Problem(f"a {node.type} may not be used: tables and expressions only", node.name)
        if not node.id or not node.name.strip():
            yield Problem("every node needs an id and a name", node.name or node.id)
    for kind in (INPUT, OUTPUT):
        if sum(node.type == kind for node in file.nodes) != 1:
            yield Problem(f"there must be one {kind}")
    if len({node.id for node in file.nodes}) != len(file.nodes):
        yield Problem("two nodes have the same id")


def _edge_problems(file: File) -> Iterator[Problem]:
    sources = [edge.source_id for edge in file.edges]
    targets = [edge.target_id for edge in file.edges]
    if {*sources, *targets} - {node.id for node in file.nodes}:
        yield Problem("an edge leads from or to a node that is not there")
    if len(set(sources)) != len(sources) or len(set(targets)) != len(targets):
        yield Problem(_ONE_LINE)
