"""A server in production starts with good secrets only, and says at once all that is missing."""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from api.secrets import new_jwt_secret
from api.server import serve
from api.settings import Settings, SettingsError
from api.starting import check, check_for_production, require_fit, require_fit_services, warnings
from application.countries import catalogue
from application.decisions import UnsoundTableError
from application.privacy.master_keys import generate
from application.processes.credit import tables
from tests.api.cli.conftest import CommandLine
from tests.application.decisions import building
from tests.support.processes import ROOT, Daybook

DATABASE = "postgresql://app:{}@db.example/ledger"
OUTSIDE: dict[str, Any] = {"HOST": "0.0.0.0"}


# Random looking and the same in every process; parameters of a test have to be.
SIGNING = "whsec_" + b64encode(sha256(b"webhooks").digest()).decode()
RANDOM = urlsafe_b64encode(b"".join(sha256(bytes([n])).digest() for n in range(2))).decode()


def fit(**changed: Any) -> Settings:
    """What production starts with, and some of it changed."""
    good = {
        "APP_ENV": "production",
        "JWT_SECRET": new_jwt_secret(),
        "ENCRYPTION_KEY": generate(),
        "DATABASE_URL": DATABASE.format("Yo7-quiet-heron"),
    }
    return Settings.model_validate({k: v for k, v in {**good, **changed}.items() if v is not None})


def key(content: bytes) -> str:
    return b64encode(content).decode()


def test_good_settings_are_fit_for_production() -> None:
    for changed in (
        {},
        {"DATABASE_URL": "postgresql://app@db.example/ledger"},  # its password is in a file
        {"HOST": "0.0.0.0", "ALLOWED_HOSTS": "ledger.example"},
        {"JWT_SECRETS_OLD": new_jwt_secret(), "ENCRYPTION_KEYS_OLD": generate()},
        {"ARGON2_MEMORY_KIB": 19456, "ARGON2_TIME_COST": 2},
    ):
        assert check(fit(**changed)) == []


def test_all_that_is_missing_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        require_fit(Settings(APP_ENV="production", **OUTSIDE))
    names = [line.partition(":")[0] for line in str(caught.value).splitlines()]
    assert names == ["HOST", "DATABASE_URL", "JWT_SECRET", "ENCRYPTION_KEY"]


def example(name: str) -> str:
    """A value of `.env.example`."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    (value,) = [line.removeprefix(f"{name}=") for line in lines if line.startswith(f"{name}=")]
    return value


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("JWT_SECRET", None, "production needs one"),
        ("JWT_SECRET", example("JWT_SECRET"), "it is a placeholder"),
        ("JWT_SECRET", "change_me" * 10, "it is a placeholder"),
        ("JWT_SECRET", "My-Secret-" + RANDOM, "it is a placeholder"),
        ("JWT_SECRET", RANDOM[:63], "it has fewer than 64 characters"),
        ("JWT_SECRET", "0123456789abcde" * 5, "it was not made at random"),
        ("JWT_SECRET", "0123456789abcdefghijklmnopqrstuv" * 3, "it was not made at random"),
        ("JWT_SECRETS_OLD", "change_me" * 10, "secret 1: it is a placeholder: take it out"),
        ("JWT_SECRETS_OLD", f"{RANDOM},{'x' * 64}", "secret 2: it was not made at random"),
        ("ENCRYPTION_KEY", None, "production needs one"),
        ("ENCRYPTION_KEY", key(bytes(32)), "it was not made at random"),
        ("ENCRYPTION_KEY", key(bytes(range(32))), "it was not made at random"),
        ("ENCRYPTION_KEY", key(bytes(range(8, 24)) * 2), "it was not made at random"),
        ("ENCRYPTION_KEY", key(b"what a person types is a phrase."), "it was not made at random"),
        ("DATABASE_URL", None, "production needs a Postgres of its own"),
        (
            "BANK_WEBHOOK_SECRET",
            "whsec_" + key(b"sandbox-bank-webhook-secret"),
            "not made at random",
        ),
        ("BANK_WEBHOOK_SECRET", f"{SIGNING},whsec_{key(bytes(32))}", "secret 2: it was not"),
        ("BANK_WEBHOOK_SECRET", SIGNING, None),
        ("BUREAU_WEBHOOK_SECRET", "whsec_" + key(bytes(32)), "is taken for the bureau"),
        ("DECISIONS_WEBHOOK_SECRET", "whsec_" + key(bytes(32)), "the partner who decides"),
        ("FRAUD_WEBHOOK_SECRET", "whsec_" + key(bytes(32)), "the partner who watches for fraud"),
        ("DATABASE_URL", DATABASE.format("postgres"), "everybody tries first"),
        ("DATABASE_URL", DATABASE.format("Daybook"), "everybody tries first"),
        ("DATABASE_URL", DATABASE.format("change_me"), "everybody tries first"),
        ("DATABASE_URL", DATABASE.format("example-hush"), "everybody tries first"),
        ("DATABASE_URL", DATABASE.format("app"), "everybody tries first"),
        ("DATABASE_URL", "postgresql://db/x?user=a&password=password", "everybody tries first"),
        ("DATABASE_ADMIN_URL", DATABASE.format("postgres"), "everybody tries first"),
        ("HOST", "0.0.0.0", "set ALLOWED_HOSTS to the names"),
        ("HOST", "::", "set ALLOWED_HOSTS to the names"),
        ("HOST", "ledger.example", "set ALLOWED_HOSTS to the names"),
        ("LOG_LEVEL", "DEBUG", "use INFO"),
        ("ARGON2_MEMORY_KIB", 4096, "would be cheap to try"),
        ("ARGON2_TIME_COST", 1, None),
    ],
)
def test_what_is_weak_or_missing_is_named_and_not_shown(
    name: str, value: Any, sentence: str | None
) -> None:
    found = check_for_production(fit(**{name: value}))
    if sentence is None:
        assert found == []
        return
    (said,) = found
    assert said.startswith(f"{name}")
    assert sentence in said
    if name not in ("HOST", "LOG_LEVEL", "ARGON2_MEMORY_KIB") and value is not None:
        for part in str(value).split(","):
            assert part not in said
    assert "hush" not in said


def test_elsewhere_secrets_may_be_weak_as_long_as_nobody_else_gets_in() -> None:
    known: dict[str, Any] = {"JWT_SECRET": example("JWT_SECRET")}
    assert check(Settings(**known)) == []
    assert check(Settings(HOST="::1", **known)) == []
    (said,) = check(Settings(HOST="0.0.0.0", ALLOWED_HOSTS=("ledger.example",), **known))
    assert said.startswith("JWT_SECRET: everybody knows this one")
    assert check(Settings(HOST="0.0.0.0", ALLOWED_HOSTS=("ledger.example",))) == []
    (said,) = check(Settings(**OUTSIDE))
    assert "set ALLOWED_HOSTS to the names" in said


QUIET = {"SMTP_URL": "smtps://mail.example", "PUBLIC_URL": "https://ledger.example"}


@pytest.mark.parametrize(
    ("changed", "sentences"),
    [
        ({}, []),
        ({"REDIS_URL": "rediss://:hush@redis.example"}, []),
        ({"REDIS_URL": "redis://127.0.0.1:6379/0"}, []),
        ({"REDIS_URL": "redis://:hush@redis.example"}, ["REDIS_URL: .* use rediss://"]),
        ({"REDIS_URL": "redis://redis.example"}, ["use rediss://", "it has no password"]),
        ({"SMTP_URL": None}, ["SMTP_URL: it is not set"]),
        ({"SMTP_URL": "smtp://me:hush@mail.example"}, ["SMTP_URL: .* use smtps://"]),
        ({"WEBHOOKS_ALLOW_PRIVATE": True}, ["WEBHOOKS_ALLOW_PRIVATE: .* this network"]),
        ({"PUBLIC_URL": None}, ["PUBLIC_URL: links in mails"]),
        ({"FEATURE_RATE_LIMITING": False}, ["FEATURE_RATE_LIMITING: it is off"]),
        ({"FEATURE_SECURITY_AUDIT": False}, ["FEATURE_SECURITY_AUDIT: it is off"]),
    ],
)
def test_what_is_unwise_is_a_warning(changed: dict[str, Any], sentences: list[str]) -> None:
    settings = fit(**{**QUIET, **changed})
    assert check(settings) == []
    found = warnings(settings)
    assert len(found) == len(sentences)
    for said, sentence in zip(found, sentences, strict=True):
        assert re.search(sentence, said)
        assert "hush" not in said


def test_a_server_names_all_that_is_weak_at_once_and_does_not_start() -> None:
    weak = {
        "APP_ENV": "production",
        "JWT_SECRET": "change_me" * 10,
        "JWT_SECRETS_OLD": "password" * 10,
        "ENCRYPTION_KEY": key(bytes(32)),
        "DATABASE_URL": DATABASE.format("postgres"),
        "DATABASE_ADMIN_URL": DATABASE.format("admin"),
        "ARGON2_MEMORY_KIB": "4096",
        "LOG_LEVEL": "DEBUG",
        "HOST": "0.0.0.0",
    }
    said = CommandLine(weak).refused(1, "serve")
    for name in weak.keys() - {"APP_ENV"}:
        assert f"{name}:" in said or f"{name} " in said, name
    for name in ("JWT_SECRET", "JWT_SECRETS_OLD", "ENCRYPTION_KEY"):
        assert weak[name] not in said
    assert ":postgres@" not in said


BANK = {
    "BANK_URL": "https://bank.example.com",
    "BANK_TOKEN": "known to the bank",
    "BANK_WEBHOOK_SECRET": SIGNING,
}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({}, None),
        ({"BANK_URL": "http://127.0.0.1:8010"}, None),
        ({"BANK_URL": None, "BANK_TOKEN": None}, None),
        ({"BANK_URL": "http://sandbox:8010"}, "BANK_URL"),
        ({"BANK_URL": "http://bank.example.com"}, "BANK_URL"),
        ({"BANK_TOKEN": None}, "BANK_TOKEN"),
        ({"BANK_WEBHOOK_SECRET": None}, "BANK_WEBHOOK_SECRET"),
    ],
)
@pytest.mark.parametrize("service", ["BANK", "BUREAU"])
def test_production_asks_only_services_that_are_proven(
    service: str, changed: dict[str, Any], named: str | None
) -> None:
    given = BANK | changed
    production = fit(**{name.replace("BANK", service): value for name, value in given.items()})
    named = named and named.replace("BANK", service)
    found = check_for_production(production)
    assert [each.partition(":")[0] for each in found] == ([] if named is None else [named])
    if named is None:
        require_fit_services(production)
    else:
        with pytest.raises(SettingsError, match=named):
            require_fit_services(production)


def test_a_worker_does_not_start_with_another_bank() -> None:
    given = {"APP_ENV": "production", "DATABASE_URL": DATABASE.format(RANDOM)} | BANK
    with Daybook("worker", settings=given | {"BANK_URL": "http://sandbox:8010"}) as worker:
        worker.wait_for(lambda: worker.status() is not None)
        assert worker.status() == 1
        assert "BANK_URL: " in worker.output


def test_nothing_starts_with_a_table_that_may_not_decide(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file that somebody has put into a country's folder is told with its place in a sentence."""
    file = tmp_path / "2026-01-01.json"
    file.write_text(json.dumps(building.changed(building.cell(1, "a", "> salary"))))
    monkeypatch.setattr(catalogue, "decision_files", lambda _: [file])
    tables.cache_clear()
    said = CommandLine({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}).here.refused(
        1, "worker"
    )
    for words in (str(file), "node Credit, row much, column Amount: salary is nothing known"):
        assert words in said
    with pytest.raises(UnsoundTableError):
        serve(fit(APP_ENV="development"), "")
