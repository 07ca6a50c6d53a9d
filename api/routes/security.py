"""Security: what was refused at the edge and what admins did, and how often each problem was answered."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from api.freshness import Fresh, be_fresh, gaps
from api.models import Cursor, EndMoment, In, Limit, Moment, Text, enum, one_of
from api.paging import complete, decode_cursor, page
from api.people_responses import PRIVATE
from api.problems import CATALOGUE
from api.responses import problems
from api.state import Running
from api.writing import json_response, private_response
from application.noticing import field_place
from application.privacy.opening import open_text
from application.privacy.sealing import SEALED, SealBrokenError, is_sealed
from projections.security import queries
from projections.security.projection import KINDS
from projections.security.queries import NoticeRow, Wanted

_log = logging.getLogger("daybook.api")

router = APIRouter(prefix="/api/security", tags=["security"])

Kind = Annotated[str, one_of("invalid_topic", KINDS), enum(KINDS)]


class NoticeFilters(In):
    kind: Kind | None = None
    actor: Text | None = None
    reason: Text | None = None
    from_: Annotated[Moment | None, Query(alias="from")] = None
    to: EndMoment | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
    min_position: Fresh = None


class NoticeOut(BaseModel):
    position: int
    recorded_at: datetime
    kind: str = Field(examples=list(KINDS))
    reason: str = Field(description="of the problem; of an admin_action the event's topic")
    action: str = Field(description="method and route; of an admin_action what was done")
    actor: str = Field(description="empty when nobody knows")
    address: str = Field(description="`[erased]` once the month is forgotten")
    user_agent: str
    correlation_id: str = Field(description="of the first")
    count: int = Field(description="how many alike were noticed at once")


class NoticePage(BaseModel):
    data: list[NoticeOut]
    next_cursor: str | None
    has_more: bool


class CounterOut(BaseModel):
    category: str
    reason: str
    count: int


class CounterPage(BaseModel):
    data: list[CounterOut]
    next_cursor: None
    has_more: bool
    since: datetime = Field(description="when this server started")


@router.get("/events", response_model=NoticePage, responses={200: PRIVATE, **problems(400)})
async def list_events(filters: Annotated[NoticeFilters, Query()], state: Running) -> Response:
    """What was refused at the edge, what looked like an attack, and what was done to users and
    approvals, the newest first; `from` and `to` are about the time of recording. What is noticed is
    here about a second later. Alike notices of that time are one, with a count."""
    before = decode_cursor(filters.cursor)
    await be_fresh(state, "security", filters.min_position)
    wanted = Wanted(filters.kind, filters.actor, filters.reason, filters.from_, filters.to)
    async with state.pool.connection() as conn:
        found = await queries.search(conn, wanted, limit=filters.limit, before=before)
        ids = {row.key_id for row in found.rows if row.key_id is not None}
        keys = await state.vault.keys(conn, ids)
    answer = private_response(page(found, lambda row: _row(row, keys)))
    answer.headers.update(await gaps(state, "security"))
    return answer


@router.get("/counters", response_model=CounterPage, responses=problems())
async def list_counters(state: Running) -> Response:
    """How often this server has answered each problem since it started, the most frequent first."""
    rows = [
        {"category": CATALOGUE[reason].category, "reason": reason, "count": count}
        for reason, count in state.noticer.counts.most_common()
    ]
    return json_response({**complete(rows), "since": state.started_at})


def _row(row: NoticeRow, keys: Mapping[UUID, bytes]) -> dict[str, Any]:
    return {
        "position": row.position,
        "recorded_at": row.recorded_at,
        "kind": row.kind,
        "reason": row.reason,
        "action": row.action,
        "actor": row.actor,
        "address": _opened(row, "address", row.address, keys),
        "user_agent": _opened(row, "user_agent", row.user_agent, keys),
        "correlation_id": row.correlation_id,
        "count": row.count,
    }


def _opened(row: NoticeRow, field: str, text: str, keys: Mapping[UUID, bytes]) -> str:
    if row.key_id is None or not is_sealed(text):
        return text
    try:
        return open_text(keys.get(row.key_id), text, field_place(row.key_id, field))
    except SealBrokenError as error:  # one that was tampered with must not hide all others
        _log.error("event %d: %s", row.position, error)
        return SEALED
