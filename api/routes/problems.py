"""The problem catalogue itself: what `type` in a problem leads to."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from api.paging import complete
from api.problem_catalogue import CATALOGUE, RETRIES
from api.problems import ProblemError
from api.responses import ProblemTypeOut, ProblemTypePage, problems
from api.writing import json_response

router = APIRouter(prefix="/api/problems", tags=["problems"])


@router.get("", response_model=ProblemTypePage)
async def list_problems() -> Response:
    """Every reason that this API answers."""
    return json_response(complete([_view(reason) for reason in CATALOGUE]))


@router.get("/category/{category}", response_model=ProblemTypePage, responses=problems(404))
async def list_category(category: str) -> Response:
    """The reasons of one category, which say alike whose turn it is and whether to try again."""
    found = [_view(reason) for reason, problem in CATALOGUE.items() if problem.category == category]
    if not found:
        raise ProblemError("problem_not_found", name=category[:100])
    return json_response(complete(found))


@router.get("/{reason}", response_model=ProblemTypeOut, responses=problems(404))
async def get_problem(reason: str) -> Response:
    """One reason: its status, and what to do."""
    if reason not in CATALOGUE:
        raise ProblemError("problem_not_found", name=reason[:100])
    return json_response(_view(reason))


def _view(reason: str) -> dict[str, Any]:
    problem = CATALOGUE[reason]
    retry = RETRIES.get(problem.category) if problem.retryable else None
    return {
        "type": f"/api/problems/{reason}",
        "reason": reason,
        "status": problem.status,
        "category": problem.category,
        "title": problem.title,
        "advice": problem.advice,
        "retryable": problem.retryable,
        "retry": None if retry is None else retry._asdict(),
    }
