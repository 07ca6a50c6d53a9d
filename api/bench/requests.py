"""Transfers over HTTP: one a request against a no-op on the same server, and 1,000 a request."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from uuid import UUID

from api.bench import children
from api.bench.posting import Pair, open_accounts, spread
from api.bench.rounds import interleave
from api.bench.rows import Row
from api.bench.sizes import BATCH
from api.bench.stage import Stage
from application.ledger import Ledger

_CONNECTIONS = 48
_BATCH_CONNECTIONS = 3
_BODIES = 1_000
_BATCH_BODIES = 5
_PATIENCE_S = 30.0


def measure(stage: Stage) -> list[Row]:
    """All of it on one server process, which the load generator's process keeps busy."""
    conninfo = stage.databases.migrated()
    with Ledger(conninfo) as ledger:
        accounts = open_accounts(ledger)
    port = children.free_port()
    pair = spread(accounts)
    single = [body(pair) for _ in range(_BODIES)]
    batches = [batch_body(pair) for _ in range(_BATCH_BODIES)]
    seconds = stage.sizes.http_s
    flood = partial(_flood, port, stage.badge.token(), seconds)
    settings = stage.badge.settings
    with children.running("API", ["api.bench.server"], conninfo, stage.folder, port, settings):
        rounds = interleave(
            {
                "noop": partial(flood, "/api/transfers/noop", single, _CONNECTIONS, 201),
                "guarded": partial(flood, "/api/transfers/guarded", single, _CONNECTIONS, 201),
                "transfer": partial(flood, "/api/transfers", single, _CONNECTIONS, 201),
                "batch": partial(
                    flood, "/api/transfers/batch", batches, _BATCH_CONNECTIONS, 200, BATCH
                ),
            },
            stage.sizes.rounds,
        )
    return [
        rounds.ratio("http_vs_noop", "transfer", "noop"),
        rounds.ratio("guarded_noop_vs_noop", "guarded", "noop"),
        rounds.rate("http_per_s", "transfer"),
        rounds.rate("noop_per_s", "noop"),
        rounds.rate("bulk_api_per_s", "batch"),
    ]


def body(pair: Callable[[], Pair]) -> str:
    """A transfer as a client without ids of its own sends it; it can be sent again and again."""
    return json.dumps(_transfer(*pair()))


def batch_body(pair: Callable[[], Pair]) -> str:
    """A full batch of such transfers."""
    return json.dumps({"transfers": [_transfer(*pair()) for _ in range(BATCH)]})


def _transfer(source_id: UUID, destination_id: UUID) -> dict[str, str]:
    return {
        "source_account_id": str(source_id),
        "destination_account_id": str(destination_id),
        "amount": "1.25",
        "currency": "EUR",
        "description": "Benchmark",
    }


def _flood(
    port: int,
    token: str,
    seconds: float,
    path: str,
    bodies: list[str],
    connections: int,
    status: int,
    transfers: int = 1,
) -> float:
    """One round: transfers per second."""
    question = {
        "port": port,
        "token": token,
        "path": path,
        "bodies": bodies,
        "connections": connections,
        "seconds": seconds,
        "status": status,
    }
    done = children.ask("api.bench.load", question, seconds + _PATIENCE_S)
    return float(transfers * done["answers"] / done["seconds"])
