"""Turns everything that can go wrong into a problem of the catalogue, the framework's errors too."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api.problems import (
    CATALOGUE,
    PROBLEM_JSON,
    ProblemError,
    of_validation,
    problem_headers,
    render,
)
from api.state import correlation_of
from application.identity.errors import HasherBusyError, TokenError
from application.ledger import LedgerClosedError, QueueFullError, WriteFailedError
from application.privacy.errors import PrivacyError
from domain.catalogue import UnknownEventError
from domain.refusals import Refusal
from projections.log import UnreadableEventError

_log = logging.getLogger("daybook.api")

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def answer(
    request: Request,
    reason: str,
    details: Mapping[str, object],
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The problem as a response."""
    request.scope["state"]["reason"] = reason
    body = render(
        reason, details, instance=request.url.path, correlation_id=correlation_of(request)
    )
    out = {**problem_headers(reason, details), **(headers or {})}
    return Response(body, CATALOGUE[reason].status, out, PROBLEM_JSON)


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    if any(e["loc"] == ("body",) and e["type"] == "missing" for e in errors):
        return answer(request, "invalid_json", {})
    content_type = request.headers.get("content-type", "")
    if request.method in _WITH_BODY and "json" not in content_type.lower():
        return answer(request, "unsupported_media_type", {"given": content_type[:100]})
    return answer(request, *of_validation(errors))


def _allowed(request: Request) -> str:
    """The methods of all routes with this path: the framework names those of the first one only."""
    methods: set[str] = set()
    for route in request.app.state.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods
    if "GET" in methods:
        methods.add("HEAD")
    return ", ".join(sorted(methods))


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return answer(request, "route_not_found", {})
    if error.status_code == 405:
        return answer(request, "method_not_allowed", {}, {"Allow": _allowed(request)})
    return answer(request, "invalid_json" if error.status_code == 400 else "invalid_request", {})


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return answer(request, error.reason, error.details)


async def _on_token(request: Request, error: Exception) -> Response:
    assert isinstance(error, TokenError)
    return answer(request, error.reason, error.details)


async def _on_hasher_busy(request: Request, error: Exception) -> Response:
    return answer(request, "service_unavailable", {})


async def _on_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return answer(request, error.reason, error.details)


async def _on_full(request: Request, error: Exception) -> Response:
    assert isinstance(error, QueueFullError)
    return answer(request, "queue_full", {}, {"Retry-After": str(error.retry_after_s)})


async def _on_closed(request: Request, error: Exception) -> Response:
    return answer(request, "shutting_down", {})


async def _on_write_failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, WriteFailedError)
    _log.warning("write failed: %s", error)
    return answer(request, "database_unavailable" if error.outcome_known else "outcome_unknown", {})


async def _on_version_behind(request: Request, error: Exception) -> Response:
    _log.error("%s", error)
    return answer(request, "version_behind", {})


async def _on_database(request: Request, error: Exception) -> Response:
    _log.warning("read failed: %s", error)
    return answer(request, "database_unavailable", {})


async def _on_outdated(request: Request, error: Exception) -> Response:
    assert isinstance(error, psycopg.Error)
    _log.error("read failed, a read model waits for its rebuild: %s", error)
    return answer(request, "rebuild_needed", {"missing": error.diag.message_primary})


async def _on_privacy(request: Request, error: Exception) -> Response:
    # A missing master key is not taken for an erasure: what is sealed is there.
    _log.error("%s", error)
    return answer(request, "configuration_error", {})


def install(app: FastAPI) -> None:
    """Register the handlers, one for each kind of error."""
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(Refusal, _on_refusal)
    app.add_exception_handler(TokenError, _on_token)
    app.add_exception_handler(PrivacyError, _on_privacy)
    app.add_exception_handler(HasherBusyError, _on_hasher_busy)
    app.add_exception_handler(QueueFullError, _on_full)
    app.add_exception_handler(LedgerClosedError, _on_closed)
    app.add_exception_handler(WriteFailedError, _on_write_failed)
    app.add_exception_handler(UnknownEventError, _on_version_behind)
    app.add_exception_handler(UnreadableEventError, _on_version_behind)
    app.add_exception_handler(PoolTimeout, _on_database)
    app.add_exception_handler(psycopg.OperationalError, _on_database)
    app.add_exception_handler(psycopg.InterfaceError, _on_database)
    # Queries are for the tables of this version; those of a read model may still be an older one's.
    app.add_exception_handler(psycopg.errors.UndefinedTable, _on_outdated)
    app.add_exception_handler(psycopg.errors.UndefinedColumn, _on_outdated)
