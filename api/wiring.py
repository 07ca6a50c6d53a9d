"""The composition root: makes the parts from the settings and puts them together."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

from fastapi import FastAPI
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from api import auditing, description, errors, paging
from api.cache import Cache, Storage, storage_at
from api.databases import make_hasher, make_ledger, make_read_models, webhooks_allowed
from api.edge import Edge, EdgeOptions
from api.guard import Gate, guard
from api.limits import Limiter, Rates
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
    console,
    countries,
    credit_applications,
    credit_reviews,
    decisions,
    events,
    funds,
    health,
    investments,
    jobs,
    loans,
    notices,
    prequalifications,
    privacy,
    problems,
    processes,
    profile,
    projections,
    reconciliations,
    registration,
    reports,
    security,
    statements,
    streams,
    transfers,
    users,
    webhooks,
    webhooks_incoming,
)
from api.secrets import cursor_key, jwt_secrets, limits_key, master_keys
from api.settings import Settings
from api.state import Policy, State
from api.sweeping import sweep
from api.watching import Watch
from api.webhooks import Webhooks
from application.identity.access import Access
from application.identity.tokens import Signer, VerifiedTokens
from application.people.vault import Vault
from application.privacy.master_keys import MasterKeys
from application.processes.credit import tables as decision_tables
from application.webhooks.providers import providers
from application.webhooks.secrets import Secrets
from projections.freshness import Freshness

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
        providers(
            settings.BANK_WEBHOOK_SECRET,
            settings.BUREAU_WEBHOOK_SECRET,
            settings.DECISIONS_WEBHOOK_SECRET,
            settings.FRAUD_WEBHOOK_SECRET,
            fraud_stops_from=settings.FRAUD_HOLDS_FROM,
        ),
        settings.WEBHOOK_TOLERANCE_S,
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
        tables = await asyncio.to_thread(decision_tables)
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
                    cache, hooks, Watch(pool, freshness), tables,
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
        accounts, statements, transfers, approvals, reports, events, streams, audit, audit_proof, projections,
        problems, health, auth, registration, profile, users, privacy, api_keys, security,
        cache, processes, jobs, webhooks, webhooks_incoming, reconciliations,
        funds, investments, bank_transfers, notices, countries, credit_reviews, credit_applications,
        prequalifications,
        loans, decisions, console,
    )  # fmt: skip
    routers = [module.router for module in modules]
    for router in routers:
        # As they are: an included router is searched twice for each request.
        app.router.routes.extend(router.routes)
    app.state.routes = [route for router in routers for route in router.routes]
    guard(app.state.routes)
    description.install(app)
    return app
