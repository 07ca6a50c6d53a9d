"""The composition root: makes the parts from the settings and puts them together."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import psycopg
from fastapi import FastAPI
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from api import auditing, description, errors, paging
from api.cache import Cache, Storage, storage_at
from api.edge import Edge, EdgeOptions
from api.guard import Gate, guard
from api.limits import Limiter, Rates
from api.local.postgres import EmbeddedPostgres
from api.mailing import Mailer, transport_to
from api.noticing import Noticer, writing
from api.routes import (
    accounts,
    api_keys,
    approvals,
    audit,
    audit_proof,
    auth,
    bank_transfers,
    cache,
    events,
    funds,
    health,
    investments,
    jobs,
    notices,
    privacy,
    problems,
    processes,
    profile,
    projections,
    reconciliations,
    registration,
    reports,
    security,
    streams,
    transfers,
    users,
    webhooks,
    webhooks_incoming,
)
from api.secrets import cursor_key, jwt_secrets, limits_key, master_keys
from api.settings import Settings, load_settings
from api.state import Policy, State
from api.sweeping import sweep
from api.watching import Watch
from api.webhooks import Webhooks
from application.identity.access import Access
from application.identity.passwords import Hasher
from application.identity.tokens import Signer, VerifiedTokens
from application.ledger import Ledger
from application.people.vault import Vault
from application.privacy.master_keys import MasterKeys
from application.webhooks.addresses import Allowed
from application.webhooks.providers import providers
from application.webhooks.secrets import Secrets
from migrations import runner
from projections import schemas
from projections.catalogue import READ_MODELS
from projections.freshness import Freshness

_PUBLIC = "-csearch_path=public"
_RECONNECT_S = 2.0
"""The pool doubles its wait with each attempt to connect. One that gives up soon begins anew with the
next request, instead of sitting out a wait as long as the outage was after the database is back."""
_SWITCH_S = 0.0005
"""The writer's thread waits this long at most for its turn while requests are parsed."""
_GC_THRESHOLDS = (50_000, 20, 100)
"""Requests that wait for a commit outlive the collector's usual short rounds (700 objects), which then
look at all of them again and again: a fifth of what a posting cost."""

DESCRIPTION = """An event-sourced double-entry ledger.

Amounts are decimal strings. Every write answers with its `position`; give it to a read as
`min_position` to see the write. An `Idempotency-Key` on a POST makes repeating it safe. What shows one
account or transfer has its version as `ETag`; with that as `If-Match` a change is made to that version
only, and answered with 412 when there is another by now. Errors are `application/problem+json` with a
`reason` for programs.

People log in at `/api/auth/login` and send the access token as `Authorization: Bearer ...`; programs
send an API key, the same way or as `X-API-Key`. Who may do what is one table; what belongs to others is
answered as if it were not there."""


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


def make_limiter(settings: Settings) -> Limiter | None:
    """What counts requests, None when the settings say that nobody does."""
    if not settings.FEATURE_RATE_LIMITING:
        return None
    rates = Rates(
        per_person=settings.RATE_LIMIT,
        per_machine=settings.RATE_LIMIT_MACHINE,
        per_address=settings.RATE_LIMIT_ADDRESS,
        writes_per_person=settings.RATE_LIMIT_WRITES,
        login=settings.RATE_LIMIT_LOGIN,
        login_per_address=settings.RATE_LIMIT_LOGIN_ADDRESS,
    )
    return Limiter(settings.REDIS_URL, rates, secret=limits_key(settings))


def make_storage(settings: Settings, vault: Vault) -> Storage:
    """Where the cache keeps things: every database has an index key of its own, so that those who share
    a Redis do not take each other's for theirs."""
    return storage_at(settings.REDIS_URL, vault.index.request(b"cache").hex()[:16])


def make_webhooks(settings: Settings, conninfo: str, masters: MasterKeys) -> Webhooks:
    """Where messages may go, and whose are taken in."""
    return Webhooks(
        Secrets.load(conninfo, masters),
        webhooks_allowed(settings),
        providers(settings.BANK_WEBHOOK_SECRET),
        settings.WEBHOOK_TOLERANCE_S,
    )


def webhooks_allowed(settings: Settings) -> Allowed:
    """Where webhooks may be sent; without TLS only while this is developed."""
    return Allowed(private=settings.WEBHOOKS_ALLOW_PRIVATE, https_only=settings.is_production)


def make_hasher(settings: Settings) -> Hasher:
    return Hasher(
        settings.ARGON2_TIME_COST, settings.ARGON2_MEMORY_KIB, settings.ARGON2_PARALLELISM
    )


def edge_options(settings: Settings, limiter: Limiter | None, noticer: Noticer) -> EdgeOptions:
    return EdgeOptions(
        allowed_hosts=frozenset(settings.ALLOWED_HOSTS),
        cors_origins=frozenset(settings.CORS_ORIGINS),
        is_production=settings.is_production,
        limiter=limiter,
        noticer=noticer,
    )


def create_app(settings: Settings, conninfo: str) -> FastAPI:
    """The API on a database. Its parts start with the server and stop with it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sys.setswitchinterval(_SWITCH_S)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
            conninfo,
            min_size=2,
            max_size=settings.POOL_SIZE,
            timeout=10,
            reconnect_timeout=_RECONNECT_S,
            open=False,
            kwargs={"application_name": "daybook reads", "autocommit": True},
            check=AsyncConnectionPool.check_connection,
        )
        await asyncio.to_thread(make_read_models, conninfo)
        vault = await asyncio.to_thread(Vault.open, conninfo, master_keys(settings))
        hooks = await asyncio.to_thread(make_webhooks, settings, conninfo, vault.masters)
        await pool.open()
        ledger = make_ledger(settings, conninfo)
        keeper = auditing.keeper(settings, conninfo)
        keeper.start()
        try:
            async with (
                Freshness(conninfo) as freshness,
                Access(conninfo) as access,
                writing(noticer, ledger, pool, vault.masters),
                Cache(make_storage(settings, vault), freshness.last_change) as cache,
            ):
                gate = Gate(signer, access, limiter, VerifiedTokens(signer))
                state = State(
                    ledger, pool, freshness, settings.DATA_DIR, gate, vault, hasher, policy, noticer,
                    cache, hooks, Watch(pool, freshness),
                )  # fmt: skip
                app.state.daybook = state
                transport = transport_to(settings.SMTP_URL, settings.DATA_DIR)
                mailer = Mailer(pool, vault, transport, settings.MAIL_FROM)
                tasks = [asyncio.create_task(sweep(state)), asyncio.create_task(mailer.run())]
                yield
                for task in tasks:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task
        finally:
            await asyncio.to_thread(keeper.stop)
            await asyncio.to_thread(ledger.close)
            await pool.close()
            hasher.close()
            if limiter is not None:
                await limiter.close()

    signer = Signer(jwt_secrets(settings))
    hasher = make_hasher(settings)
    policy = Policy(
        settings.public_url,
        settings.FOUR_EYES_ABOVE,
        settings.FEATURE_REGISTRATION,
        timedelta(seconds=settings.BANK_PATIENCE_S),
    )
    limiter = make_limiter(settings)
    noticer = Noticer(is_on=settings.FEATURE_SECURITY_AUDIT)
    paging.use_key(cursor_key(settings))
    app = FastAPI(
        title="Daybook",
        version=health.VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        redoc_url="/redoc",
        redirect_slashes=False,
    )
    app.add_middleware(Edge, options=edge_options(settings, limiter, noticer))
    errors.install(app)
    modules = (
        accounts, transfers, approvals, reports, events, streams, audit, audit_proof, projections,
        problems, health, auth, registration, profile, users, privacy, api_keys, security,
        cache, processes, jobs, webhooks, webhooks_incoming, reconciliations,
        funds, investments, bank_transfers, notices,
    )  # fmt: skip
    routers = [module.router for module in modules]
    for router in routers:
        # As they are: an included router is searched twice for each request.
        app.router.routes.extend(router.routes)
    app.state.routes = [route for router in routers for route in router.routes]
    guard(app.state.routes)
    description.install(app)
    return app
