"""`daybook bench`: measures this machine, prints the ratios, keeps them in bench.json."""

from __future__ import annotations

from typing import Annotated

import typer

from api.settings import load_settings


def bench(
    quick: Annotated[bool, typer.Option("--quick", help="Smaller and less exact.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Only these rows.")] = None,
) -> None:
    """Measure speed as ratios in one run; writes bench.json to the data folder."""
    from api.bench.main import run

    raise typer.Exit(run(load_settings().DATA_DIR / "bench.json", quick, only))
