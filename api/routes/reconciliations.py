"""Reconciliations: a bank's statement held against what the bank was asked to move."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import ConfigDict, Field

from api import reconciliation_views, views
from api.freshness import Fresh, be_fresh, be_whole, gaps
from api.ids import new_id
from api.models import Currency, Cursor, Id, In, Limit, Reading, Reference, Text, enum, one_of
from api.paging import decode_cursor, page
from api.problems import ProblemError
from api.reconciliation_responses import (
    ReconciliationPage,
    ReconciliationRead,
    ReconciliationsOut,
)
from api.reconciling import compare, read_statements
from api.responses import problems
from api.state import Running, State, correlation_of
from api.strict_json import StrictRoute
from api.writing import json_response, refused, write_batch
from application.importing.bank_files import FORMATS
from application.ledger import Accepted, Answer, Outcome, Refused
from application.ledger.writer import LINKED_REFUSED
from domain.reconciliations import MakeReconciliation, Reconciliation
from projections.reconciliations import queries

router = APIRouter(prefix="/api/reconciliations", tags=["reconciliations"], route_class=StrictRoute)

StatementFormat = Annotated[str, one_of("invalid_format", FORMATS), enum(FORMATS)]

_EXAMPLE = """:20:STARTUMSE
:25:NL91ABNA0417164300
:28C:1/1
:60F:C260301EUR100,00
:61:2603020302C25,50NTRFNONREF//BANK1
:86:EREF+0190b4c1f2c87d3f8a5be7a4c2d19f66
:62F:C260302EUR125,50
"""


class ReconciliationIn(In):
    """The text of a file with one or more statements: MT940, or camt.053 from 001.02 on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"statement": _EXAMPLE}]})
    statement: Annotated[str, Field(min_length=1)]
    format: StatementFormat | None = None
    source: Text = ""


class ReconciliationFilters(In):
    account: Reference | None = None
    currency: Currency | None = None
    is_even: bool | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
    min_position: Fresh = None


@router.post("", response_model=ReconciliationsOut, responses=problems(400, 422))
async def make_reconciliations(
    request: Request, body: ReconciliationIn, state: Running
) -> Response:
    """Hold the statements of a file against what was instructed, as it is known now: one reconciliation
    for each statement, or none when one of them cannot be read or does not close. Nothing is booked."""
    form = next((one for one in FORMATS if one == body.format), None)
    statements = await asyncio.to_thread(read_statements, body.statement, form, body.source)
    await _be_up_to_date(state)
    async with state.pool.connection() as conn:
        found = await compare(conn, statements, body.statement, body.source)
    commands = [MakeReconciliation(new_id(), made) for made in found]
    instance, correlation_id = request.url.path, correlation_of(request)

    def render(outcomes: Sequence[Outcome]) -> Answer:
        for outcome in outcomes:
            if isinstance(outcome, Refused) and outcome.reason != LINKED_REFUSED:
                return refused(outcome, instance, correlation_id)
        shown = [_shown(outcome) for outcome in outcomes]
        return Answer(200, views.encode({"data": shown}), views.last_position(outcomes))

    return await write_batch(request, state, commands, render, linked=True)


async def _be_up_to_date(state: State) -> None:
    """What was instructed and is not shown yet, or never, would be taken for missing or unexpected."""
    async with state.pool.connection() as conn:
        head = await (await conn.execute("SELECT position FROM ledger_head")).fetchone()
    await be_fresh(state, "flows", head[0] if head else 0)
    await be_whole(state, "flows")


def _shown(outcome: Outcome) -> views.Json:
    assert isinstance(outcome, Accepted), "one is refused for itself if any is"
    assert isinstance(outcome.state, Reconciliation), outcome.state
    return {
        **reconciliation_views.reconciliation(outcome.id, outcome.state.made),
        "recorded_at": outcome.recorded_at,
        "position": outcome.position,
    }


@router.get("", response_model=ReconciliationPage, responses=problems(400))
async def list_reconciliations(
    filters: Annotated[ReconciliationFilters, Query()], state: Running
) -> Response:
    """Reconciliations, the last made first, with their totals."""
    before = decode_cursor(filters.cursor)
    await be_fresh(state, "reconciliations", filters.min_position)
    async with state.pool.connection() as conn:
        found = await queries.list_reconciliations(
            conn,
            limit=filters.limit,
            before=before,
            account=filters.account,
            currency=filters.currency,
            is_even=filters.is_even,
        )
    incomplete = await gaps(state, "reconciliations")
    return json_response(page(found, reconciliation_views.row), incomplete)


@router.get("/{reconciliation_id}", response_model=ReconciliationRead, responses=problems(400, 404))
async def get_reconciliation(
    reconciliation_id: Id, state: Running, reading: Annotated[Reading, Query()]
) -> Response:
    """One reconciliation with what was found: lines and movements that belong together, movements that
    are missing, lines that nobody asked for, and what does not come out even."""
    await be_fresh(state, "reconciliations", reading.min_position)
    async with state.pool.connection() as conn:
        one = await queries.reconciliation(conn, reconciliation_id)
    if one is None:
        raise ProblemError("reconciliation_not_found", reconciliation_id=reconciliation_id)
    await be_whole(state, "reconciliations", key=reconciliation_id)
    row, found = one
    lists = reconciliation_views.found(found, row.currency)
    return json_response({**reconciliation_views.row(row), **lists})
