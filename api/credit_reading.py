"""Applications as they are read: lists, the officers' queue, and one with its steps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from fastapi import Request, Response
from psycopg import AsyncConnection

from api import credit_views
from api.callers import Caller, caller_of
from api.credit_sealing import key_of, opened
from api.freshness import be_fresh, be_whole, find, gaps
from api.models import in_currency
from api.paging import decode_cursor, page
from api.problems import ProblemError
from api.state import State
from api.writing import json_response, tagged_response
from application.countries import country_of
from domain.money import parse_amount
from projections.applications import queries
from projections.applications.shown import Application, ApplicationRow
from projections.paging import Page

MODEL = "applications"


class Asked(NamedTuple):
    """Which applications are asked for, and from where on."""

    limit: int
    cursor: str | None
    min_position: int | None
    country: str | None
    status: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    min_amount: str | None = None
    max_amount: str | None = None


async def list_applications(request: Request, state: State, asked: Asked) -> Response:
    """A page of applications, the last submitted first; for customers of their own."""
    before, caller = decode_cursor(asked.cursor), caller_of(request)
    _check_country(asked)
    least, most = _amounts(asked)
    await be_fresh(state, MODEL, asked.min_position)
    async with state.pool.connection() as conn:
        found = await queries.applications(
            conn,
            limit=asked.limit,
            before=before,
            country=asked.country,
            status=asked.status,
            owner_id=caller.owner_id,
            submitted_from=asked.start,
            submitted_before=asked.end,
            min_amount=least,
            max_amount=most,
        )
        return await _page(conn, state, caller, found)


async def list_queue(request: Request, state: State, asked: Asked, now: datetime) -> Response:
    """A page of what waits for an officer, the longest waiting first."""
    after, caller = decode_cursor(asked.cursor), caller_of(request)
    _check_country(asked)
    await be_fresh(state, MODEL, asked.min_position)
    async with state.pool.connection() as conn:
        found = await queries.queue(
            conn,
            now=now,
            limit=asked.limit,
            after=after,
            country=asked.country,
            officer_id=caller.user_id,
        )
        return await _page(conn, state, caller, found)


def _check_country(asked: Asked) -> None:
    """Refuses `unsupported_country`: nothing would ever be found."""
    if asked.country is not None:
        country_of(asked.country)


def _amounts(asked: Asked) -> tuple[int | None, int | None]:
    """Minor units of the country's currency. Raises `missing_fields` when no country is said."""
    given = (asked.min_amount, asked.max_amount)
    if given == (None, None):
        return None, None
    if asked.country is None:
        raise ProblemError("missing_fields", fields=["country"])
    currency = country_of(asked.country).currency
    least, most = (
        None if text is None else in_currency(text, currency, parse_amount) for text in given
    )
    return least, most


async def _page(
    conn: AsyncConnection[Any], state: State, caller: Caller, found: Page[ApplicationRow]
) -> Response:
    names = await _names(conn, state, found.rows)
    for_staff = caller.owner_id is None
    body = page(
        found,
        lambda row: credit_views.application_row(row, names[row.id], for_staff=for_staff),
    )
    return json_response(body, await gaps(state, MODEL))


async def _names(
    conn: AsyncConnection[Any], state: State, rows: Sequence[ApplicationRow]
) -> dict[UUID, str]:
    """Their names in clear, by application; the keys are asked for together."""
    people = {row.person_id for row in rows if row.person_id is not None}
    keys = await state.vault.keys(conn, people)
    return {
        row.id: opened(
            None if row.person_id is None else keys.get(row.person_id),
            row.id,
            "full_name",
            row.full_name,
        )
        for row in rows
    }


async def get_application(
    request: Request,
    state: State,
    application_id: UUID,
    min_position: int | None,
    if_none_match: list[str] | None,
) -> Response:
    """One application with all that has happened. Its ETag is its version."""
    await be_fresh(state, MODEL, min_position)
    caller = caller_of(request)
    found = await application_for(caller, state, application_id)
    row = found.row
    name = opened(await key_of(state, row.person_id), row.id, "full_name", row.full_name)
    body = credit_views.application_with_steps(
        row, found.steps, name, for_staff=caller.owner_id is None
    )
    return tagged_response(body, row.version, if_none_match)


async def get_status(
    request: Request,
    state: State,
    application_id: UUID,
    min_position: int | None,
    if_none_match: list[str] | None,
) -> Response:
    """What has become of an application, in short."""
    found = await row_for(caller_of(request), state, application_id, min_position)
    return tagged_response(credit_views.status_row(found), found.version, if_none_match)


async def row_for(
    caller: Caller, state: State, application_id: UUID, min_position: int | None = None
) -> ApplicationRow:
    """One application without its steps. Raises `application_not_found`."""
    await be_fresh(state, MODEL, min_position)
    return (await application_for(caller, state, application_id)).row


async def application_for(caller: Caller, state: State, application_id: UUID) -> Application:
    """One application that the caller may see. Raises `application_not_found`."""
    found = await find(
        state,
        MODEL,
        lambda conn: queries.application(conn, application_id, owner_id=caller.owner_id),
    )
    if found is None:
        raise ProblemError("application_not_found", application_id=application_id)
    await be_whole(state, MODEL, key=application_id)
    return found
