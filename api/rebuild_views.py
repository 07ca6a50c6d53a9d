"""Rebuilds as they are shown, by the API and on the command line."""

from __future__ import annotations

from typing import Any

from projections.parity import Parity
from projections.rebuild_state import Rebuild


def rebuild_view(rebuild: Rebuild) -> dict[str, Any]:
    """The last rebuild of a read model. The rate is told while events are read."""
    rate, eta_s = rebuild.events_per_s, rebuild.eta_s
    return {
        "name": rebuild.name,
        "state": rebuild.state,
        "only_verify": rebuild.only_verify,
        "accept_differences": rebuild.accept_differences,
        "code_version": rebuild.code_version,
        "requested": rebuild.requested,
        "events_done": rebuild.done,
        "events_total": max(rebuild.total, rebuild.done),
        "events_per_s": None if rate is None else round(rate),
        "eta_seconds": None if eta_s is None else round(max(eta_s, 0.0), 1),
        "started_at": rebuild.started_at,
        "updated_at": rebuild.updated_at,
        "report": rebuild.report,
        "error": rebuild.error,
    }


def parity_in_words(parity: Parity) -> list[str]:
    """What differs, a line each: the tables, then the first keys with both rows."""
    lines = []
    for table in parity.tables:
        if not table.is_equal:
            counts = f"{_rows(table.live_rows)} live, {_rows(table.rebuilt_rows)} rebuilt"
            lines.append(f"{table.table}: {counts}; {table.differing_keys} keys differ")
            if table.columns:
                lines.append(f"  only on one side: {', '.join(table.columns)}")
    for difference in parity.differences:
        lines.append(f"{difference.table} {difference.key}")
        lines.append(f"  live:    {_row(difference.live)}")
        lines.append(f"  rebuilt: {_row(difference.rebuilt)}")
    return lines


def _rows(count: int | None) -> str:
    return "no such table" if count is None else f"{count:,} rows"


def _row(row: dict[str, Any] | None) -> str:
    if row is None:
        return "no row that the other side lacks"
    return ", ".join(f"{name}={value}" for name, value in row.items())
