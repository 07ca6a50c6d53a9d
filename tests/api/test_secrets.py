"""Secrets are those that are set; a ledger on this machine makes its own, once, and keeps them."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from api.secrets import (
    cursor_key,
    encryption_key_file,
    jwt_key_file,
    jwt_secrets,
    master_keys,
    new_jwt_secret,
)
from api.settings import Settings, SettingsError
from application.privacy.master_keys import MasterKeys, generate
from tests.support.processes import ROOT, environment

FILES = [encryption_key_file, jwt_key_file]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(DATA_DIR=tmp_path / "var")


def read_both(settings: Settings) -> tuple[list[str], tuple[str, ...]]:
    return master_keys(settings).ids, jwt_secrets(settings)


def test_what_is_set_is_used_and_nothing_is_made(tmp_path: Path) -> None:
    key, older = generate(), generate()
    secret, before = new_jwt_secret(), new_jwt_secret()
    settings = Settings(
        DATA_DIR=tmp_path / "var",
        ENCRYPTION_KEY=key,
        ENCRYPTION_KEYS_OLD=(older,),
        JWT_SECRET=secret,
        JWT_SECRETS_OLD=(before,),
    )
    assert read_both(settings) == (MasterKeys.parse(key, [older]).ids, (secret, before))
    assert list(tmp_path.iterdir()) == []


def test_without_a_setting_a_secret_is_made_once(settings: Settings) -> None:
    first = read_both(settings)
    assert read_both(settings) == first
    assert len(first[1][0]) >= 64
    for file in FILES:
        assert stat.S_IMODE(file(settings).stat().st_mode) == 0o600
        assert stat.S_IMODE(file(settings).parent.stat().st_mode) == 0o700


def test_a_secret_that_was_made_can_be_set_instead(settings: Settings) -> None:
    first = read_both(settings)
    moved = Settings(
        DATA_DIR=settings.DATA_DIR / "none",
        ENCRYPTION_KEY=encryption_key_file(settings).read_text().strip(),
        JWT_SECRET=jwt_key_file(settings).read_text().strip(),
    )
    assert read_both(moved) == first


def test_older_secrets_stay_good_beside_one_that_was_made(settings: Settings) -> None:
    older, before = generate(), new_jwt_secret()
    beside = settings.model_copy(
        update={"ENCRYPTION_KEYS_OLD": (older,), "JWT_SECRETS_OLD": (before,)}
    )
    assert master_keys(beside).older_ids == MasterKeys.parse(older).ids
    assert jwt_secrets(beside)[1:] == (before,)


def test_processes_that_start_together_have_the_same(settings: Settings) -> None:
    program = (
        "import sys; from api.secrets import *; from api.settings import load_settings as load\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(master_keys(load()).ids, jwt_secrets(load()))"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env=environment({"DATA_DIR": str(settings.DATA_DIR)}),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = {process.communicate()[0] for process in started}
    ids, (secret,) = read_both(settings)
    assert said == {f"{ids} {(secret,)}\n"}
    kept = [file(settings).name for file in FILES]
    assert sorted(path.name for path in (settings.DATA_DIR / "keys").iterdir()) == kept


def test_the_one_that_is_there_first_is_everybodys(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    faster: list[str] = []

    def make() -> str:
        if not faster:  # another process looks, makes and places its own just now
            faster.append("")
            faster[0] = jwt_secrets(settings)[0]
        return new_jwt_secret()

    monkeypatch.setattr("api.secrets.new_jwt_secret", make)
    assert jwt_secrets(settings) == (faster[0],)
    assert jwt_secrets(settings) == (faster[0],)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("content", ["", "cut off", "hush" * 7])
def test_a_damaged_file_is_named_and_never_replaced(
    file: Callable[[Settings], Path], content: str, settings: Settings
) -> None:
    read_both(settings)
    path = file(settings)
    path.write_text(content)
    with pytest.raises(SettingsError, match=f"{path} is damaged: put it back") as caught:
        read_both(settings)
    assert "hush" not in str(caught.value)
    assert path.read_text() == content


def test_a_file_that_cannot_be_read_is_named(settings: Settings) -> None:
    jwt_key_file(settings).mkdir(parents=True)
    with pytest.raises(
        SettingsError, match=r"JWT_SECRET is not set, and .* cannot be used instead"
    ):
        jwt_secrets(settings)


def test_production_makes_no_secret(tmp_path: Path) -> None:
    settings = Settings(APP_ENV="production", DATA_DIR=tmp_path)
    for name, read in (("ENCRYPTION_KEY", master_keys), ("JWT_SECRET", jwt_secrets)):
        with pytest.raises(SettingsError, match=f"{name}: production needs one"):
            read(settings)
    assert list(tmp_path.iterdir()) == []


def test_cursors_have_a_key_of_their_own(settings: Settings) -> None:
    key = cursor_key(settings)
    assert len(key) == 32
    assert cursor_key(settings) == key, "the same on every server"
    other = settings.model_copy(update={"JWT_SECRET": new_jwt_secret()})
    assert cursor_key(other) != key
    assert key.hex() not in jwt_secrets(settings)[0]
