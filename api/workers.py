"""Puts a worker together: the processes' followers, their deadlines, and the jobs' threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool

from api import mailing
from api.databases import make_ledger, webhooks_allowed
from api.secrets import master_keys
from api.settings import Settings
from application.banking import Banking
from application.bureaus import Bureaus
from application.connecting import CONNECTION
from application.jobs import Kind, Kinds
from application.jobs.workers import Workers
from application.ledger import Ledger
from application.notifications import telling
from application.notifications.emailing import Emailer
from application.notifications.kinds import kinds as notification_kinds
from application.outbound.bank import HttpBank
from application.outbound.breaker import Breakers
from application.outbound.bureau import HttpBureau
from application.outbound.client import Tries
from application.outbound.health import HealthKeeper
from application.people.vault import Vault
from application.processes.catalogue import processes
from application.processes.deadlines import Clock
from application.processes.follower import Follower
from application.processes.notifications import TELL
from application.webhooks.delivering import Deliverer
from application.webhooks.posting import Poster
from application.webhooks.secrets import Secrets

Pool = ConnectionPool[Connection[Any]]


def concurrency(settings: Settings) -> dict[str, int]:
    """Queue -> jobs that one worker runs at once."""
    return {
        "banking": settings.JOBS_BANKING,
        "payments": settings.JOBS_PAYMENTS,
        "notifications": settings.JOBS_NOTIFICATIONS,
        "webhooks": settings.JOBS_WEBHOOKS,
        "bureaus": settings.JOBS_BUREAUS,
        "default": settings.JOBS_DEFAULT,
    }


@contextmanager
def running_worker(settings: Settings, conninfo: str) -> Iterator[None]:
    """Everything that a worker does, for as long as the block runs. Each part survives what happens to
    the database, the queue and the services outside."""
    stop = threading.Event()
    with ExitStack() as parts:
        ledger = parts.enter_context(make_ledger(settings, conninfo))
        pool = parts.enter_context(_pool(conninfo, sum(concurrency(settings).values())))
        breakers = Breakers(settings.REDIS_URL, on_change=HealthKeeper(conninfo))
        parts.callback(breakers.close)
        known = processes(
            timedelta(seconds=settings.BANK_PATIENCE_S),
            bureau_patience=timedelta(seconds=settings.BUREAU_PATIENCE_S),
        )
        threads = [
            threading.Thread(target=Follower(conninfo, ledger, process).run, args=(stop,))
            for process in known.values()
        ]
        threads.append(threading.Thread(target=Clock(conninfo, ledger, known).run, args=(stop,)))
        kinds = _kinds(settings, conninfo, ledger, pool, breakers, parts)
        parts.enter_context(
            Workers(
                conninfo, kinds, redis_url=settings.REDIS_URL, concurrency=concurrency(settings)
            )
        )
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            ledger.give_up_waiting()
            for thread in threads:
                thread.join()


def _kinds(
    settings: Settings,
    conninfo: str,
    ledger: Ledger,
    pool: Pool,
    breakers: Breakers,
    parts: ExitStack,
) -> Kinds:
    """The jobs that this worker can do; those of a bank or a credit bureau only when there is one."""
    vault = Vault.open(conninfo, master_keys(settings))
    transport = mailing.transport_to(settings.SMTP_URL, settings.DATA_DIR)
    deliver = mailing.deliverer(transport, settings.MAIL_FROM)
    emailer = Emailer(pool.connection, vault, deliver, settings.public_url)
    poster = Poster(webhooks_allowed(settings))
    parts.callback(poster.close)
    secrets = Secrets.load(conninfo, vault.masters)
    # What listens at the other end is its owner's business: it is no service of ours.
    listeners = Breakers(settings.REDIS_URL)
    parts.callback(listeners.close)
    deliverer = Deliverer(pool.connection, secrets, poster.post, listeners)
    kinds = {TELL: telling.kind(pool.connection), **notification_kinds(deliverer, emailer)}
    return kinds | _asking(settings, ledger, pool, vault, breakers, parts)


def _asking(
    settings: Settings,
    ledger: Ledger,
    pool: Pool,
    vault: Vault,
    breakers: Breakers,
    parts: ExitStack,
) -> dict[str, Kind]:
    """The jobs that ask a bank or a credit bureau, of those that there are."""
    kinds: dict[str, Kind] = {}
    once = Tries(attempts=1)
    if settings.BANK_URL is not None:
        breaker = breakers.of(HttpBank.name)
        bank = HttpBank.at(settings.BANK_URL, settings.BANK_TOKEN or "", breaker, tries=once)
        parts.callback(bank.close)
        after = timedelta(seconds=settings.BANK_LOOK_AFTER_S)
        kinds |= Banking(ledger, bank, pool.connection, vault, look_after=after).kinds()
    if settings.BUREAU_URL is not None:
        breaker = breakers.of(HttpBureau.name)
        bureau = HttpBureau.at(
            settings.BUREAU_URL, settings.BUREAU_TOKEN or "", breaker, tries=once
        )
        parts.callback(bureau.close)
        after = timedelta(seconds=settings.BUREAU_LOOK_AFTER_S)
        kinds |= Bureaus(ledger, bureau, pool.connection, vault, look_after=after).kinds()
    return kinds


def _pool(conninfo: str, threads: int) -> Pool:
    return ConnectionPool(
        conninfo,
        min_size=1,
        max_size=threads + 1,
        timeout=10,
        reconnect_timeout=2.0,
        open=False,
        kwargs={"application_name": "daybook worker", "autocommit": True, **CONNECTION},
        check=ConnectionPool.check_connection,
    )
