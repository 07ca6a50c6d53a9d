"""Parts of the API's description that many operations share: headers, and examples of parameters."""

from __future__ import annotations

from typing import Any

from api.responses import problems

_TEXT, _NUMBER = {"type": "string"}, {"type": "integer"}

HEADERS: dict[str, Any] = {
    "X-Correlation-ID": {
        "description": "the request's own, or one made for it: finds all that it set in motion",
        "required": True,
        "schema": _TEXT,
    },
    "WWW-Authenticate": {
        "description": "how to say who one is (RFC 6750)",
        "required": True,
        "schema": _TEXT,
    },
    "Retry-After": {
        "description": "seconds after which to try again",
        "required": True,
        "schema": _NUMBER,
    },
    "Location": {"description": "where it is", "required": True, "schema": _TEXT},
    "Daybook-Position": {
        "description": "of the write, for `min_position`; absent when nothing was written",
        "schema": _NUMBER,
    },
    "Idempotent-Replayed": {
        "description": "`true` when the same request was answered before",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
"""Headers of answers, by name."""

_OF_STATUS = {"401": ["WWW-Authenticate"], "429": ["Retry-After"], "503": ["Retry-After"]}
_OF_WRITES = {
    "200": ["Daybook-Position", "Idempotent-Replayed"],
    "201": ["Daybook-Position", "Idempotent-Replayed", "Location"],
    "202": ["Daybook-Position", "Idempotent-Replayed", "Location"],
    "204": ["Daybook-Position", "Idempotent-Replayed"],
}

_LEDGERS = (
    "accounts", "transfers", "approvals", "users", "profile", "api-keys", "reconciliations",
    "funds", "investments", "deposits", "withdrawals", "applications", "loans",
)  # fmt: skip
"""What is written by commands."""
_SHOWN_ONCE = (
    "POST /api/api-keys",
    "POST /api/users/{user_id}/disclosures",
    "POST /api/applications/{application_id}/disclose",
)
"""Their answers are kept nowhere, so no key makes a repetition safe."""

_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "makes repeating the request safe: it has its effect once, and is answered as the"
    " first time. Another request with the same key is refused.",
    "schema": {
        "type": "string",
        "pattern": '^([!#-~]([ -~]{0,253}[!-~])?|"[!-~]([ -~]{0,253}[!-~])?")$',
        "examples": ["7f1d9a0e-order-4711"],
    },
}

_AN_ID = "3f0c9a52-6d0b-4d5e-9f57-0f6f5a8a1c11"
_EXAMPLES: dict[str, object] = {
    "name": "balances",
    "position": 1,
    "role": "support",
    "reason": "insufficient_funds",
    "category": "business_rule",
    "code": "MX",
    "correlation_id": "request-7",
    "from": "2026-01-01",
    "to": "2026-01-31",
    "token": "eyJhbGciOiJIUzI1NiJ9.eyJwdXJwb3NlIjoidmVyaWZ5In0.c2lnbmVk",
}
"""Of parameters that have to be given; of others the schema says enough."""


def complete(name: str, operation: dict[str, Any]) -> None:
    """Add to an operation, which is called like `POST /api/accounts`, what it shares with others."""
    for parameter in operation.get("parameters", ()):
        if parameter["required"]:
            parameter["example"] = _EXAMPLES.get(parameter["name"], _AN_ID)
    of_status = _OF_STATUS
    if takes_idempotency_key(name):
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
        for status, response in problems(400, 422).items():
            operation["responses"].setdefault(str(status), response)
    if is_command(name):
        of_status = _OF_STATUS | _OF_WRITES
    for status, response in operation["responses"].items():
        headers = response.setdefault("headers", {})
        for header in ("X-Correlation-ID", *of_status.get(status, ())):
            headers[header] = {"$ref": f"#/components/headers/{header}"}


def is_command(name: str) -> bool:
    """Whether an operation writes to the ledger."""
    method, _, path = name.partition(" ")
    return method != "GET" and path.removeprefix("/api").split("/")[1] in _LEDGERS


def takes_idempotency_key(name: str) -> bool:
    return is_command(name) and name not in _SHOWN_ONCE
