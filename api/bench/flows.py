"""Investments from request to completion, with a bank over HTTP that answers at once."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from uuid import uuid4

import psycopg

from api.bench import children
from api.bench.calls import CALLS_AT_ONCE, calls_per_s
from api.bench.freshness import row_of
from api.bench.posting import BenchError
from api.bench.rounds import interleave
from api.bench.rows import Row
from api.bench.stage import Stage
from application.ledger import Accepted, Ledger, Submission
from application.ledger.outcomes import Command
from application.processes.investments import NAME
from domain.accounts import OpenAccount
from domain.funds import MAX_SEATS, OpenFund
from domain.investments import RequestInvestment
from domain.provenance import Provenance
from domain.transfers import PostTransfer

_WHO = Provenance(actor="bench")
_CURRENCY = "EUR"
_AMOUNT = 1_00
_BANK_TOKEN = "bench-bench"  # noqa: S105 - of a bank that has no money
_PATIENCE_S = 120.0
_POLL_S = 0.02
_PACE_S = 0.1
"""A flow each tenth of a second is little enough that steps do not wait for each other."""

_DONE = "SELECT count(*) FROM processes WHERE name = %s AND status = 'completed'"

# From the moment at which an event is in the log to that at which what follows from it is.
_STEPS = """
SELECT extract(epoch FROM h.at - e.recorded_at)::float8 * 1000
  FROM process_history AS h JOIN events AS e ON e.notification_id = h.position
 WHERE h.name = %s AND h.at > %s ORDER BY h.number
"""


def measure(stage: Stage) -> list[Row]:
    """API, worker and bank as processes of their own; a flow is two movements at the bank."""
    conninfo = stage.databases.migrated()
    with Ledger(conninfo) as ledger, _running(stage, conninfo) as bank_port:
        investors = _Investors(ledger, conninfo)
        flows, paced = stage.sizes.flows, stage.sizes.paced_flows
        investors.run(min(flows, 20))  # whatever is slow the first time
        rounds = interleave(
            {
                "flows": partial(investors.run, flows),
                "calls": partial(calls_per_s, bank_port, _BANK_TOKEN, 2 * flows),
            },
            stage.sizes.flow_rounds,
        )
        steps_ms = investors.pace(paced)
    return [
        rounds.ratio("flows_vs_calls", "flows", "calls", factor=2.0),
        rounds.rate("flows_per_s", "flows"),
        row_of("step_p50_ms", steps_ms, 0.50),
        row_of("step_p99_ms", steps_ms, 0.99),
    ]


class _Investors:
    """One fund, and one investor after the other."""

    def __init__(self, ledger: Ledger, conninfo: str) -> None:
        self._ledger = ledger
        self._conninfo = conninfo
        self._source, self._fund, account = uuid4(), uuid4(), uuid4()
        cash = uuid4()
        self._submit(
            OpenAccount(cash, "Cash", "cash", _CURRENCY),
            OpenAccount(self._source, "Investor", "investment", _CURRENCY),
            OpenAccount(account, "Fund", "fund", _CURRENCY),
            PostTransfer(uuid4(), cash, self._source, 10**12, _CURRENCY),
        )
        self._submit(OpenFund(self._fund, "Fund", _CURRENCY, account, _AMOUNT, 0, MAX_SEATS))

    def run(self, flows: int) -> float:
        """Ask for all of them at once; flows a second until the last is completed."""
        before, begun = self._completed(), time.perf_counter()
        self._submit(*(self._request() for _ in range(flows)))
        self._wait_for(before + flows)
        return flows / (time.perf_counter() - begun)

    def pace(self, flows: int) -> list[float]:
        """One flow a tenth of a second; milliseconds of each step of the engine's own."""
        with psycopg.connect(self._conninfo, autocommit=True) as conn:
            row = conn.execute("SELECT clock_timestamp()").fetchone()
            assert row is not None
            before = self._completed()
            for _ in range(flows):
                self._submit(self._request())
                time.sleep(_PACE_S)
            self._wait_for(before + flows)
            return [ms for (ms,) in conn.execute(_STEPS, (NAME, row[0]))]

    def _request(self) -> RequestInvestment:
        return RequestInvestment(uuid4(), self._source, self._fund, _AMOUNT, _CURRENCY)

    def _submit(self, *commands: Command) -> None:
        done = self._ledger.submit_and_wait(Submission(commands, _WHO))
        if not all(isinstance(outcome, Accepted) for outcome in done.outcomes):
            raise BenchError(f"refused: {done.outcomes}")

    def _completed(self) -> int:
        with psycopg.connect(self._conninfo, autocommit=True) as conn:
            row = conn.execute(_DONE, (NAME,)).fetchone()
        return 0 if row is None else int(row[0])

    def _wait_for(self, completed: int) -> None:
        give_up = time.monotonic() + _PATIENCE_S
        while self._completed() < completed:
            if time.monotonic() > give_up:
                raise BenchError(f"flows were not over after {_PATIENCE_S:.0f} s")
            time.sleep(_POLL_S)


@contextmanager
def _running(stage: Stage, conninfo: str) -> Iterator[int]:
    """API, worker and bank; the bank's port."""
    bank_port, port = children.free_port(), children.free_port()
    secret = f"whsec_{base64.b64encode(os.urandom(32)).decode()}"
    settings = {
        **stage.badge.settings,
        "BANK_URL": f"http://127.0.0.1:{bank_port}",
        "BANK_TOKEN": _BANK_TOKEN,
        "JOBS_BANKING": str(CALLS_AT_ONCE),
        "BANK_WEBHOOK_SECRET": secret,
        "RATE_LIMIT_ADDRESS": "1000000000/minute",
        "LOG_LEVEL": "WARNING",
        "SANDBOX_WEBHOOK_SECRET": secret,
    }
    bank = [
        "api.cli", "sandbox", "bank", "--port", str(bank_port), "--token", _BANK_TOKEN,
        "--webhook-url", f"http://127.0.0.1:{port}/api/webhooks/incoming/bank",
    ]  # fmt: skip
    folder = stage.folder
    with (
        children.running("sandbox bank", bank, conninfo, folder, bank_port, settings),
        children.running("API", ["api.cli", "serve"], conninfo, folder, port, settings),
        children.running("worker", ["api.cli", "worker"], conninfo, folder, 0, settings),
    ):
        yield bank_port
