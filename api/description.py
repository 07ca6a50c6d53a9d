"""The API's description (OpenAPI): what the framework derives, with every error as the problem it is."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.description_links import link
from api.description_parts import HEADERS, complete
from api.policies import PUBLIC, ROUTES
from api.responses import ProblemOut, problems
from domain.policies import RULES

_FRAMEWORKS_OWN = ("HTTPValidationError", "ValidationError")

_NAMES = {
    "GET /api/transfers": "search_transfers",
    "POST /api/funds/{fund_id}/suspend": "suspend_fund",
    "POST /api/funds/{fund_id}/reopen": "reopen_fund",
    "POST /api/funds/{fund_id}/close": "close_fund",
    "GET /api/audit": "search_audit",
    "GET /api/audit/correlations/{correlation_id}": "get_correlation",
    "GET /api/security/events": "list_security_events",
    "GET /api/health": "get_health",
    "GET /api/health/live": "get_liveness",
    "GET /api/health/ready": "get_readiness",
    "GET /api/health/detailed": "get_health_in_detail",
    "POST /api/transfers/{transfer_id}/reverse": "reverse_transfer",
    "POST /api/approvals/{approval_id}/approve": "approve_approval",
    "POST /api/approvals/{approval_id}/reject": "reject_approval",
    "POST /api/approvals/{approval_id}/withdraw": "withdraw_approval",
    "POST /api/api-keys": "issue_api_key",
    "GET /api/api-keys": "list_api_keys",
    "GET /api/api-keys/{key_id}": "get_api_key",
    "DELETE /api/api-keys/{key_id}": "revoke_api_key",
}
"""Operations that their functions' names do not tell apart, or not well; clients are made with these."""

_SCHEMES = {
    "session": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "the access token that `/api/auth/login` answers, good for 15 minutes",
    },
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "a program's key, `dbk_...`; as a bearer token it is taken too",
    },
}


def install(app: FastAPI) -> None:
    """Make `/openapi.json` and `/docs` show this description; it is made once."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _described(app: FastAPI) -> dict[str, Any]:
    description = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    schemas = description["components"]["schemas"]
    for name in _FRAMEWORKS_OWN:
        schemas.pop(name, None)
    problem = ProblemOut.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["ProblemOut"] = problem
    description["components"] |= {"securitySchemes": _SCHEMES, "headers": HEADERS}
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            name = f"{method.upper()} {path}"
            operation["operationId"] = _operation_id(operation, name)
            _describe_operation(operation)
            _describe_rule(operation, ROUTES[name])
            complete(name, operation)
    link(description)
    return description


def _operation_id(operation: dict[str, Any], name: str) -> str:
    """The name of the route's function, from which the framework makes its titles."""
    plain: str = operation["summary"].lower().replace(" ", "_")
    return _NAMES.get(name, plain)


def _describe_rule(operation: dict[str, Any], action: str) -> None:
    """Who may, so that nobody has to try."""
    if action == PUBLIC:
        operation["security"] = []
        return
    rule = RULES[action]
    operation["security"] = [{"session": []}, *([{"apiKey": []}] if rule.scope else [])]
    for status, response in problems(401, 403).items():
        operation["responses"].setdefault(str(status), response)
    said = [f"For all: {', '.join(sorted(rule.all))}."] if rule.all else []
    if rule.own:
        said.append(f"For their own: {', '.join(sorted(rule.own))}.")
    said.append(f"API keys need `{rule.scope}`." if rule.scope else "Not for API keys.")
    operation["description"] = f"{operation.get('description', '')}\n\n{' '.join(said)}".strip()


def _describe_operation(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    framework = str(responses.get("422", {}).get("content", {}).get("application/json", ""))
    if "HTTPValidationError" in framework:  # its form of 422 is never answered here
        del responses["422"]
    for response in responses.values():
        # The framework lists JSON beside the type that problems have.
        content = response.get("content", {})
        if "application/problem+json" in content:
            content.pop("application/json", None)
