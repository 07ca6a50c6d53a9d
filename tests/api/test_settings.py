"""Settings are few, have defaults that work, and say which of them is wrong."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from pydantic import ValidationError

from api.databases import public_only
from api.settings import Settings, SettingsError, env_file, load_settings
from tests.conftest import Database

SECRET_NAMES = {
    "DATABASE_URL", "DATABASE_ADMIN_URL", "REDIS_URL", "SMTP_URL", "JWT_SECRET", "JWT_SECRETS_OLD",
    "ENCRYPTION_KEY", "ENCRYPTION_KEYS_OLD", "BANK_WEBHOOK_SECRET", "BANK_TOKEN", "BUREAU_WEBHOOK_SECRET",
    "BUREAU_TOKEN", "DECISIONS_WEBHOOK_SECRET", "FRAUD_WEBHOOK_SECRET",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


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
        ("APP_ENV", "staging", "APP_ENV: 'staging' cannot be used"),
        ("POOL_SIZE", "1", "POOL_SIZE: '1' cannot be used"),
        ("SERVICE_NAME", "x" * 61, "SERVICE_NAME: .* at most 60"),
        (
            "ALLOWED_HOSTS",
            "ledger.example,*",
            r"ALLOWED_HOSTS: 'ledger.example,\*' .* without scheme",
        ),
        ("ALLOWED_HOSTS", "ledger.example:443", "ALLOWED_HOSTS: .* without scheme or port"),
        ("CORS_ORIGINS", "*", r"CORS_ORIGINS: '\*' cannot be used: write each site"),
        ("CORS_ORIGINS", "null", "CORS_ORIGINS: 'null' cannot be used: write each site"),
        ("CORS_ORIGINS", "https://a.example/", "CORS_ORIGINS: .* without a path"),
        ("CORS_ORIGINS", "https://*.a.example", "CORS_ORIGINS: .* write each site"),
        ("CORS_ORIGINS", "https://a.example:99999", "CORS_ORIGINS: .* write each site"),
        ("TRUSTED_PROXIES", "proxy.example", "TRUSTED_PROXIES: .* write addresses and networks"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "TRUSTED_PROXIES: .* write addresses and networks"),
        ("TRUSTED_PROXIES", "0.0.0.0/0", "TRUSTED_PROXIES: .* that is everybody"),
        ("RATE_LIMIT", "many", "RATE_LIMIT: 'many' cannot be used: write it as 100/minute"),
        ("RATE_LIMIT_MACHINE", "0/minute", "RATE_LIMIT_MACHINE: '0/minute' cannot be used"),
        ("RATE_LIMIT_WRITES", "1/second;9/minute", "RATE_LIMIT_WRITES: .* write it as"),
        ("FOUR_EYES_ABOVE", "EUR", "FOUR_EYES_ABOVE: 'EUR' cannot be used: write EUR:10000.00"),
        ("FOUR_EYES_ABOVE", "JPY:0.50", "FOUR_EYES_ABOVE: .* the decimals that it has"),
        ("FOUR_EYES_ABOVE", "EUR:1,EUR:2", "FOUR_EYES_ABOVE: .* each currency once"),
        ("FOUR_EYES_ABOVE", "EUR:-1", "FOUR_EYES_ABOVE: 'EUR:-1' cannot be used"),
        ("PUBLIC_URL", "ledger.example", "PUBLIC_URL: .* write it as https://"),
        ("MAIL_FROM", "nobody", "MAIL_FROM: 'nobody' cannot be used"),
        ("MAIL_FROM", "a\nBcc: b@x.example", "MAIL_FROM: .* cannot be used"),
        ("ARGON2_MEMORY_KIB", "31", "ARGON2_MEMORY_KIB is less than 8 times ARGON2_PARALLELISM"),
        ("FEATURE_REGISTRATION", "perhaps", "FEATURE_REGISTRATION: 'perhaps' cannot be used"),
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


def test_what_has_several_parts_is_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "Ledger.Example, [::1],")
    monkeypatch.setenv("CORS_ORIGINS", "HTTPS://App.Example:443,http://localhost:3000")
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.0/8, ::1")
    monkeypatch.setenv("FOUR_EYES_ABOVE", "EUR:10000.00, JPY:5")
    settings = load_settings()
    assert settings.ALLOWED_HOSTS == ("ledger.example", "[::1]")
    assert settings.CORS_ORIGINS == ("https://app.example", "http://localhost:3000")
    assert settings.TRUSTED_PROXIES == ("10.0.0.0/8", "::1")
    assert settings.FOUR_EYES_ABOVE == {"EUR": 10_000_00, "JPY": 5}


def test_links_lead_here_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "8001")
    assert load_settings().public_url == "http://127.0.0.1:8001"
    monkeypatch.setenv("PUBLIC_URL", "https://ledger.example/books/")
    assert load_settings().public_url == "https://ledger.example/books"


def test_settings_do_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOUR_EYES_ABOVE", "EUR:1.00")
    settings = load_settings()
    for name in Settings.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(settings, name, getattr(settings, name))
    with pytest.raises(TypeError):
        settings.FOUR_EYES_ABOVE["EUR"] = 0  # type: ignore[index]


@pytest.mark.parametrize("app_env", ["", "development", "Test"])
def test_outside_production_a_file_is_read_too(
    app_env: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".env").write_text("PORT=8001\nQUEUE_LIMIT=7\nLOG_LEVEL=\nOTHER=1\nRATE_LIMIT='5/hour'\n")
    monkeypatch.setenv("APP_ENV", app_env)
    monkeypatch.setenv("PORT", "8002")
    settings = load_settings()
    assert (settings.QUEUE_LIMIT, settings.LOG_LEVEL) == (7, "INFO")
    assert settings.RATE_LIMIT == "5/hour"
    assert settings.PORT == 8002, "the environment comes first"


@pytest.mark.parametrize("app_env", ["production", " Production"])
def test_production_reads_no_file(app_env: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("PORT=8001\n")
    monkeypatch.setenv("APP_ENV", app_env)
    settings = load_settings()
    assert (settings.APP_ENV, settings.PORT) == ("production", 8000)


def test_a_file_cannot_say_that_this_is_production() -> None:
    Path(".env").write_text("APP_ENV=production\n")
    with pytest.raises(SettingsError, match="set it, and all the rest, in the environment"):
        load_settings()


def test_the_file_may_be_another_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mine").write_text("PORT=8001\n")
    monkeypatch.setenv("ENV_FILE", "mine")
    assert load_settings().PORT == 8001
    monkeypatch.setenv("ENV_FILE", "/dev/null")
    assert env_file() is None
    assert load_settings().PORT == 8000


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_bytes(b"PORT=\xff\n")
    with pytest.raises(SettingsError, match=r"ENV_FILE: .* save it as UTF-8"):
        load_settings()


@pytest.mark.parametrize("name", sorted(SECRET_NAMES))
def test_secrets_are_not_shown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "hush")
    with pytest.raises(SettingsError, match=name) as caught:
        load_settings()
    assert "hush" not in str(caught.value)


def test_nothing_that_is_secret_is_in_the_printed_form() -> None:
    assert {name for name, field in Settings.model_fields.items() if not field.repr} == SECRET_NAMES


@pytest.mark.parametrize("name", ["PUBLIC_URL", "CORS_ORIGINS", "MAIL_FROM"])
def test_a_password_in_the_wrong_place_is_not_shown_either(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "https://me:hush@a.example/?x")
    with pytest.raises(SettingsError, match=name) as caught:
        load_settings()
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql://app:hush@db/ledger", "DATABASE_URL: write it as"),
        ("postgresql://app:hush%zz@db/ledger", "DATABASE_URL: it cannot be used: .* %40"),
        ("postgresql://app:hush@db/ledger?hush=1", "DATABASE_URL: .* options that libpq knows"),
    ],
)
def test_passwords_are_not_shown(monkeypatch: pytest.MonkeyPatch, url: str, sentence: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(SettingsError, match=sentence) as caught:
        load_settings()
    assert "hush" not in str(caught.value)
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:hush@db/ledger")
    assert "hush" not in repr(load_settings())


def test_a_schema_with_the_roles_name_does_not_come_before_the_log(database: Database) -> None:
    for url in (database.url, f"{database.url}&options=-cstatement_timeout%3D5s"):
        with psycopg.connect(public_only(url)) as conn:
            conn.execute("CREATE SCHEMA daybook")
            conn.execute("CREATE TABLE daybook.events AS SELECT 1 AS forged")
            assert conn.execute("SELECT * FROM events").fetchall() == []
            timeout = conn.execute("SHOW statement_timeout").fetchone()
            conn.rollback()
    assert timeout == ("5s",)
