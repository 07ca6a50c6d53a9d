"""The problem catalogue itself: what `type` in a problem leads to."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from api.paging import complete
from api.problem_catalogue import CATALOGUE
from api.problems import ProblemError
from api.responses import ProblemTypeOut, ProblemTypePage, problems
from api.writing import json_response

router = APIRouter(prefix="/api/problems", tags=["problems"])


@router.get("", response_model=ProblemTypePage)
async def list_problems() -> Response:
    """Every reason that this API answers."""
    return json_response(complete([_view(reason) for reason in CATALOGUE]))


@router.get("/{reason}", response_model=ProblemTypeOut, responses=problems(404))
async def get_problem(reason: str) -> Response:
    """One reason: its status, and what to do."""
    if reason not in CATALOGUE:
        raise ProblemError("problem_not_found", name=reason[:100])
    return json_response(_view(reason))


def _view(reason: str) -> dict[str, Any]:
    problem = CATALOGUE[reason]
    return {
        "type": f"/api/problems/{reason}",
        "reason": reason,
        "status": problem.status,
        "category": problem.category,
        "title": problem.title,
        "advice": problem.advice,
        "retryable": problem.retryable,
    }
