"""Investments, deposits and withdrawals as they are read: lists, and one with its steps and legs."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from fastapi import Request, Response

from api import flow_views
from api.callers import caller_of
from api.freshness import be_fresh, be_whole, find, gaps
from api.paging import decode_cursor, page
from api.problems import ProblemError
from api.state import State
from api.writing import json_response, tagged_response
from projections.flows import queries
from projections.flows.queries import Flow, Kind


class Asked(NamedTuple):
    """Which flows are asked for, and from where on."""

    limit: int
    cursor: str | None
    min_position: int | None
    status: str | None
    account_id: UUID | None
    fund_id: UUID | None = None


def not_found(kind: Kind, flow_id: UUID) -> ProblemError:
    if kind == "investment":
        return ProblemError("investment_not_found", investment_id=flow_id)
    return ProblemError("bank_transfer_not_found", bank_transfer_id=flow_id)


async def list_flows(request: Request, state: State, kind: Kind, asked: Asked) -> Response:
    """A page of flows, the last requested first; for customers of their own."""
    before = decode_cursor(asked.cursor)
    await be_fresh(state, "flows", asked.min_position)
    async with state.pool.connection() as conn:
        found = await queries.list_flows(
            conn,
            kind,
            limit=asked.limit,
            before=before,
            status=asked.status,
            owner_id=caller_of(request).owner_id,
            account_id=asked.account_id,
            fund_id=asked.fund_id,
        )
    return json_response(page(found, flow_views.flow_row), await gaps(state, "flows"))


async def get_flow(
    request: Request,
    state: State,
    kind: Kind,
    flow_id: UUID,
    min_position: int | None,
    if_none_match: list[str] | None,
) -> Response:
    """One flow. Its ETag is the position of its last event: banks change it too, without a version of
    its own stream."""
    await be_fresh(state, "flows", min_position)
    found = await flow_for(request, state, kind, flow_id)
    return tagged_response(flow_views.flow(found), found.row.position, if_none_match)


async def flow_for(request: Request, state: State, kind: Kind, flow_id: UUID) -> Flow:
    """One flow that the caller may see. Raises `investment_not_found`, `bank_transfer_not_found`."""
    owner_id = caller_of(request).owner_id
    found = await find(
        state, "flows", lambda conn: queries.flow(conn, kind, flow_id, owner_id=owner_id)
    )
    if found is None:
        raise not_found(kind, flow_id)
    await be_whole(state, "flows", key=flow_id)
    return found
