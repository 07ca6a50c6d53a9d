"""Rebuilds of the balances and entries read models over what bulk posting wrote."""

from __future__ import annotations

from api.bench import children
from api.bench.posting import BenchError
from api.bench.rows import Row, measured
from api.bench.stage import Stage

_NAMES = ["balances", "entries"]
_EVENTS = 3
_MIB = 2**20
_PATIENCE_S = 300.0


def measure(stage: Stage) -> list[Row]:
    """Each rebuild in a new process, over a log of at least `rebuild_events`."""
    poster, sizes = stage.spread, stage.sizes
    while poster.transfers * _EVENTS < sizes.rebuild_events:
        poster.post()
    rates, growths = [], []
    for _ in range(sizes.rebuilds):
        question = {"conninfo": poster.url, "names": _NAMES}
        done = children.ask("api.bench.rebuilding", question, _PATIENCE_S)
        if done["events"] < sizes.rebuild_events:
            raise BenchError(f"only {done['events']} events were rebuilt")
        rates.append(done["events"] / done["seconds"])
        growths.append(done["growth_bytes"] / _MIB)
    return [measured("rebuild_events_per_s", rates), measured("rebuild_growth_mib", growths)]
