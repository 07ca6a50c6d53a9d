"""The Dockerfile: what it promises of the image, and that what it copies makes a working package."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from api.local.cluster import MAJOR_VERSION
from tests.docs.documents import commands
from tests.support.processes import ROOT

INSTRUCTIONS = [
    command.replace("\\\n", " ").split(maxsplit=1)
    for command in commands((ROOT / "Dockerfile").read_text())
]
PACKAGES = ("domain", "application", "projections", "api", "migrations")


def arguments(instruction: str) -> list[str]:
    return [found.strip() for name, found in INSTRUCTIONS if name == instruction]


def test_its_base_is_a_slim_python_of_a_certain_version() -> None:
    (base,) = arguments("ARG")
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.\d+\.\d+-slim-[a-z]+", base)
    assert arguments("FROM") == ["${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"]


def test_it_runs_as_nobody_in_particular() -> None:
    assert arguments("USER") == ["10001:10001"]
    after = INSTRUCTIONS[[name for name, _ in INSTRUCTIONS].index("USER") :]
    assert {name for name, _ in after}.isdisjoint({"RUN", "COPY", "ADD"})


def test_it_runs_the_command_line_and_can_be_asked_how_it_is() -> None:
    assert arguments("ENTRYPOINT") == ['["daybook"]']
    assert arguments("CMD") == ['["serve"]']
    (check,) = arguments("HEALTHCHECK")
    assert check.endswith('CMD ["python", "-m", "api.probe"]')


def test_no_secret_is_in_it() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert not re.search(r"SECRET|PASSWORD|_KEY|DATABASE_URL|REDIS_URL", text)
    assert "ADD" not in {name for name, _ in INSTRUCTIONS}
    for copied in arguments("COPY"):
        assert copied.startswith("--from=build ") or not re.search(r"(^|\s)\.\s", copied), copied


def test_what_it_copies_is_all_that_the_package_needs(tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    for copied in arguments("COPY"):
        if not copied.startswith("--from="):
            copy(copied, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, source],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        there = {name for name in packed.namelist() if ".dist-info/" not in name}
    wanted = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert there == wanted


def copy(copied: str, target: Path) -> None:
    *sources, destination = copied.split()
    for name in sources:
        found = ROOT / name
        if found.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(found, target / destination, ignore=ignored)
        else:
            shutil.copy(found, target / destination)


def test_nothing_else_is_sent_to_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    kept = {rule.removeprefix("!").removesuffix("/**") for rule in rules if rule.startswith("!")}
    copied = {
        name
        for one in arguments("COPY")
        if not one.startswith("--from=")
        for name in one.split()[:-1]
    }
    assert kept == copied


def test_the_database_of_the_stack_is_the_one_that_is_tested() -> None:
    assert f"image: postgres:{MAJOR_VERSION}-" in (ROOT / "docker-compose.yml").read_text()
