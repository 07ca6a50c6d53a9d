"""`daybook bench`: runs the measurements one after the other and reports them."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from api.bench import (
    bulk,
    cold,
    credit,
    flows,
    freshness,
    jobs,
    machine,
    past,
    rebuilds,
    report,
    requests,
    verifying,
)
from api.bench.rounds import sentence
from api.bench.rows import BY_NAME, SPECS, Row, failed
from api.bench.sizes import FULL, QUICK
from api.bench.stage import Stage, opened
from api.local.signals import StopSignals

_WIDTH_OF_PIPES = 160
"""Columns where there is no screen: enough for each row to stay on one line."""


class _Group(NamedTuple):
    """Rows that are measured together."""

    title: str
    names: tuple[str, ...]
    measure: Callable[[Stage], list[Row]]


_GROUPS = (
    _Group(
        "bulk posting",
        (
            "bulk_vs_copy", "bulk_vs_eventsourcing", "hot_vs_spread", "bulk_submit_per_s",
            "bulk_client_ids_per_s", "hot_per_s", "copy_rows_per_s", "eventsourcing_per_s",
        ),
        bulk.measure,
    ),
    _Group(
        "requests over HTTP",
        ("http_vs_noop", "guarded_noop_vs_noop", "http_per_s", "noop_per_s", "bulk_api_per_s"),
        requests.measure,
    ),
    # Before the long log is written: the server tidies up after that for minutes.
    _Group("freshness of reads", ("visible_p50_ms", "visible_p99_ms"), freshness.measure),
    _Group("jobs", ("jobs_vs_dramatiq", "jobs_per_s", "dramatiq_per_s"), jobs.measure),
    _Group(
        "flows",
        ("flows_vs_calls", "flows_per_s", "step_p50_ms", "step_p99_ms"),
        flows.measure,
    ),
    _Group(
        "credit",
        (
            "applications_vs_calls", "applications_per_s", "submit_p95_ms", "submit_p99_ms",
            "decision_p99_ms",
        ),
        credit.measure,
    ),
    _Group(
        "rebuilds",
        ("rebuild_events_per_s", "rebuild_parallel_events_per_s", "rebuild_growth_mib"),
        rebuilds.measure,
    ),
    _Group("the past", ("as_of_ms", "as_of_trial_balance_ms"), past.measure),
    _Group("cold loads", ("cold_load_ms",), cold.measure),
    _Group("verification", ("verify_events_per_s",), verifying.measure),
)  # fmt: skip


def run(out: Path, quick: bool, only: list[str] | None) -> int:
    """Measure, print, and write the JSON file `out`.

    `quick` measures less, and less exactly; `only` names the rows wanted. Answers the exit status:
    1 when a row could not be measured, 2 when `only` names a row that there is not.
    """
    notices = Console(stderr=True, highlight=False)
    unknown = [name for name in only or () if name not in BY_NAME]
    if unknown:
        notices.print(Text(f"no such row: {', '.join(unknown)}; there are: {', '.join(BY_NAME)}"))
        return 2
    wanted = set(only or BY_NAME)
    out.parent.mkdir(parents=True, exist_ok=True)
    # Beside the data, since another folder may be on a disk of another kind, or in memory.
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=out.parent))
    try:
        with StopSignals(), opened(folder, QUICK if quick else FULL) as stage:
            where = machine.describe(folder, stage.databases.empty())
            rows = _measure(stage, wanted, lambda title: notices.print(f"measuring {title} ..."))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return conclude(out, where, rows)


def conclude(out: Path, where: Mapping[str, str | int], rows: Sequence[Row]) -> int:
    """Write and print what was measured; answers the exit status."""
    report.write_json(out, where, rows)
    width = None if sys.stdout.isatty() else _WIDTH_OF_PIPES
    report.show(Console(highlight=False, width=width), where, rows)
    Console(stderr=True, highlight=False).print(Text(f"written to {out}"))
    return int(any(row.value is None for row in rows))


def _measure(stage: Stage, wanted: set[str], notice: Callable[[str], None]) -> Sequence[Row]:
    found: dict[str, Row] = {}
    for group in _GROUPS:
        if wanted.isdisjoint(group.names):
            continue
        notice(group.title)
        found.update((row.spec.name, row) for row in _measure_group(group, stage))
    return [found[spec.name] for spec in SPECS if spec.name in wanted]


def _measure_group(group: _Group, stage: Stage) -> Iterable[Row]:
    try:
        return group.measure(stage)
    except Exception as error:  # noqa: BLE001 - the other groups are to be measured all the same
        return [failed(name, sentence(error)) for name in group.names]
