"""Probes: whether the process lives, whether it can serve, and how each part of it is."""

from __future__ import annotations

import asyncio
import resource
import shutil
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import msgspec
import psycopg
from fastapi import APIRouter, Response
from psycopg import AsyncConnection
from psycopg_pool import PoolTimeout

from api import views
from api.responses import HealthOut
from api.state import Running, State
from application.jobs import operating as jobs
from application.outbound.health import READ, ServiceHealth
from application.processes import operating as processes
from application.processes.catalogue import processes as known_processes
from projections.health import status as projection_status

router = APIRouter(tags=["health"])

_CHECK_TIMEOUT_S = 2.0
_LONG_BATCH_S = 3.0
_FAR_BEHIND = 50_000
"""Events that a process follows in about ten seconds, when somebody drives it."""
_LITTLE_DISK_BYTES = 512 * 1024 * 1024
VERSION = version("daybook")


@router.get("/api/health", response_model=HealthOut)
@router.get("/api/health/live", response_model=HealthOut)
@router.get("/health", response_model=HealthOut, include_in_schema=False)
async def live(state: Running) -> Response:
    """The process answers."""
    return _answer(state, "ok", None, 200)


@router.get("/api/health/ready", response_model=HealthOut, responses={503: {"model": HealthOut}})
@router.get("/ready", response_model=HealthOut, include_in_schema=False)
async def ready(state: Running) -> Response:
    """The database answers, so requests can be served; 503 names what is missing.

    How the decision tables are is shown too. Without one requests can be served: an officer decides then.
    """
    needed = {"database": await _database(state), "write_queue": _write_queue(state)}
    return _of(state, needed, {"rules": await _rules(state)})


@router.get("/api/health/detailed", response_model=HealthOut, responses={503: {"model": HealthOut}})
async def detailed(state: Running) -> Response:
    """Database, write queue, read models, processes, jobs, services outside, decision tables, memory and
    disk, each with its figures."""
    checks = {
        "database": await _database(state),
        "write_queue": _write_queue(state),
        "projections": await _projections(state),
        "processes": await _asked(state, _processes),
        "jobs": await _asked(state, _jobs),
        "services": await _asked(state, _services),
        "rules": await _rules(state),
        "memory": _memory(),
        "disk": _disk(state),
    }
    return _of(state, checks)


Checks = dict[str, dict[str, Any]]


def _of(state: State, needed: Checks, others: Checks | None = None) -> Response:
    """503 when one that is needed is not as it should be."""
    good = all(check["status"] == "ok" for check in needed.values())
    checks = needed | (others or {})
    status = "ok" if all(check["status"] == "ok" for check in checks.values()) else "degraded"
    return _answer(state, status, checks, 200 if good else 503)


def _answer(state: State, status: str, checks: dict[str, Any] | None, code: int) -> Response:
    now = datetime.now(UTC)
    body = {
        "status": status,
        "timestamp": now,
        "version": VERSION,
        "uptime_s": round((now - state.started_at).total_seconds(), 3),
    }
    if checks is not None:
        body["checks"] = checks
    return Response(views.encode(body), code, media_type="application/json")


async def _database(state: State) -> dict[str, Any]:
    begun = time.perf_counter()
    try:
        async with state.pool.connection(timeout=_CHECK_TIMEOUT_S) as conn:
            cursor = await conn.execute("SELECT position FROM ledger_head")
            row = await cursor.fetchone()
    except (psycopg.Error, PoolTimeout) as error:
        return {"status": "failed", "error": type(error).__name__}
    answered_ms = round((time.perf_counter() - begun) * 1000, 2)
    return {"status": "ok", "position": row[0] if row else 0, "answered_ms": answered_ms}


def _write_queue(state: State) -> dict[str, Any]:
    waiting, limit = state.ledger.waiting_commands, state.ledger.queue_limit
    return {
        "status": "ok" if waiting < limit and state.ledger.busy_for_s < _LONG_BATCH_S else "failed",
        "waiting_commands": waiting,
        "busy_for_s": round(state.ledger.busy_for_s, 3),
        "limit": limit,
    }


async def _projections(state: State) -> dict[str, Any]:
    try:
        async with state.pool.connection(timeout=_CHECK_TIMEOUT_S) as conn:
            found = await projection_status(conn)
    except (psycopg.Error, PoolTimeout) as error:
        return {"status": "failed", "error": type(error).__name__}
    models = {
        s.name: {"health": s.health, "lag_events": s.lag_events, "lag_seconds": round(s.lag_s, 3)}
        for s in found
    }
    good = all(s.health == "ok" for s in found)
    return {"status": "ok" if good else "failed", "models": models}


async def _asked(
    state: State, question: Callable[[AsyncConnection[Any]], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    try:
        async with state.pool.connection(timeout=_CHECK_TIMEOUT_S) as conn:
            return await question(conn)
    except (psycopg.Error, PoolTimeout) as error:
        return {"status": "failed", "error": type(error).__name__}


async def _processes(conn: AsyncConnection[Any]) -> dict[str, Any]:
    """Flows that wait for an operator are his business; a process that nobody drives is the house's."""
    found = await processes.overview(conn, tuple(known_processes()))
    good = all(process.behind < _FAR_BEHIND for process in found)
    told = {p.name: {"behind": p.behind, "stuck": p.flows.get("stuck", 0)} for p in found}
    return {"status": "ok" if good else "failed", "processes": told}


async def _jobs(conn: AsyncConnection[Any]) -> dict[str, Any]:
    queues = await jobs.stats(conn)
    return {"status": "ok", "queues": {row.queue: msgspec.to_builtins(row) for row in queues}}


async def _services(conn: AsyncConnection[Any]) -> dict[str, Any]:
    """One that is not called any more, since it failed. What listens to webhooks is its owner's."""
    rows = await conn.execute(READ)
    found = [ServiceHealth(*row) for row in await rows.fetchall()]
    ours = [one for one in found if not one.service.startswith("webhooks:")]
    good = all(one.state != "open" for one in ours)
    told = {one.service: msgspec.to_builtins(one) for one in ours}
    return {"status": "ok" if good else "failed", "services": told}


async def _rules(state: State) -> dict[str, Any]:
    """Whether each country's tables can be asked: a made-up application is decided."""
    found = await asyncio.to_thread(state.decisions.health)
    good = all(told == "ok" for told in found.values())
    return {"status": "ok" if good else "failed", "countries": found}


def _memory() -> dict[str, Any]:
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"status": "ok", "peak_mib": peak_kib // 1024}


def _disk(state: State) -> dict[str, Any]:
    folder = state.data_dir if state.data_dir.exists() else state.data_dir.absolute().parent
    free = shutil.disk_usage(folder if folder.exists() else "/").free
    return {"status": "ok" if free > _LITTLE_DISK_BYTES else "failed", "free_bytes": free}
