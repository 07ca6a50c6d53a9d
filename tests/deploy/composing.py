"""Reads docker-compose.yml as compose does: its anchors, and its variables from an environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from tests.support.processes import ROOT

FILE = ROOT / "docker-compose.yml"

_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?:(:-|:\?)([^}]*))?\})")


class UnsetVariableError(Exception):
    """A variable that must be set is not; the message is its name and what the file says of it."""


def variables() -> dict[str, str | None]:
    """The variables that the file asks for: `:-` has a default, `:?` must be set, None is neither."""
    found = _VARIABLE.finditer(FILE.read_text())
    return {match[1]: match[2] for match in found if match[1]}


def composed(environment: Mapping[str, str]) -> Any:
    """The file with the variables of an environment. Raises `UnsetVariableError`."""
    return _filled(YAML(typ="safe").load(FILE.read_text()), environment)


def _filled(node: Any, environment: Mapping[str, str]) -> Any:
    match node:
        case dict():
            return {name: _filled(value, environment) for name, value in node.items()}
        case list():
            return [_filled(value, environment) for value in node]
        case str():
            return _VARIABLE.sub(lambda match: _value(match, environment), node)
    return node


def _value(match: re.Match[str], environment: Mapping[str, str]) -> str:
    if match[1] is None:
        return "$"
    value = environment.get(match[1], "")
    if not value and match[2] == ":?":
        raise UnsetVariableError(f"{match[1]}: {match[3]}")
    return value or (match[3] if match[2] == ":-" else "")
