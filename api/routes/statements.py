"""Statements of an account as files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from api.callers import caller_of
from api.credit_models import Day
from api.freshness import Fresh, be_fresh, be_whole, find
from api.models import Id, In, enum, one_of
from api.problems import ProblemError
from api.responses import problems
from api.state import Running
from api.statement_responses import STATEMENT, StatementOut
from api.statements.asking import span_of, statement_of
from api.statements.formats import (
    FORMATS,
    KINDS,
    Format,
    accepted,
    file_name,
    pieces,
    writer_of,
)
from projections.balances import queries
from projections.entries.statements import Period, Statement

router = APIRouter(prefix="/api/accounts", tags=["accounts"])

PATIENCE_S = 30.0
"""So long one who asks for a PDF waits for his turn to have it drawn."""


class StatementAsked(In):
    from_: Annotated[
        Day, Query(alias="from"), Field(description="the first day, of UTC and by booking date")
    ]
    to: Annotated[Day, Field(description="the last day, which is included")]
    format: Annotated[Format, one_of("invalid_format", FORMATS), enum(FORMATS)] | None = Field(
        None, description="else as the header Accept says, else JSON"
    )
    min_position: Fresh = None


@router.get(
    "/{account_id}/statement",
    response_model=StatementOut,
    responses={200: STATEMENT, **problems(400, 404, 422)},
)
async def get_statement(
    request: Request, account_id: Id, state: Running, asked: Annotated[StatementAsked, Query()]
) -> Response:
    """What was booked from one day to another, as camt.053.001.08, CSV, PDF or JSON: the balance before,
    all movements, the balance after.

    Once its last day is over, a statement is the same for ever. A PDF has 5,000 movements at most."""
    if asked.from_ > asked.to:
        raise ProblemError("invalid_period", **{"from": asked.from_, "to": asked.to})
    await be_fresh(state, "entries", asked.min_position)
    row = await find(state, "balances", lambda conn: queries.account(conn, account_id))
    if row is None or not caller_of(request).sees(row.owner_id):
        raise ProblemError("account_not_found", account_id=account_id)
    period = Period(asked.from_, asked.to)
    async with state.pool.connection() as conn:
        span = await span_of(conn, period)
    await be_fresh(state, "entries", span.to)
    await be_whole(state, "entries", key=account_id, to=span.to)
    async with state.pool.connection() as conn:
        statement = await statement_of(conn, account_id, period, span)
    format: Format = asked.format or accepted(request.headers.get("accept", ""))
    writer = writer_of(statement, format)
    if request.scope["state"]["is_head"]:  # without a body no movement is read, and nothing drawn
        return _file(statement, format, _nothing())
    parts = pieces(statement, writer, state.pool.connection)
    # Before the answer begins, so that what goes wrong with it can still be told.
    begin = await (drawn(request, state.turn_to_draw, parts) if format == "pdf" else anext(parts))
    return _file(statement, format, _all(begin, parts))


async def drawn(request: Request, turn: asyncio.Lock, parts: AsyncGenerator[bytes]) -> bytes:
    """The PDF, once those before it are drawn: each keeps a thread busy for as long as it takes.

    Raises `service_unavailable` when its turn does not come, and when nobody waits for it any more.
    """
    try:
        await asyncio.wait_for(turn.acquire(), PATIENCE_S)
    except TimeoutError:
        raise ProblemError("service_unavailable") from None
    try:
        if await request.is_disconnected():
            raise ProblemError("service_unavailable")
        return await anext(parts)
    finally:
        turn.release()


async def _all(begin: bytes, rest: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    yield begin
    async with aclosing(rest):
        async for part in rest:
            yield part


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


def _file(statement: Statement, format: Format, body: AsyncIterator[bytes]) -> Response:
    name = file_name(statement, format)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(body, media_type=KINDS[format].media_type, headers=headers)
