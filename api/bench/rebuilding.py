"""Rebuilds read models in a process of its own: `python -m api.bench.rebuilding`."""

from __future__ import annotations

import resource
import sys
from typing import Any

from api.bench import children
from projections.rebuild import Options, rebuild_many


def rebuild(conninfo: str, names: list[str], parallel: int) -> dict[str, Any]:
    """Rebuild together; answers events, seconds, and how much this process grew after a quarter."""
    early = 0

    def progress(done: int, whole: int) -> None:
        nonlocal early
        if not early and done * 4 >= whole:
            early = _peak_bytes()

    rebuilt = rebuild_many(conninfo, names, progress, options=Options(parallel=parallel))
    return {
        "events": max(one.events for one in rebuilt),
        "seconds": max(one.seconds for one in rebuilt),
        "growth_bytes": _peak_bytes() - early,
    }


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    children.answer(rebuild(**children.question()))
