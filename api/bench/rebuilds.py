"""Rebuilds of the balances and entries read models over what bulk posting wrote."""

from __future__ import annotations

from typing import Any

from api.bench import children
from api.bench.posting import BenchError
from api.bench.rows import Row, measured
from api.bench.stage import Stage

_NAMES = ["balances", "entries"]
_MIB = 2**20
_PATIENCE_S = 600.0


def measure(stage: Stage) -> list[Row]:
    """One process and two by turns, each rebuild in a new one, over a log of at least `log_events`."""
    conninfo, events = stage.long_log(), stage.sizes.log_events
    rebuild(conninfo, _NAMES)  # each that is measured then has a live one to be compared with
    rates: dict[int, list[float]] = {1: [], 2: []}
    growths: list[float] = []
    for _ in range(stage.sizes.rebuilds):
        for parallel, into in rates.items():
            done = rebuild(conninfo, _NAMES, parallel)
            if done["events"] < events:
                raise BenchError(f"only {done['events']} events were rebuilt")
            into.append(done["events"] / done["seconds"])
            if parallel == 1:
                growths.append(done["growth_bytes"] / _MIB)
    return [
        measured("rebuild_events_per_s", rates[1]),
        measured("rebuild_parallel_events_per_s", rates[2]),
        measured("rebuild_growth_mib", growths),
    ]


def rebuild(conninfo: str, names: list[str], parallel: int = 1) -> dict[str, Any]:
    """What `api.bench.rebuilding` answers about a rebuild of read models."""
    question = {"conninfo": conninfo, "names": names, "parallel": parallel}
    return children.ask("api.bench.rebuilding", question, _PATIENCE_S)
