"""Signed checkpoints of the log and proofs against them, for whoever wants to check for themselves."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from psycopg import AsyncConnection
from pydantic import Field

from api import views
from api.models import Cursor, In, Limit
from api.paging import decode_cursor, encode_cursor
from api.problems import ProblemError
from api.responses import AuditProofOut, CheckpointOut, CheckpointPage, problems
from api.state import Running
from api.writing import json_response
from application.audit import checkpoints, kept, proofs
from application.audit.checkpoints import Checkpoint
from application.audit.errors import AuditError
from application.audit.kept import Stored
from application.audit.notes import encode64
from projections import log

router = APIRouter(prefix="/api/audit", tags=["audit"])

SignedPosition = Annotated[int, Path(ge=1, le=2**62)]

_TEXT = "text/plain; charset=utf-8"


def _plain(example: str) -> dict[str, Any]:
    """The answer's other form: the very file that tools for such notes and proofs read."""
    return {"content": {"text/plain": {"schema": {"type": "string"}, "example": example}}}


class CheckpointFilters(In):
    limit: Limit = 100
    cursor: Cursor | None = None


@router.get("/checkpoints", response_model=CheckpointPage, responses=problems(400, 409))
async def list_checkpoints(
    filters: Annotated[CheckpointFilters, Query()], state: Running
) -> Response:
    """Signed statements of what the log was at a position, the newest first.

    `note` is a checkpoint as c2sp.org/tlog-checkpoint says: keep it, and the log cannot be rewritten
    without your noticing.
    """
    async with state.pool.connection() as conn:
        found = await kept.page(conn, decode_cursor(filters.cursor), filters.limit + 1)
    more = len(found) > filters.limit
    rows = [_view(one) for one in found[: filters.limit]]
    next_cursor = encode_cursor(rows[-1]["position"]) if more else None
    return json_response({"data": rows, "next_cursor": next_cursor, "has_more": more})


@router.get(
    "/checkpoints/latest",
    response_model=CheckpointOut,
    responses={**problems(404, 409), 200: _plain("daybook.local/3f0c9a526d0b\n3000\n…")},
)
async def latest_checkpoint(request: Request, state: Running) -> Response:
    """The newest checkpoint; as a file with `Accept: text/plain`."""
    async with state.pool.connection() as conn:
        found = await kept.newest_of_log(conn)
    if found is None:
        raise ProblemError("checkpoint_not_found")
    if _wants_text(request):
        return Response(found.note, media_type=_TEXT)
    return json_response(_view(found))


class ProofFilters(In):
    checkpoint: Annotated[int, Field(ge=1, le=2**62)] | None = None


@router.get(
    "/proof/{position}",
    response_model=AuditProofOut,
    responses={**problems(400, 404, 409), 200: _plain("c2sp.org/tlog-proof@v1\nextra …")},
)
async def prove_event(
    request: Request,
    position: SignedPosition,
    filters: Annotated[ProofFilters, Query()],
    state: Running,
) -> Response:
    """The proof that an event is in the log that was signed: by the newest checkpoint, or by the one of
    the position `checkpoint`.

    `proof` is a file as c2sp.org/tlog-proof says (with `Accept: text/plain` it is the whole answer):
    `daybook audit check` and docs/verify_proof.py check it with the public key alone.
    """
    async with state.pool.connection() as conn:
        checkpoint = await _checkpoint(conn, filters.checkpoint)
        head = await log.head(conn)
        if position > head:
            raise ProblemError("event_not_found", position=position, head=head)
        if position > checkpoint.position:
            raise ProblemError("event_not_signed", position=position, signed=checkpoint.position)
        try:
            proof = await proofs.prove(conn, position, checkpoint)
        except AuditError:
            raise ProblemError("log_not_as_signed", signed=checkpoint.position) from None
        (event, *_) = (await log.read_events(conn, position - 1, 1)).events
    if _wants_text(request):
        return Response(proof, media_type=_TEXT)
    return json_response(
        {
            "position": position,
            "leaf_index": position - 1,
            "tree_size": checkpoint.position,
            "root_hash": encode64(checkpoint.root),
            "hash": event.hash.hex(),
            "event": views.event(event),
            "checkpoint": checkpoint.note,
            "proof": proof,
        }
    )


async def _checkpoint(conn: AsyncConnection[Any], position: int | None) -> Checkpoint:
    found = await (
        kept.newest_of_log(conn) if position is None else kept.of_position(conn, position)
    )
    if found is None:
        raise ProblemError("checkpoint_not_found")
    return _read(found)


def _read(stored: Stored) -> Checkpoint:
    try:
        return checkpoints.read(stored.note)
    except AuditError:
        raise ProblemError("log_not_as_signed", signed=stored.position) from None


def _view(stored: Stored) -> dict[str, Any]:
    checkpoint = _read(stored)
    return {
        "position": stored.position,
        "origin": checkpoint.origin,
        "root_hash": encode64(checkpoint.root),
        "chain_hash": encode64(checkpoint.chain),
        "made_at": stored.made_at,
        "note": stored.note,
    }


def _wants_text(request: Request) -> bool:
    """Whether the caller asks for text and not for JSON."""
    accept = request.headers.get("accept", "")
    return re.search(r"\btext/plain\b", accept) is not None and "json" not in accept
