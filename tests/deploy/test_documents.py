"""What docs/deployment.md shows of compose names what is there; no engine runs it here."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from api.cli.commands import daybook
from tests.deploy import made_up
from tests.deploy.composing import composed
from tests.docs.documents import blocks, commands
from tests.support.processes import ROOT

SERVICES = composed(made_up.secrets())["services"]
SHOWN = [
    command
    for block in blocks()
    if block.language == "sh compose"
    for command in commands(block.text)
]


@pytest.mark.parametrize("command", SHOWN)
def test_a_command_names_what_is_there(command: str) -> None:
    match shlex.split(command):
        case ["cp", source, ".env"]:
            assert (ROOT / source).is_file()
        case ["docker", "compose", "ps" | "down"]:
            pass
        case ["docker", "compose", "logs", "--follow", *names]:
            assert set(names) <= set(SERVICES)
        case ["docker", "compose", "up", *options]:
            for scaled in (word for word in options if "=" in word):
                assert scaled.partition("=")[0] in SERVICES
        case ["docker", "compose", "run", "--rm", name, *words]:
            assert SERVICES[name]["image"].startswith("daybook:")
            found: Any = daybook.loaded()
            for word in words:
                found = getattr(found[word], "commands", None)
                if found is None:
                    break
        case ["docker", "compose", "exec", "database", "pg_dump", *_, database]:
            assert database == SERVICES["database"]["environment"]["POSTGRES_DB"]
        case other:
            raise AssertionError(f"nobody looks at {other}")


def test_the_roles_are_those_of_the_file() -> None:
    table = (ROOT / "docs" / "deployment.md").read_text().split("## ")[0]
    for name in ("api", "projector", "worker", "migrate", "sandbox", "sandbox-bureau"):
        words = [word for word in SERVICES[name]["command"] if not word.startswith("-")]
        words = words[: 1 if name in ("api", "projector", "worker") else 2]
        assert f"| `daybook {' '.join(words)}` |" in table


def test_all_that_has_to_be_filled_in_is_named() -> None:
    text = (ROOT / "docs" / "deployment.md").read_text()
    for name in made_up.secrets():
        assert f"`{name}`" in text, name
