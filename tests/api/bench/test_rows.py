"""Promises, percentiles and figures, and what becomes of a row that can't be measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.bench import main
from api.bench.freshness import percentile
from api.bench.report import figure
from api.bench.rounds import interleave
from api.bench.rows import BY_NAME, Row, failed, measured


@pytest.mark.parametrize(
    ("name", "value", "holds"),
    [
        ("bulk_vs_copy", 0.5, True),
        ("bulk_vs_copy", 0.49, False),
        ("visible_p50_ms", 10.0, True),
        ("visible_p50_ms", 10.1, False),
        ("http_per_s", 1.0, None),
    ],
)
def test_rates_hold_from_the_promise_upwards_and_times_downwards(
    name: str, value: float, holds: bool | None
) -> None:
    assert Row(BY_NAME[name], value).holds is holds


def test_a_row_is_the_median_of_its_rounds_with_their_spread() -> None:
    row = measured("http_per_s", [3.0, 1.0, 2.0])

    assert (row.value, row.low, row.high) == (2.0, 1.0, 3.0)


def test_a_row_in_json_says_what_was_measured_and_what_was_promised() -> None:
    assert measured("bulk_vs_copy", [0.75]).as_json() == {
        "name": "bulk_vs_copy",
        "value": 0.75,
        "unit": "ratio",
        "hold": 0.5,
        "reach": 0.8,
        "low": 0.75,
        "high": 0.75,
        "holds": True,
        "problem": None,
    }


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.5, 50.0), (0.99, 99.0), (0.991, 100.0), (1.0, 100.0)]
)
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(
    share: float, expected: float
) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], share) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0.0, "0"),
        (0.5, "0.5"),
        (0.6084, "0.608"),
        (2.612, "2.61"),
        (99.96, "100"),
        (28_731.9, "28,700"),
        (1_234_567.0, "1,230,000"),
    ],
)
def test_figures_have_three_digits_that_count(value: float | None, text: str) -> None:
    assert figure(value) == text


def test_contestants_take_turns_and_one_that_fails_does_not_stop_the_others() -> None:
    turns: list[str] = []

    def steady() -> float:
        turns.append("steady")
        return float(len(turns))

    def broken() -> float:
        turns.append("broken")
        raise ValueError("no  such\nluck")

    rounds = interleave({"steady": steady, "broken": broken}, 3)

    assert turns == ["steady", "broken", "steady", "steady"]
    assert rounds.rate("http_per_s", "steady").value == 3.0
    assert rounds.rate("noop_per_s", "broken").problem == "ValueError: no such luck"
    assert rounds.ratio("http_vs_noop", "steady", "broken").value is None


def test_ratios_are_taken_round_by_round() -> None:
    figures = iter([10.0, 2.0, 30.0, 5.0])
    rounds = interleave({"one": lambda: next(figures), "other": lambda: next(figures)}, 2)

    row = rounds.ratio("http_vs_noop", "one", "other", factor=3)

    assert (row.low, row.high) == (15.0, 18.0)


def test_a_row_that_cannot_be_measured_says_why_and_fails_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bench.json"

    status = main.conclude(out, {"cores": 2}, [failed("cold_load_ms", "the disk is full")])

    assert status == 1
    assert "cold_load_ms could not be measured: the disk is full" in capsys.readouterr().out
    row = json.loads(out.read_text())["rows"][0]
    assert (row["value"], row["problem"]) == (None, "the disk is full")
