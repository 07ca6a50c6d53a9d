"""How reconciliations are held against the log: what it says is found by other ways than theirs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, LiteralString

from domain import catalogue
from domain.events import Recorded
from domain.reconciliations import Made
from projections.compared_table import Compared

_LISTS = ("matched", "missing", "unexpected", "mismatched")


def of_reconciliations(batch: Sequence[Recorded]) -> Iterator[tuple[Any, ...]]:
    """A row a reconciliation. What was found is taken from the event as it is stored."""
    for event in batch:
        made = event.data
        if not isinstance(made, Made):
            continue
        stored = json.loads(catalogue.encode(made))
        found = {name: stored.get(name, []) for name in _LISTS}
        settled = sum(bool(one.get("settled")) for one in found["missing"])
        yield (
            event.stream_id, stored["account"], stored["currency"],
            date.fromisoformat(stored["opened_on"]), date.fromisoformat(stored["closed_on"]),
            stored["statement_reference"], stored["number"], stored["digest"],
            stored.get("source", ""), stored["opening"], stored["closing"], stored["lines"],
            stored["movements"], *(stored[f"{name}_total"] for name in _LISTS),
            stored["unexpected_total"] + stored["mismatched_total"] + settled == 0,
            json.dumps(found), event.recorded_at, event.position,
        )  # fmt: skip


_COLUMNS: LiteralString = """
    id, account, currency, opened_on, closed_on, statement_reference, number, digest, source,
    opening, closing, lines, movements, matched, missing, unexpected, mismatched, is_even,
    found::jsonb AS found, made_at, position"""

RECONCILIATIONS = Compared(
    model="reconciliations",
    name="reconciliations",
    table="reconciliations.reconciliation",
    key="reconciliation",
    shown=f"SELECT {_COLUMNS} FROM reconciliations.reconciliation",
    tally_columns="""
        id uuid, account text, currency text, opened_on date, closed_on date,
        statement_reference text, number text, digest text, source text, opening bigint,
        closing bigint, lines bigint, movements bigint, matched bigint, missing bigint,
        unexpected bigint, mismatched bigint, is_even boolean, found text, made_at timestamptz,
        position bigint""",
    tally=of_reconciliations,
    logged=f"SELECT {_COLUMNS} FROM tally_reconciliations",
)
