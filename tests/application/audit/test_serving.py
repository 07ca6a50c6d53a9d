"""`daybook up` signs its own log, without anybody having set anything up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from application.audit import keys
from application.audit.kept import open_file
from tests.support.folders import data_folder
from tests.support.processes import Daybook, free_port


@pytest.fixture
def folder() -> Iterator[Path]:
    with data_folder() as folder:
        yield folder


def test_a_ledger_of_ones_own_makes_its_key_and_its_checkpoints(folder: Path) -> None:
    settings = {"DATA_DIR": str(folder), "PORT": str(free_port()), "CHECKPOINT_EVERY": "10"}
    checkpoints = folder / "checkpoints"
    with Daybook("up", settings=settings) as daybook:
        daybook.wait_for(lambda: list(checkpoints.glob("*.txt")))
        assert daybook.stop() == 0
    verifiers = keys.read_verifiers(folder / "keys" / "audit.pub")
    for path in checkpoints.glob("*.txt"):
        kept = open_file(path, verifiers)
        assert str(kept.checkpoint.position) == path.stem
