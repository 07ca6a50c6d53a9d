"""The import contracts: the house keeps them, and each of them would notice a breach."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS = [contract["name"] for contract in SETTINGS["contracts"]]

BREACHES = {
    "layers point one way: api, then application, projections and migrations, then domain": (
        "domain/planted.py",
        "import application.ledger.outcomes",
    ),
    "the write side and the read side do not see each other": (
        "application/planted.py",
        "import projections.paging",
    ),
    "the domain is pure: no database, no web, no clock of its own": (
        "domain/planted.py",
        "import time",
    ),
    "only the composition root reads settings": ("projections/planted.py", "import api.settings"),
}


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the source that a test may spoil."""
    for package in SETTINGS["root_packages"]:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def verdicts(house: Path) -> tuple[int, str]:
    """What the linter says of a house: exit status, and its words on one line."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache"],
        cwd=house,
        env={"PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, " ".join(done.stdout.split())


def test_the_house_keeps_all_its_contracts(house: Path) -> None:
    status, words = verdicts(house)
    assert status == 0, words
    for contract in CONTRACTS:
        assert f"{contract} KEPT" in words


def test_each_contract_has_a_breach_here_that_proves_it() -> None:
    assert sorted(BREACHES) == sorted(CONTRACTS)


@pytest.mark.parametrize("contract", BREACHES)
def test_a_breach_of_a_contract_is_found(contract: str, house: Path) -> None:
    path, statement = BREACHES[contract]
    (house / path).write_text(statement + "\n")
    status, words = verdicts(house)
    assert status == 1
    assert f"{contract} BROKEN" in words
