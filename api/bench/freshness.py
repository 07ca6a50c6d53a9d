"""From a command over HTTP to the moment at which a read shows it, with a projector beside the API."""

from __future__ import annotations

from api.bench import children
from api.bench.posting import open_accounts, spread
from api.bench.requests import body
from api.bench.rows import BY_NAME, Row
from api.bench.stage import Stage
from application.ledger import Ledger

_PER_SECOND = 100
_COMMANDS = 1_000
_PARTS = 5
"""Parts of what was measured whose own percentiles are the spread."""
_PATIENCE_S = 60.0


def measure(stage: Stage) -> list[Row]:
    """API and projector as processes of their own, a third one sends and waits."""
    conninfo = stage.databases.migrated()
    with Ledger(conninfo) as ledger:
        accounts = open_accounts(ledger)
    port = children.free_port()
    pair = spread(accounts)
    commands = [
        (body(pair), f"/api/accounts/{accounts[n % len(accounts)]}/balance")
        for n in range(_COMMANDS)
    ]
    question = {
        "port": port,
        "token": stage.badge.token(),
        "commands": commands,
        "per_second": _PER_SECOND,
        "seconds": stage.sizes.visible_s,
        "least_share": stage.sizes.least_pace,
    }
    stage.databases.settle()
    with (
        children.running("projector", ["api.cli", "project"], conninfo, stage.folder),
        children.running(
            "API", ["api.bench.server"], conninfo, stage.folder, port, stage.badge.settings
        ),
    ):
        done = children.ask("api.bench.pace", question, stage.sizes.visible_s + _PATIENCE_S)
    taken: list[float] = done["visible_ms"]
    return [row_of("visible_p50_ms", taken, 0.50), row_of("visible_p99_ms", taken, 0.99)]


def row_of(name: str, taken: list[float], share: float) -> Row:
    """A percentile of all, and its spread over parts, as they come one after the other."""
    size = len(taken) // _PARTS
    parts = [percentile(taken[n * size : (n + 1) * size], share) for n in range(_PARTS)]
    return Row(BY_NAME[name], percentile(taken, share), min(parts), max(parts))


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = -int(-share * len(ordered) // 1)  # rounded up
    return ordered[max(rank, 1) - 1]
