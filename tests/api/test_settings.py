"""Settings are few, have defaults that work, and say which of them is wrong."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from api.settings import Settings, SettingsError, load_settings
from api.wiring import public_only
from tests.conftest import Database


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name, raising=False)


def test_without_any_variable_everything_runs_here() -> None:
    settings = load_settings()
    assert (settings.HOST, settings.PORT) == ("127.0.0.1", 8000)
    assert Path("var") == settings.DATA_DIR
    assert settings.DATABASE_URL is None
    assert settings.admin_url is None


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "")
    assert load_settings().PORT == 8000


def test_migrations_use_the_same_database_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app@db/ledger")
    assert load_settings().admin_url == "postgresql://app@db/ledger"
    monkeypatch.setenv("DATABASE_ADMIN_URL", "postgresql://admin@db/ledger")
    assert load_settings().admin_url == "postgresql://admin@db/ledger"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT", "http", "PORT: 'http' cannot be used"),
        ("PORT", "65536", "less than or equal to 65535"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL: .* 'INFO'"),
        ("LOG_FORMAT", "xml", "LOG_FORMAT: 'xml' cannot be used: .* 'json' or 'text'"),
        ("QUEUE_LIMIT", "0", "QUEUE_LIMIT: '0' cannot be used"),
        ("DATABASE_ADMIN_URL", "postgresql://admin@db/ledger", "set both or none"),
    ],
)
def test_a_wrong_value_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=sentence):
        load_settings()


def test_log_lines_are_for_programs_where_daybook_is_one_of_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert load_settings().log_format == "text"
    monkeypatch.setenv("DATABASE_URL", "postgresql://app@db/ledger")
    assert load_settings().log_format == "json"
    monkeypatch.setenv("LOG_FORMAT", "Text")
    assert load_settings().log_format == "text"


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("CACHE_ACCOUNTS", "y")
    with pytest.raises(SettingsError, match=r"(?s)PORT.*CACHE_ACCOUNTS"):
        load_settings()


def test_passwords_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://app:secret@db/ledger")
    with pytest.raises(SettingsError, match="DATABASE_URL: write it as") as caught:
        load_settings()
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:secret@db/ledger")
    assert "secret" not in repr(load_settings())


def test_a_schema_with_the_roles_name_does_not_come_before_the_log(database: Database) -> None:
    for url in (database.url, f"{database.url}&options=-cstatement_timeout%3D5s"):
        with psycopg.connect(public_only(url)) as conn:
            conn.execute("CREATE SCHEMA daybook")
            conn.execute("CREATE TABLE daybook.events AS SELECT 1 AS forged")
            assert conn.execute("SELECT * FROM events").fetchall() == []
            timeout = conn.execute("SHOW statement_timeout").fetchone()
            conn.rollback()
    assert timeout == ("5s",)
