"""OpenAPI links: which value of an answer is what another operation asks for."""

from __future__ import annotations

from typing import Any, NamedTuple

_ID, _POSITION = "$response.body#/id", "$response.body#/position"


class _Given(NamedTuple):
    """What the answer of `operation` with `status` gives as the parameter `name` of others."""

    operation: str
    status: str
    name: str
    value: str = _ID


_GIVEN = (
    _Given("POST /api/accounts", "201", "account_id"),
    _Given("POST /api/accounts", "201", "stream_id"),
    _Given("POST /api/accounts", "201", "correlation_id", "$response.header.X-Correlation-ID"),
    _Given("POST /api/transfers", "201", "transfer_id"),
    _Given("POST /api/transfers", "202", "approval_id"),
    _Given("POST /api/transfers/{transfer_id}/reverse", "200", "transfer_id"),
    _Given("POST /api/funds", "201", "fund_id"),
    _Given("POST /api/investments", "202", "investment_id"),
    _Given("POST /api/deposits", "202", "deposit_id"),
    _Given("POST /api/withdrawals", "202", "withdrawal_id"),
    _Given("POST /api/applications", "202", "application_id"),
    _Given("POST /api/loans/funding", "201", "transfer_id"),
    _Given("POST /api/loans/funding", "202", "approval_id"),
    _Given("POST /api/loans/{loan_id}/repayments", "202", "approval_id"),
    _Given("POST /api/applications/{application_id}/approve", "202", "approval_id"),
    _Given("POST /api/users", "201", "user_id"),
    _Given("POST /api/users/admin", "201", "user_id"),
    _Given("PUT /api/users/{user_id}", "202", "approval_id"),
    _Given("POST /api/api-keys", "201", "key_id"),
    _Given("GET /api/loans", "200", "loan_id", "$response.body#/data/0/id"),
    _Given("GET /api/auth/sessions", "200", "session_id", "$response.body#/data/0/id"),
    _Given("GET /api/audit/checkpoints/latest", "200", "position", _POSITION),
)
"""Each leads to every operation with that parameter in its path."""


def link(description: dict[str, Any]) -> None:
    """Put links into a description whose operations have their ids."""
    for given in _GIVEN:
        method, _, path = given.operation.partition(" ")
        source = description["paths"][path][method.lower()]
        links = source["responses"][given.status].setdefault("links", {})
        for target, operations in description["paths"].items():
            if f"{{{given.name}}}" in target:
                for operation in operations.values():
                    links[operation["operationId"]] = _link(given, source, operation)


def _link(given: _Given, source: dict[str, Any], target: dict[str, Any]) -> dict[str, Any]:
    parameters = {given.name: given.value}
    names = {parameter["name"] for parameter in target.get("parameters", ())}
    if "min_position" in names and _is_write(source):
        parameters["min_position"] = _POSITION
    return {
        "operationId": target["operationId"],
        "parameters": parameters,
        "description": f"`{given.value}` of the answer is its `{given.name}`.",
    }


def _is_write(operation: dict[str, Any]) -> bool:
    return "requestBody" in operation
