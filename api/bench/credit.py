"""Credit applications from a request to a decision, with a bureau over HTTP that answers at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

import msgspec
import psycopg

from api.bench import children, client
from api.bench.calls import CALLS_AT_ONCE, reports_per_s
from api.bench.freshness import row_of
from api.bench.posting import BenchError
from api.bench.rounds import interleave
from api.bench.rows import Row
from api.bench.stage import Stage

_BUREAU_TOKEN = "bench-bench"  # noqa: S105 - of a bureau that knows nothing
_PATIENCE_S = 600.0
_POLL_S = 0.05
_CONNECTIONS = 8
_PACE_S = 0.05
"""Twenty a second: a thousand times the fifty a minute that are asked for would be a flood."""

_FIRST_DOCUMENT = 10_000_000

_DECIDED = "SELECT count(*) FROM events WHERE topic = 'credit_application.decided'"

_TOOK = """
SELECT extract(epoch FROM d.recorded_at - s.recorded_at)::float8 * 1000
  FROM events AS s JOIN events AS d USING (originator_id)
 WHERE s.topic = 'credit_application.submitted' AND d.topic = 'credit_application.decided'
   AND s.notification_id > %s ORDER BY s.notification_id
"""


def measure(stage: Stage) -> list[Row]:
    """API, worker and bureau as processes of their own; each application is somebody else's."""
    conninfo = stage.databases.migrated()
    with _running(stage, conninfo) as (port, bureau_port):
        applicants = _Applicants(conninfo, port, stage.badge.token())
        number = stage.sizes.applications
        applicants.run(min(number, 20))  # whatever is slow the first time
        rounds = interleave(
            {
                "applications": partial(applicants.run, number),
                "calls": partial(reports_per_s, bureau_port, _BUREAU_TOKEN, number),
            },
            stage.sizes.application_rounds,
        )
        submit_ms, decision_ms = applicants.pace(stage.sizes.paced_applications)
    return [
        rounds.ratio("applications_vs_calls", "applications", "calls"),
        rounds.rate("applications_per_s", "applications"),
        row_of("submit_p95_ms", submit_ms, 0.95),
        row_of("submit_p99_ms", submit_ms, 0.99),
        row_of("decision_p99_ms", decision_ms, 0.99),
    ]


class _Applicants:
    """People who each apply once, in Colombia, whose documents have no check digit."""

    def __init__(self, conninfo: str, port: int, token: str) -> None:
        self._conninfo = conninfo
        self._port = port
        self._token = token
        self._documents = count(_FIRST_DOCUMENT)

    def run(self, number: int) -> float:
        """All apply at once; applications a second until the last is decided. Raises `BenchError` when
        one is not."""
        requests = [self._request() for _ in range(number)]
        before, begun = self._decided(), time.perf_counter()
        asyncio.run(self._send(requests))
        self._wait_for(before + number)
        return number / (time.perf_counter() - begun)

    def pace(self, number: int) -> tuple[list[float], list[float]]:
        """One after the other, twenty a second: milliseconds of each request, and of each decision."""
        requests = [self._request() for _ in range(number)]
        before, head = self._decided(), self._ask("SELECT position FROM ledger_head")
        submit_ms = asyncio.run(self._send_paced(requests))
        self._wait_for(before + number)
        with psycopg.connect(self._conninfo, autocommit=True) as conn:
            return submit_ms, [ms for (ms,) in conn.execute(_TOOK, (head,))]

    def _request(self) -> bytes:
        body = {
            "country": "CO",
            "full_name": "Somebody",
            "document_type": "cc",
            "document_number": str(next(self._documents)),
            "monthly_income": "20000000.00",
            "amount_requested": "5000000.00",
        }
        return client.post("/api/applications", self._token, msgspec.json.encode(body).decode())

    async def _send(self, requests: Sequence[bytes]) -> None:
        waiting = iter(requests)

        async def keep_busy() -> None:
            connection = await client.connect(self._port)
            for request in waiting:
                _check(await connection.ask(request))
            connection.close()

        await asyncio.gather(*(keep_busy() for _ in range(_CONNECTIONS)))

    async def _send_paced(self, requests: Sequence[bytes]) -> list[float]:
        connection, took = await client.connect(self._port), []
        for request in requests:
            begun = time.perf_counter()
            _check(await connection.ask(request))
            took.append((time.perf_counter() - begun) * 1000)
            await asyncio.sleep(max(_PACE_S - (time.perf_counter() - begun), 0))
        connection.close()
        return took

    def _decided(self) -> int:
        return int(self._ask(_DECIDED))

    def _ask(self, query: str) -> Any:
        with psycopg.connect(self._conninfo, autocommit=True) as conn:
            row = conn.execute(query).fetchone()
        return 0 if row is None else row[0]

    def _wait_for(self, decided: int) -> None:
        give_up = time.monotonic() + _PATIENCE_S
        while self._decided() < decided:
            if time.monotonic() > give_up:
                raise BenchError(f"applications were not decided after {_PATIENCE_S:.0f} s")
            time.sleep(_POLL_S)


def _check(answered: client.Answered) -> None:
    if answered.status != 202:
        text = answered.body[:200].decode(errors="replace")
        raise BenchError(f"answered {answered.status}, not 202: {text}")


@contextmanager
def _running(stage: Stage, conninfo: str) -> Iterator[tuple[int, int]]:
    """API, worker and bureau; the ports of the API and the bureau."""
    bureau_port, port = children.free_port(), children.free_port()
    settings = {
        **stage.badge.settings,
        "BUREAU_URL": f"http://127.0.0.1:{bureau_port}",
        "BUREAU_TOKEN": _BUREAU_TOKEN,
        "JOBS_BUREAUS": str(CALLS_AT_ONCE),
        "RATE_LIMIT_ADDRESS": "1000000000/minute",
        "LOG_LEVEL": "WARNING",
    }
    bureau = [
        "api.cli", "sandbox", "bureau", "--port", str(bureau_port), "--token", _BUREAU_TOKEN,
    ]  # fmt: skip
    folder = stage.folder
    with (
        children.running("sandbox bureau", bureau, conninfo, folder, bureau_port, settings),
        children.running("API", ["api.cli", "serve"], conninfo, folder, port, settings),
        children.running("worker", ["api.cli", "worker"], conninfo, folder, 0, settings),
    ):
        yield port, bureau_port
