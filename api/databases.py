"""What servers, workers and commands all start with: the database of the settings, a ledger on it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, quote, urlencode

import psycopg

from api.local.postgres import EmbeddedPostgres
from api.settings import Settings, load_settings
from application.identity.passwords import Hasher
from application.ledger import Ledger
from application.webhooks.addresses import Allowed
from migrations import runner
from projections import schemas
from projections.catalogue import READ_MODELS

_PUBLIC = "-csearch_path=public"


def to_stderr(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - notices are for the person who waits


@contextmanager
def database(
    settings: Settings, notice: Callable[[str], None] = to_stderr
) -> Iterator[tuple[str, str]]:
    """Connection strings of the database, for the application and for migrations; while the block
    runs, so does the embedded server if there is no other."""
    if settings.DATABASE_URL is not None:
        yield (
            public_only(settings.DATABASE_URL),
            public_only(settings.admin_url or settings.DATABASE_URL),
        )
        return
    with EmbeddedPostgres(settings.DATA_DIR, notice=notice) as server:
        yield public_only(server.url()), public_only(server.url(superuser=True))


def public_only(url: str) -> str:
    """The connection string with names that mean the tables of the schema `public` and no others.

    By default a schema with the role's own name comes first, and the application may make schemas: a
    log of its own in one of those would be taken for the log.
    """
    base, _, query = url.partition("?")
    given = parse_qsl(query, keep_blank_values=True)
    options = [value for name, value in given if name == "options"]
    kept = [(name, value) for name, value in given if name != "options"]
    kept.append(("options", " ".join([*options, _PUBLIC])))
    return f"{base}?{urlencode(kept, quote_via=quote, safe='')}"


def migrate(admin_url: str) -> list[runner.Migration]:
    """Bring the database to this version. Raises `MigrationError`."""
    with psycopg.connect(admin_url, autocommit=True) as conn:
        return runner.up(conn)


def require_migrated(conninfo: str) -> None:
    """Raises `MigrationError` when the database is behind this version: a server on it would only
    fail later. Reads as the application's role, which may not migrate."""
    with psycopg.connect(conninfo, autocommit=True) as conn:
        row = conn.execute("SELECT to_regclass('schema_migrations') IS NOT NULL").fetchone()
        behind = row is None or not row[0] or runner.pending(conn)
    if behind:
        raise runner.MigrationError("the database is not migrated: run `daybook migrate up` first")


def make_read_models(conninfo: str) -> None:
    """Make tables, empty so far, for read models that have never run: queries need them to be there."""
    with psycopg.connect(conninfo, autocommit=True) as conn:
        for model in READ_MODELS:
            schemas.ensure(conn, model)


@contextmanager
def ready_database(settings: Settings, notice: Callable[[str], None] = to_stderr) -> Iterator[str]:
    """The connection string of a migrated database: the embedded one is migrated on the way,
    another one only by `daybook migrate up`."""
    with database(settings, notice) as (conninfo, admin_url):
        if settings.DATABASE_URL is None:
            migrate(admin_url)
        require_migrated(conninfo)
        make_read_models(conninfo)
        yield conninfo


def make_ledger(settings: Settings, conninfo: str) -> Ledger:
    return Ledger(
        conninfo,
        queue_limit=settings.QUEUE_LIMIT,
        cache_accounts=settings.CACHE_ACCOUNTS,
    )


@contextmanager
def open_ledger() -> Iterator[tuple[Ledger, str]]:
    """A ledger for the command line, with its connection string: beside a running server or alone."""
    settings = load_settings()
    with ready_database(settings) as conninfo, make_ledger(settings, conninfo) as ledger:
        yield ledger, conninfo


def webhooks_allowed(settings: Settings) -> Allowed:
    """Where webhooks may be sent; without TLS only while this is developed."""
    return Allowed(private=settings.WEBHOOKS_ALLOW_PRIVATE, https_only=settings.is_production)


def make_hasher(settings: Settings) -> Hasher:
    return Hasher(
        settings.ARGON2_TIME_COST, settings.ARGON2_MEMORY_KIB, settings.ARGON2_PARALLELISM
    )
