"""The read models: how far they are."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.paging import complete
from api.problems import ProblemError
from api.responses import ProjectionOut, ProjectionsOut, problems
from api.state import Running
from api.writing import json_response
from projections import log
from projections.health import ModelStatus, status

router = APIRouter(prefix="/api/projections", tags=["projections"])


@router.get("", response_model=ProjectionsOut)
async def list_projections(state: Running) -> Response:
    """Every read model's position, its lag behind the log in events and seconds, and its health."""
    async with state.pool.connection() as conn:
        head = await log.head(conn)
        found = await status(conn)
    return json_response({**complete([_view(s) for s in found]), "position": head})


@router.get("/{name}", response_model=ProjectionOut, responses=problems(404))
async def get_projection(name: str, state: Running) -> Response:
    """One read model."""
    async with state.pool.connection() as conn:
        found = {s.name: s for s in await status(conn)}
    if name not in found:
        raise ProblemError("projection_not_found", name=name[:100], known=sorted(found))
    return json_response(_view(found[name]))


def _view(s: ModelStatus) -> dict[str, object]:
    return {
        "name": s.name,
        "position": s.position,
        "lag_events": s.lag_events,
        "lag_seconds": round(s.lag_s, 3),
        "health": s.health,
        "error": s.error,
        "built_by_version": s.built_by,
        "code_version": s.code_version,
    }
