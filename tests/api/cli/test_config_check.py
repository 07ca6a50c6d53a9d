"""`daybook config check`: what is wrong with the settings, before anything is started."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.secrets import new_jwt_secret
from application.privacy.master_keys import generate
from tests.api.cli.conftest import CommandLine
from tests.support.processes import free_port

NOWHERE = "postgresql://app:hush@127.0.0.1:1/none"
GOOD = {
    "APP_ENV": "production",
    "JWT_SECRET": new_jwt_secret(),
    "ENCRYPTION_KEY": generate(),
    "DATABASE_URL": NOWHERE,
    "SMTP_URL": "smtps://me:hush@mail.example",
    "PUBLIC_URL": "https://ledger.example",
}
FINE = "ok    a server starts with these settings\n"


@pytest.fixture
def daybook(tmp_path: Path) -> CommandLine:
    return CommandLine({"DATA_DIR": str(tmp_path / "var")}).here


def test_without_settings_all_is_well_and_nothing_is_made(
    daybook: CommandLine, tmp_path: Path
) -> None:
    assert daybook.done("config", "check") == FINE
    assert list(tmp_path.iterdir()) == []


def test_it_needs_no_database(daybook: CommandLine) -> None:
    assert daybook.done("config", "check", **GOOD) == FINE


def test_everything_wrong_is_listed_with_what_to_do(daybook: CommandLine) -> None:
    result = daybook("config", "check", PORT="x", RATE_LIMIT="many", JWT_SECRET="hush")
    assert (result.returncode, result.stderr) == (1, "")
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["WRONG", f"{name}:"] for name in ("PORT", "JWT_SECRET", "RATE_LIMIT")
    ]
    assert "make one with `daybook config new-secret`" in lines[1]
    assert "hush" not in result.stdout


def test_production_is_judged_before_it_is_one(daybook: CommandLine) -> None:
    result = daybook("config", "check", "--production")
    assert result.returncode == 1
    wrong = [line for line in result.stdout.splitlines() if line.startswith("WRONG")]
    assert [line.split()[1] for line in wrong] == [
        "DATABASE_URL:",
        "JWT_SECRET:",
        "ENCRYPTION_KEY:",
    ]
    settings = {**GOOD, "APP_ENV": "development"}
    assert daybook.done("config", "check", "--production", **settings) == FINE


def test_warnings_alone_are_no_failure(daybook: CommandLine) -> None:
    said = daybook.done("config", "check", **{**GOOD, "SMTP_URL": ""})
    assert said.startswith("WARN  SMTP_URL: it is not set")


def test_programs_read_it_too(daybook: CommandLine) -> None:
    result = daybook("config", "check", "--json", **{**GOOD, "JWT_SECRET": "", "SMTP_URL": ""})
    assert result.returncode == 1
    found = json.loads(result.stdout)
    assert [text.split(":")[0] for text in found["errors"]] == ["JWT_SECRET"]
    assert [text.split(":")[0] for text in found["warnings"]] == ["SMTP_URL"]


def test_the_file_of_settings_is_looked_at_too(daybook: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_text(f"JWT_SECERT={new_jwt_secret()}\nhush\nEDITOR=vi\nPORT=http\n")
    result = daybook("config", "check", ENV_FILE=str(file))
    assert result.returncode == 1
    assert "WRONG PORT: 'http' cannot be used" in result.stdout
    assert f"WARN  {file}: JWT_SECERT is no setting" in result.stdout
    assert "write JWT_SECRET" in result.stdout
    assert len(result.stdout.splitlines()) == 2, "what another program reads is no finding"
    assert "hush" not in result.stdout + result.stderr
    settings = {**GOOD, "ENV_FILE": str(file)}
    assert daybook.done("config", "check", **settings) == FINE, "production does not read it"
    settings["APP_ENV"] = "development"
    assert daybook.done("config", "check", "--production", **settings) == FINE


@pytest.mark.parametrize("command", ["serve", "up"])
def test_a_server_does_not_start_with_what_is_wrong(
    command: str, daybook: CommandLine, tmp_path: Path
) -> None:
    refused = daybook.refused(
        1, command, APP_ENV="production", JWT_SECRET="change_me" * 8, PORT=str(free_port())
    )
    for sentence in (
        "DATABASE_URL: production needs",
        "JWT_SECRET: it is a placeholder",
        "ENCRYPTION_KEY: production needs one",
    ):
        assert sentence in refused
    assert "change_mechange_me" not in refused
    assert list(tmp_path.iterdir()) == []


def test_new_secrets_are_good_ones(daybook: CommandLine) -> None:
    secrets = [daybook.done("config", "new-secret").strip() for _ in range(2)]
    assert secrets[0] != secrets[1]
    for secret in secrets:
        assert daybook.done("config", "check", **{**GOOD, "JWT_SECRET": secret}) == FINE
