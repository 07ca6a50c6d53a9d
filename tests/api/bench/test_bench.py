"""The benchmark runs through, and what it answers can be used; how fast this machine is, is not asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.bench.main import run
from api.bench.rows import SPECS
from tests.support.folders import data_folder

PROMISES = [
    "bulk_vs_copy",
    "bulk_vs_eventsourcing",
    "hot_vs_spread",
    "http_vs_noop",
    "guarded_noop_vs_noop",
    "rebuild_events_per_s",
    "rebuild_parallel_events_per_s",
    "visible_p50_ms",
    "visible_p99_ms",
    "cold_load_ms",
    "verify_events_per_s",
    "submit_p95_ms",
    "decision_p99_ms",
]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with data_folder() as folder:
        yield folder


def test_a_quick_run_measures_every_row_and_leaves_only_its_result(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = data_dir / "bench.json"

    status = run(out, quick=True, only=None)

    result = json.loads(out.read_text())
    assert [row["problem"] for row in result["rows"] if row["problem"]] == []
    assert status == 0
    assert [row["name"] for row in result["rows"]] == [spec.name for spec in SPECS]
    assert all(row["value"] is not None for row in result["rows"])
    assert all(row["low"] <= row["value"] <= row["high"] for row in result["rows"])
    promised = [row["name"] for row in result["rows"] if row["hold"] is not None]
    assert promised == PROMISES
    assert {"cpu", "cores", "memory_gib", "kernel", "filesystem"} <= result["machine"].keys()
    assert {"python", "postgres", "daybook", "psycopg", "eventsourcing"} <= result["machine"].keys()
    shown = capsys.readouterr().out
    assert all(spec.name in shown for spec in SPECS)
    assert list(data_dir.iterdir()) == [out]


def test_only_some_rows_are_measured_when_asked(data_dir: Path) -> None:
    out = data_dir / "bench.json"

    assert run(out, quick=True, only=["dramatiq_per_s"]) == 0

    assert [row["name"] for row in json.loads(out.read_text())["rows"]] == ["dramatiq_per_s"]


def test_a_row_that_there_is_not_is_named_with_those_that_there_are(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data_dir / "bench.json", quick=True, only=["bulk_vs_gold"]) == 2

    said = " ".join(capsys.readouterr().err.split())
    assert "no such row: bulk_vs_gold" in said
    assert "bulk_vs_copy" in said
