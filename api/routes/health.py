"""Probes: whether the process lives, whether it can serve, and how each part of it is."""

from __future__ import annotations

import resource
import shutil
import time
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import psycopg
from fastapi import APIRouter, Response
from psycopg_pool import PoolTimeout

from api import views
from api.responses import HealthOut
from api.state import Running, State
from projections.health import status as projection_status

router = APIRouter(tags=["health"])

_CHECK_TIMEOUT_S = 2.0
_LONG_BATCH_S = 3.0
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
    """The database answers, so requests can be served; 503 names what is missing."""
    checks = {"database": await _database(state), "write_queue": _write_queue(state)}
    return _of(state, checks)


@router.get("/api/health/detailed", response_model=HealthOut, responses={503: {"model": HealthOut}})
async def detailed(state: Running) -> Response:
    """Database, write queue, read models, memory and disk, each with its figures."""
    checks = {
        "database": await _database(state),
        "write_queue": _write_queue(state),
        "projections": await _projections(state),
        "memory": _memory(),
        "disk": _disk(state),
    }
    return _of(state, checks)


def _of(state: State, checks: dict[str, dict[str, Any]]) -> Response:
    good = all(check["status"] == "ok" for check in checks.values())
    return _answer(state, "ok" if good else "degraded", checks, 200 if good else 503)


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


def _memory() -> dict[str, Any]:
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"status": "ok", "peak_mib": peak_kib // 1024}


def _disk(state: State) -> dict[str, Any]:
    folder = state.data_dir if state.data_dir.exists() else state.data_dir.absolute().parent
    free = shutil.disk_usage(folder if folder.exists() else "/").free
    return {"status": "ok" if free > _LITTLE_DISK_BYTES else "failed", "free_bytes": free}
