"""Decision tables: which are in force, and what one would decide, of made-up facts or of past ones."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Response

from api import decision_replaying as replaying
from api.deciding import draft, explained, facts_of, tried
from api.decision_models import DecisionReplayIn, DryRunIn
from api.decision_replaying import Wanted
from api.decision_responses import ReplayOut, TableVersionPage, VerdictOut
from api.freshness import be_whole
from api.paging import complete, decode_cursor, encode_cursor
from api.responses import problems
from api.state import Running
from api.strict_json import StrictRoute
from api.writing import json_response
from application.countries import country_of
from application.decisions.drafts import Asked

router = APIRouter(prefix="/api/decisions", tags=["decisions"], route_class=StrictRoute)

_TRIED = problems(400, 422)


@router.get("", response_model=TableVersionPage, responses=problems())
async def list_decision_tables(state: Running) -> Response:
    """All versions of all countries' tables, each country's oldest first, with their rules in words."""
    today, decisions = datetime.now(UTC).date(), state.decisions
    rows: list[dict[str, Any]] = [
        {
            "country": one.table.country,
            "table": one.table.name,
            "version": one.since,
            "in_force": one.table is decisions.table_on(one.table.country, today),
            "digest": one.table.digest,
            "rules": decisions.rules_in_words(one.table.country, one.since),
        }
        for one in decisions.versions
    ]
    return json_response(complete(rows))


@router.post("/dry-run", response_model=VerdictOut, responses=_TRIED)
async def dry_run(body: DryRunIn, state: Running) -> Response:
    """What would be decided of these facts, by the table in force or by one that is sent along, and which
    of its rows fit. Nothing is kept."""
    country = country_of(body.country)
    facts = facts_of(country, body.facts)
    today = datetime.now(UTC).date()
    if body.table is None:
        found = await asyncio.to_thread(state.decisions.explain, facts, today)
        return json_response(explained(facts, found, is_draft=False))
    text = draft(body.table, country.code).text
    told = await tried(Asked(text=text, facts=facts, on=today), state.turn_to_try)
    return json_response(explained(facts, told.answer, is_draft=True))


@router.post("/replay", response_model=ReplayOut, responses=_TRIED)
async def replay_decisions(body: DecisionReplayIn, state: Running) -> Response:
    """Which applications a new table would decide differently from what the tables have decided of them:
    the last decision of each, in the order in which they were submitted. Nothing is changed.

    A table that takes long is tried on fewer of them at once than `limit`: `next_cursor` goes on."""
    if body.country is not None:
        country_of(body.country)
    table = draft(body.table, body.country)
    after = decode_cursor(body.cursor) or 0
    wanted = Wanted(body.limit, table.country, body.decided_from, body.decided_before, after)
    await be_whole(state, "applications")
    async with state.pool.connection() as conn:
        past = await replaying.past(conn, wanted)
    told = await tried(Asked(text=table.text, cases=past.cases), state.turn_to_try)
    found, following = told.found, past.next_after(told.done)
    return json_response(
        {
            "country": table.country,
            "evaluated": found.judged,
            "changed": replaying.changed(found),
            "items": list(replaying.differences(found)),
            "next_cursor": None if following is None else encode_cursor(following),
            "has_more": following is not None,
        }
    )
