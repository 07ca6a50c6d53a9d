"""Verifies the chain over what bulk posting wrote, as a module in a process of its own."""

from __future__ import annotations

from typing import Any

import psycopg

from api.bench import children
from api.bench.posting import BenchError
from api.bench.rows import Row, measured
from api.bench.stage import Stage
from application.audit.verifying import verify

_PATIENCE_S = 300.0


def measure(stage: Stage) -> list[Row]:
    """Each verification in a new process, over a log of at least `log_events`."""
    conninfo, sizes = stage.long_log(), stage.sizes
    rates = []
    for _ in range(sizes.rebuilds):
        done = children.ask("api.bench.verifying", {"conninfo": conninfo}, _PATIENCE_S)
        if done["findings"] or done["events"] < sizes.log_events:
            raise BenchError(f"{done['events']} events were verified: {done['findings']}")
        rates.append(done["events"] / done["seconds"])
    return [measured("verify_events_per_s", rates)]


def verify_all(conninfo: str) -> dict[str, Any]:
    """Verify the whole log with its tree; answers events, seconds and findings."""
    with psycopg.connect(conninfo, autocommit=True) as conn:
        done = verify(conn)
    return {"events": done.events, "seconds": done.seconds, "findings": done.findings}


if __name__ == "__main__":
    children.answer(verify_all(**children.question()))
