"""The cache: how often it helps, and emptying it."""

from __future__ import annotations

import logging

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from api.cache import Kind
from api.callers import caller_of
from api.kept import KINDS, MODELS
from api.shared_redis import RedisAwayError
from api.state import Running, State
from api.writing import json_response
from projections import checkpoints

router = APIRouter(prefix="/api/cache", tags=["cache"])

_log = logging.getLogger("daybook.cache")


class CacheKindOut(BaseModel):
    kind: str
    ttl_s: float
    hits: int
    misses: int
    entries: int | None = Field(description="that can be used; null when Redis does not answer")


class CacheOut(BaseModel):
    adapter: str = Field(description="`memory` of this server, or the `redis` that servers share")
    reachable: bool = Field(description="without it all is read from the database")
    hits: int = Field(description="reads of this server that needed no query of their own")
    misses: int
    kinds: list[CacheKindOut]


class ClearedOut(BaseModel):
    removed: int | None = Field(
        description="entries; null when Redis does not answer: those are used no more, and expire"
    )


@router.get("", response_model=CacheOut)
async def show_cache(state: Running) -> Response:
    """What is kept of read models so that it need not be read again, and what came of it since this
    server was started."""
    cache = state.cache
    kinds = [
        {
            "kind": kind.name,
            "ttl_s": cache.ttl_s(kind),
            "hits": cache.hits[kind.name],
            "misses": cache.misses[kind.name],
            "entries": await _entries(state, kind),
        }
        for kind in KINDS
    ]
    return json_response(
        {
            "adapter": cache.adapter,
            "reachable": all(kind["entries"] is not None for kind in kinds),
            "hits": cache.hits.total(),
            "misses": cache.misses.total(),
            "kinds": kinds,
        }
    )


async def _entries(state: State, kind: Kind[object]) -> int | None:
    try:
        return await state.cache.entries(kind)
    except RedisAwayError:
        return None


@router.delete("", response_model=ClearedOut)
async def clear_cache(request: Request, state: Running) -> Response:
    """Empty it in every server: the next read of anything comes from the database."""
    async with state.pool.connection() as conn:
        await checkpoints.renew(conn, MODELS)
    try:
        removed = await state.cache.clear()
    except RedisAwayError:
        removed = None
    _log.info("%s has cleared the cache: %s entries", caller_of(request).actor, removed)
    return json_response({"removed": removed})
