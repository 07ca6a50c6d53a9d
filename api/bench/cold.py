"""Loading an account with very many entries that is in no cache: a snapshot and the tail after it."""

from __future__ import annotations

import time
from uuid import UUID

import psycopg

from api.bench.posting import BenchError, Poster
from api.bench.rows import Row, measured
from api.bench.stage import Stage
from application.ledger import reading
from application.ledger.reading import SNAPSHOT_EVERY
from domain.accounts import Account


def measure(stage: Stage) -> list[Row]:
    """Each load over a new connection, so that the statement is planned anew each time too."""
    poster, sizes = stage.hot, stage.sizes
    while poster.transfers < sizes.hot_entries:
        poster.post()
    hot = poster.accounts[0]
    version = _make_longest_tail(poster, hot)
    return [
        measured(
            "cold_load_ms", [_load_ms(poster.url, hot, version) for _ in range(sizes.cold_loads)]
        )
    ]


def _make_longest_tail(poster: Poster, hot: UUID) -> int:
    """Post until the last snapshot is as old as it gets; answers the account's version then."""
    with psycopg.connect(poster.url) as conn:
        version = _load(conn, hot).version
    to_snapshot = SNAPSHOT_EVERY - version % SNAPSHOT_EVERY
    for transfers in (to_snapshot, SNAPSHOT_EVERY - 1):
        poster.post(transfers)
    return version + to_snapshot + SNAPSHOT_EVERY - 1


def _load_ms(url: str, hot: UUID, version: int) -> float:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("SELECT")
        start = time.perf_counter()
        account = _load(conn, hot)
        took = time.perf_counter() - start
    if account.version != version:
        raise BenchError(f"loaded version {account.version} of {version}")
    return took * 1000


def _load(conn: psycopg.Connection[tuple[object, ...]], hot: UUID) -> Account:
    account = reading.load(conn, {hot})[hot]
    assert isinstance(account, Account)
    return account
