"""The API's description (OpenAPI): what the framework derives, with every error as the problem it is."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.responses import ProblemOut

_FRAMEWORKS_OWN = ("HTTPValidationError", "ValidationError")


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
    schemas["ProblemOut"] = ProblemOut.model_json_schema()
    for operations in description["paths"].values():
        for operation in operations.values():
            _describe_operation(operation)
    return description


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
