"""What the benchmark measures, and the figures to hold and to reach for."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Spec:
    """One row of the table. Rates and ratios are to be at least `hold`, times at most."""

    name: str
    unit: str
    what: str
    hold: float | None = None
    reach: float | None = None

    @property
    def is_time(self) -> bool:
        return self.unit == "ms"


SPECS = (
    Spec("bulk_vs_copy", "ratio", "post batches of 1,000, against raw COPY of the rows", 0.5, 0.8),
    Spec("bulk_vs_eventsourcing", "ratio", "the same, against plain eventsourcing", 30, 60),
    Spec("hot_vs_spread", "ratio", "one hot account, against 1,000 accounts", 0.9, 1.0),
    Spec("http_vs_noop", "ratio", "one transfer a request, against a no-op POST", 0.4, 0.7),
    Spec("guarded_noop_vs_noop", "ratio", "the no-op with a caller, a rule and limits", 0.77, 0.9),
    Spec("rebuild_events_per_s", "events/s", "rebuild balances and entries", 60_000, 150_000),
    Spec(
        "rebuild_parallel_events_per_s", "events/s", "the same by two processes", 100_000, 200_000
    ),
    Spec("visible_p50_ms", "ms", "command to read model at 100/s, median", 10, 5),
    Spec("visible_p99_ms", "ms", "command to read model at 100/s, 99th percentile", 50, 20),
    Spec("cold_load_ms", "ms", "load an account with very many entries", 20, 5),
    Spec("verify_events_per_s", "events/s", "verify the hash chain", 150_000, 300_000),
    Spec("bulk_submit_per_s", "transfers/s", "post batches of 1,000, ids given by us"),
    Spec("bulk_client_ids_per_s", "transfers/s", "the same with random ids given by the client"),
    Spec("hot_per_s", "transfers/s", "the same, each on one hot account"),
    Spec("copy_rows_per_s", "events/s", "raw COPY of the same rows, 3,000 a transaction"),
    Spec("eventsourcing_per_s", "transfers/s", "plain eventsourcing, one save a transfer"),
    Spec("http_per_s", "transfers/s", "one transfer a request"),
    Spec("noop_per_s", "requests/s", "no-op POST with the same body"),
    Spec("bulk_api_per_s", "transfers/s", "POST /api/transfers/batch, 1,000 a request"),
    Spec("as_of_ms", "ms", "an account's balance at a past position, from oldest to newest"),
    Spec("as_of_trial_balance_ms", "ms", "the totals of all accounts at a past position"),
    Spec("flows_vs_calls", "ratio", "a flow's two calls of a bank, against bare calls of it"),
    Spec("flows_per_s", "flows/s", "investments, from request to completion, asked for at once"),
    Spec("step_p50_ms", "ms", "event of a flow to what follows in the log, median"),
    Spec("step_p99_ms", "ms", "event of a flow to what follows in the log, 99th percentile"),
    Spec("applications_vs_calls", "ratio", "an application's call of a bureau, against bare calls"),
    Spec(
        "applications_per_s", "applications/s", "credit, from request to decision, 10,000 at once"
    ),
    Spec("submit_p95_ms", "ms", "POST /api/applications at 20/s, 95th percentile", 100, 25),
    Spec("submit_p99_ms", "ms", "POST /api/applications at 20/s, 99th percentile"),
    Spec("decision_p99_ms", "ms", "application to decision at 20/s, 99th percentile", 2_000, 250),
    Spec("jobs_vs_dramatiq", "ratio", "jobs that do nothing, against bare dramatiq in memory"),
    Spec("jobs_per_s", "jobs/s", "jobs kept in Postgres that do nothing"),
    Spec("dramatiq_per_s", "messages/s", "bare dramatiq on the same broker"),
    Spec("rebuild_growth_mib", "MiB", "growth of a rebuild's memory after its first quarter"),
)
"""In the order in which they are shown: first the promises, then what they are made of."""

BY_NAME = {spec.name: spec for spec in SPECS}


@dataclass(frozen=True)
class Row:
    """A measured row: the median of its rounds and their spread, or why there is none."""

    spec: Spec
    value: float | None
    low: float | None = None
    high: float | None = None
    problem: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the promise is kept; None where there is none or nothing was measured."""
        if self.value is None or self.spec.hold is None:
            return None
        if self.spec.is_time:
            return self.value <= self.spec.hold
        return self.value >= self.spec.hold

    def as_json(self) -> dict[str, Any]:
        """The row's form in `bench.json`."""
        spec = self.spec
        return {
            "name": spec.name,
            "value": _rounded(self.value),
            "unit": spec.unit,
            "hold": spec.hold,
            "reach": spec.reach,
            "low": _rounded(self.low),
            "high": _rounded(self.high),
            "holds": self.holds,
            "problem": self.problem or None,
        }


def _rounded(value: float | None) -> float | None:
    """Four digits that count: the rest of a measurement is noise."""
    return None if value is None else float(f"{value:.4g}")


def measured(name: str, rounds: list[float]) -> Row:
    """A row from the figures of its rounds."""
    return Row(BY_NAME[name], median(rounds), min(rounds), max(rounds))


def failed(name: str, problem: str) -> Row:
    """A row that could not be measured."""
    return Row(BY_NAME[name], None, problem=problem)
