"""Facts and tables for tests: a small sound table of Mexico's, to be changed in one place."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from itertools import pairwise
from typing import Any

from application.countries.catalogue import COUNTRIES
from application.decisions import Decisions, Facts, Version, read_table

TODAY = date(2026, 6, 1)

Json = dict[str, Any]
Change = Callable[[Json], None]

_REQUIRED = ["country", "credit_score", "monthly_income", "amount_requested"]

SCHEMA: Json = {
    "type": "object",
    "required": _REQUIRED,
    "properties": {
        "country": {"type": "string", "const": "MX"},
        "credit_score": {"type": "integer", "minimum": 0, "maximum": 1000},
        "monthly_income": {"type": "string"},
        "amount_requested": {"type": "string"},
    },
}

_TABLE: Json = {
    "hitPolicy": "collect",
    "inputs": [
        {"id": "s", "name": "Score", "field": "credit_score"},
        {"id": "a", "name": "Amount", "field": "number(amount_requested)"},
    ],
    "outputs": [
        {"id": "d", "name": "Decision", "field": "decision"},
        {"id": "r", "name": "Reason", "field": "reason"},
    ],
    "rules": [
        {"_id": "low", "s": "< 600", "a": "", "d": '"reject"', "r": '"Low"'},
        {
            "_id": "much",
            "s": "",
            "a": "> number(monthly_income) * 4",
            "d": '"reject"',
            "r": '"Much"',
        },
        {"_id": "fine", "s": ">= 600", "a": "", "d": '"approve"', "r": '"Fine"'},
    ],
}


def facts(country: str = "MX", **more: Any) -> Facts:
    """Score 800, income and amount 10,000.00, no debt; `more` is in minor units."""
    known = COUNTRIES.get(country) if isinstance(country, str) else None
    good = {
        "country": country,
        "document_type": "curp",
        "credit_score": 800,
        "monthly_income": 10_000_00,
        "amount_requested": 10_000_00,
        "total_debt": 0,
        "currency": known.currency if known else "EUR",
    }
    return Facts(**{**good, **more})


def document(schema: Json | None = None) -> Json:
    """The table's file as a tree that a test may change."""
    wanted = json.dumps(SCHEMA if schema is None else schema)
    return {
        "contentType": "application/vnd.gorules.decision",
        "nodes": [
            {"id": "in", "type": "inputNode", "name": "Input", "content": {"schema": wanted}},
            {"id": "t", "type": "decisionTableNode", "name": "Credit", "content": deepcopy(_TABLE)},
            {"id": "out", "type": "outputNode", "name": "Output"},
        ],
        "edges": [edge("in", "t"), edge("t", "out")],
    }


def edge(source: str, target: str) -> Json:
    return {"id": f"{source}-{target}", "type": "edge", "sourceId": source, "targetId": target}


def table_in(tree: Json) -> Json:
    """The content of the table that decides."""
    content: Json = next(node for node in tree["nodes"] if node["id"] == "t")["content"]
    return content


def rules(*rows: tuple[str, str, str, str, str]) -> Json:
    """A file with these rows: id, score, amount, decision, reason."""
    tree = document()
    table_in(tree)["rules"] = [
        {"_id": row, "s": score, "a": amount, "d": f'"{said}"', "r": f'"{reason}"'}
        for row, score, amount, said, reason in rows
    ]
    return tree


def decisions(*trees: Json, since: tuple[date, ...] = (), remembered: int = 100) -> Decisions:
    """Of these files; each is in force from its day, or always."""
    days = since or (date.min,) * len(trees)
    return Decisions(
        (
            Version(day, read_table(json.dumps(tree), day.isoformat()))
            for tree, day in zip(trees, days, strict=True)
        ),
        remembered,
    )


def cell(row: int, column: str, text: str) -> Change:
    return lambda tree: table_in(tree)["rules"][row].__setitem__(column, text)


def content(**more: Any) -> Change:
    return lambda tree: table_in(tree).update(more)


def column(kind: str, at: int, **more: Any) -> Change:
    return lambda tree: table_in(tree)[kind][at].update(more)


def changed(*changes: Change, schema: Json | None = None) -> Json:
    tree = document(schema)
    for change in changes:
        change(tree)
    return tree


def add(tree: Json, node: Json) -> None:
    """Between the input and the table."""
    tree["nodes"].append(node)
    tree["edges"] = [edge("in", node["id"]), edge(node["id"], "t"), edge("t", "out")]


def a_node(kind: str, /, **content: Any) -> Change:
    return lambda tree: add(tree, {"id": "x", "type": kind, "name": "Extra", "content": content})


def expressions(*made: tuple[str, str], **more: Any) -> Change:
    some = [{"id": str(at), "key": key, "value": value} for at, (key, value) in enumerate(made)]
    return a_node("expressionNode", **{"expressions": some, "passThrough": True, **more})


def in_a_row(*made: tuple[str, str]) -> Change:
    """An expression node for each, X0, X1, ..., so that each may look at those before."""

    def make(tree: Json) -> None:
        nodes: list[Json] = [
            {
                "id": f"x{at}",
                "type": "expressionNode",
                "name": f"X{at}",
                "content": {
                    "expressions": [{"id": "0", "key": key, "value": value}],
                    "passThrough": True,
                },
            }
            for at, (key, value) in enumerate(made)
        ]
        tree["nodes"] += nodes
        line = ["in", *(node["id"] for node in nodes), "t", "out"]
        tree["edges"] = [edge(*pair) for pair in pairwise(line)]

    return make


def joined(levels: int, width: int) -> Change:
    """Texts that are joined with themselves: each is `width` times as long as the one before."""
    texts = [("v0", f'"{"a" * 400}"')]
    texts += [(f"v{at}", "+".join([f"v{at - 1}"] * width)) for at in range(1, levels + 1)]
    return in_a_row(*texts)
