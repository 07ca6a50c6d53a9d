"""The settings are in the document and in the example as they are in the code."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from api.settings import Settings, load_settings
from api.starting import check
from tests.deploy.composing import variables
from tests.support.processes import ROOT

_ROW = re.compile(r"^\| `([A-Z0-9_]+)` \| (?:`([^`]*)`)? ?\| (.+) \|$", re.MULTILINE)
_ASSIGNED = re.compile(r"^([A-Z0-9_]+)=(.*)$", re.MULTILINE)

DEFAULTS = {
    name: field.get_default(call_default_factory=True)
    for name, field in Settings.model_fields.items()
}


def written(value: object) -> str:
    """As a variable has it."""
    if isinstance(value, tuple):
        return ",".join(value)
    if value is None or isinstance(value, Mapping):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_document_has_every_setting_and_its_default() -> None:
    rows = _ROW.findall((ROOT / "docs" / "configuration.md").read_text())
    assert {name: default for name, default, _ in rows} == {
        name: written(value) for name, value in DEFAULTS.items()
    }
    assert [name for name, _, _ in rows] == list(DEFAULTS), "in the order of the code"


def test_the_example_has_every_setting_that_a_file_can_have() -> None:
    names = [name for name, _ in _ASSIGNED.findall((ROOT / ".env.example").read_text())]
    for_compose = {name for name in variables() if name not in DEFAULTS}
    assert [name for name in names if name not in for_compose] == [
        name for name in DEFAULTS if name != "ENV_FILE"
    ]
    assert set(names[-len(for_compose) :]) == for_compose, "they come last"


def test_a_copy_of_the_example_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DEFAULTS:
        monkeypatch.delenv(name, raising=False)
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    assert check(settings) == []
    for name, default in DEFAULTS.items():
        if name != "JWT_SECRET":
            assert getattr(settings, name) == default, name
    assert settings.JWT_SECRET is not None
    assert settings.JWT_SECRET.startswith("example-")


def test_every_setting_is_explained_where_it_is_defined() -> None:
    source = (ROOT / "api" / "settings.py").read_text()
    explained = re.findall(r'^    ([A-Z][A-Z0-9_]+): .*\n    """', source, re.MULTILINE)
    plain = {"PORT", "LOG_LEVEL"}  # their names say all
    assert set(explained) | plain == set(DEFAULTS)
