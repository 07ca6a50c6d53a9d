"""Every route for every role, and for nobody: spelled out here once more, so that a slip is seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi.routing import APIRoute

from api.guard import plain
from api.policies import ROUTES
from api.wiring import create_app
from domain.policies import RULES
from tests.api.conftest import problem_of
from tests.support.people import bearer, settings

ROLES = ("user", "support", "admin", "auditor", "operator", "officer")
ALL = " ".join(ROLES)
PUBLIC = "with or without a token"

TABLE = {
    "POST /api/accounts": "user admin",
    "GET /api/accounts": "user support admin auditor",
    "GET /api/accounts/{account_id}": "user support admin auditor",
    "GET /api/accounts/{account_id}/balance": "user support admin auditor",
    "GET /api/accounts/{account_id}/entries": "user support admin auditor",
    "GET /api/accounts/{account_id}/statement": "user support admin auditor",
    "POST /api/accounts/{account_id}/freeze": "user support admin",
    "POST /api/accounts/{account_id}/unfreeze": "support admin",
    "POST /api/accounts/{account_id}/suspend": "admin",
    "POST /api/accounts/{account_id}/deactivate": "user admin",
    "POST /api/accounts/{account_id}/activate": "admin",
    "POST /api/accounts/{account_id}/close": "user admin",
    "POST /api/transfers": "user admin",
    "POST /api/transfers/batch": "user admin",
    "GET /api/transfers": "user support admin auditor",
    "GET /api/transfers/{transfer_id}": "user support admin auditor",
    "POST /api/transfers/{transfer_id}/post": "user admin",
    "POST /api/transfers/{transfer_id}/void": "user support admin",
    "POST /api/transfers/{transfer_id}/reverse": "user admin",
    "POST /api/funds": "admin",
    "GET /api/funds": ALL,
    "GET /api/funds/{fund_id}": ALL,
    "PATCH /api/funds/{fund_id}": "admin",
    "POST /api/funds/{fund_id}/suspend": "admin",
    "POST /api/funds/{fund_id}/reopen": "admin",
    "POST /api/funds/{fund_id}/close": "admin",
    "GET /api/funds/{fund_id}/allocations": "user admin auditor",
    "POST /api/investments": "user admin",
    "GET /api/investments": "user support admin auditor",
    "GET /api/investments/{investment_id}": "user support admin auditor",
    "GET /api/investments/{investment_id}/stream": "user support admin auditor",
    "POST /api/investments/{investment_id}/cancel": "user admin",
    "POST /api/deposits": "user admin",
    "GET /api/deposits": "user support admin auditor",
    "GET /api/deposits/{deposit_id}": "user support admin auditor",
    "GET /api/deposits/{deposit_id}/stream": "user support admin auditor",
    "POST /api/deposits/{deposit_id}/cancel": "user admin",
    "POST /api/withdrawals": "user admin",
    "GET /api/withdrawals": "user support admin auditor",
    "GET /api/withdrawals/{withdrawal_id}": "user support admin auditor",
    "GET /api/withdrawals/{withdrawal_id}/stream": "user support admin auditor",
    "POST /api/withdrawals/{withdrawal_id}/cancel": "user admin",
    "GET /api/countries": ALL,
    "GET /api/countries/{code}": ALL,
    "POST /api/applications": "user admin officer",
    "GET /api/applications": "user support admin auditor officer",
    "GET /api/applications/stream": "user support admin auditor officer",
    "GET /api/applications/queue": "admin officer",
    "GET /api/applications/stats": "admin auditor officer",
    "GET /api/applications/{application_id}": "user support admin auditor officer",
    "GET /api/applications/{application_id}/status": "user support admin auditor officer",
    "GET /api/applications/{application_id}/stream": "user support admin auditor officer",
    "PUT /api/applications/{application_id}": "user admin officer",
    "DELETE /api/applications/{application_id}": "user admin",
    "POST /api/applications/{application_id}/withdraw": "user admin",
    "POST /api/applications/{application_id}/accept": "user admin",
    "POST /api/applications/{application_id}/decline": "user admin",
    "POST /api/applications/{application_id}/claim": "admin officer",
    "POST /api/applications/{application_id}/release": "admin officer",
    "POST /api/applications/{application_id}/approve": "admin officer",
    "POST /api/applications/{application_id}/reject": "admin officer",
    "POST /api/applications/{application_id}/disclose": "admin auditor officer",
    "GET /api/applications/{application_id}/disclosures": "user admin auditor",
    "POST /api/applications/{application_id}/erase": "admin",
    "GET /api/loans": "user support admin auditor officer",
    "POST /api/loans/funding": "admin",
    "GET /api/loans/funding": "admin auditor officer",
    "GET /api/loans/{loan_id}": "user support admin auditor officer",
    "GET /api/loans/{loan_id}/schedule": "user support admin auditor officer",
    "GET /api/loans/{loan_id}/repayments": "user support admin auditor officer",
    "POST /api/loans/{loan_id}/repayments": "user admin",
    "GET /api/loans/{loan_id}/repayments/{repayment_id}": "user support admin auditor officer",
    "GET /api/loans/{loan_id}/stream": "user support admin auditor officer",
    "GET /api/decisions": "admin auditor officer",
    "POST /api/decisions/dry-run": "admin auditor officer",
    "POST /api/decisions/replay": "admin auditor officer",
    "POST /applications": "user admin officer",
    "GET /applications/{application_id}/status": "user support admin auditor officer",
    "GET /api/stream": "user support admin auditor",
    "POST /api/reconciliations": "admin operator",
    "GET /api/reconciliations": "admin auditor operator",
    "GET /api/reconciliations/{reconciliation_id}": "admin auditor operator",
    "GET /api/approvals": "user admin auditor officer",
    "GET /api/approvals/{approval_id}": "user admin auditor officer",
    "POST /api/approvals/{approval_id}/approve": "admin officer",
    "POST /api/approvals/{approval_id}/reject": "admin officer",
    "POST /api/approvals/{approval_id}/withdraw": "user admin officer",
    "GET /api/users": "admin auditor",
    "GET /api/users/keyset": "admin auditor",
    "GET /api/users/stats": "admin auditor",
    "GET /api/users/role/{role}": "admin auditor",
    "GET /api/users/{user_id}": "admin auditor",
    "GET /api/users/{user_id}/disclosures": "admin auditor",
    "POST /api/users/{user_id}/disclosures": "admin auditor",
    "POST /api/users/admin": "admin",
    "PUT /api/users/{user_id}": "admin",
    "DELETE /api/users/{user_id}": "admin",
    "POST /api/users/{user_id}/suspend": "admin",
    "POST /api/users/{user_id}/activate": "admin",
    "POST /api/users/{user_id}/erase": "admin",
    "GET /api/profile": ALL,
    "PUT /api/profile": ALL,
    "PUT /api/profile/password": ALL,
    "POST /api/api-keys": "user support admin operator officer",
    "GET /api/api-keys": ALL,
    "GET /api/api-keys/{key_id}": ALL,
    "DELETE /api/api-keys/{key_id}": ALL,
    "GET /api/trial-balance": "admin auditor",
    "GET /api/events": "admin auditor",
    "GET /api/events/stream": "admin auditor",
    "GET /api/streams/{stream_id}/events": "admin auditor",
    "GET /api/streams/{stream_id}/state": "admin auditor",
    "GET /api/audit": "admin auditor",
    "GET /api/audit/correlations/{correlation_id}": "admin auditor",
    "GET /api/audit/checkpoints": ALL,
    "GET /api/audit/checkpoints/latest": ALL,
    "GET /api/audit/proof/{position}": "admin auditor",
    "GET /api/security/events": "admin auditor",
    "GET /api/security/counters": "admin auditor",
    "GET /api/processes": "admin auditor operator",
    "GET /api/processes/stats": "admin auditor operator",
    "GET /api/processes/{name}/{key}": "admin auditor operator",
    "POST /api/processes/{name}/{key}/retry": "admin operator",
    "POST /api/processes/{name}/{key}/skip": "admin operator",
    "POST /api/processes/{name}/{key}/compensate": "admin operator",
    "GET /api/jobs": "admin auditor operator",
    "GET /api/jobs/stats": "admin auditor operator",
    "GET /api/jobs/{job_id}": "admin auditor operator",
    "POST /api/jobs/{job_id}/retry": "admin operator",
    "POST /api/jobs/{job_id}/cancel": "admin operator",
    "GET /api/webhooks/endpoints": "user admin auditor",
    "POST /api/webhooks/endpoints": "user admin",
    "GET /api/webhooks/endpoints/{endpoint_id}": "user admin auditor",
    "PUT /api/webhooks/endpoints/{endpoint_id}": "user admin",
    "DELETE /api/webhooks/endpoints/{endpoint_id}": "user admin",
    "POST /api/webhooks/endpoints/{endpoint_id}/rotate-secret": "user admin",
    "POST /api/webhooks/endpoints/{endpoint_id}/enable": "user admin",
    "POST /api/webhooks/endpoints/{endpoint_id}/disable": "user admin",
    "POST /api/webhooks/endpoints/{endpoint_id}/test": "user admin",
    "POST /api/webhooks/endpoints/{endpoint_id}/replay": "user admin",
    "GET /api/webhooks/deliveries": "user admin auditor",
    "GET /api/webhooks/deliveries/{delivery_id}": "user admin auditor",
    "POST /api/webhooks/deliveries/{delivery_id}/replay": "user admin",
    "GET /api/webhooks/received": "admin auditor operator",
    "POST /api/webhooks/incoming/{provider}": PUBLIC,
    "GET /api/cache": "admin auditor operator",
    "DELETE /api/cache": "admin operator",
    "GET /console": PUBLIC,
    "GET /console/assets/{version}/{name}": PUBLIC,
    "GET /console/{page}": PUBLIC,
    "GET /api/projections": "admin auditor operator",
    "GET /api/projections/stream": "admin auditor operator",
    "GET /api/projections/{name}": "admin auditor operator",
    "POST /api/projections/{name}/rebuild": "admin operator",
    "POST /api/projections/{name}/verify": "admin operator",
    "POST /api/projections/{name}/pause": "admin operator",
    "POST /api/projections/{name}/resume": "admin operator",
    "POST /api/projections/{name}/cancel": "admin operator",
    "POST /api/projections/{name}/rollback": "admin operator",
    "POST /api/projections/{name}/retry": "admin operator",
    "POST /api/users": PUBLIC,
    "POST /api/auth/login": PUBLIC,
    "POST /api/auth/refresh": PUBLIC,
    "GET /api/auth/verify-email": PUBLIC,
    "POST /api/auth/verify-email": PUBLIC,
    "POST /api/auth/verify-email/resend": ALL,
    "POST /api/auth/logout": ALL,
    "POST /api/auth/logout-all": ALL,
    "GET /api/auth/sessions": ALL,
    "DELETE /api/auth/sessions/{session_id}": ALL,
    "GET /api/auth/me": ALL,
    "GET /api/auth/validate": ALL,
    "GET /api/problems": PUBLIC,
    "GET /api/problems/category/{category}": PUBLIC,
    "GET /api/problems/{reason}": PUBLIC,
    "GET /api/health": PUBLIC,
    "GET /api/health/live": PUBLIC,
    "GET /health": PUBLIC,
    "GET /api/health/ready": PUBLIC,
    "GET /ready": PUBLIC,
    "GET /api/health/detailed": "admin auditor operator",
}
"""Route -> the roles that may ask it, for whatever part of what there is."""

SOMEBODY = uuid4()

IN_PATHS = {
    "name": "nothing",
    "reason": "unauthorized",
    "category": "validation",
    "position": "1",
    "role": "support",
    "code": "MX",
    "correlation_id": "a-correlation",
}
"""What is no id."""


@pytest.fixture(scope="module")
def anybody(base_url: str) -> Iterator[httpx2.Client]:
    """A client that says nothing of who it is."""
    with httpx2.Client(base_url=base_url, timeout=30) as client:
        yield client


def ask(
    client: httpx2.Client, route: str, headers: dict[str, str] | None = None
) -> tuple[int, str]:
    """Status and reason of a request that would be good for nothing; streams are not waited for."""
    method, _, path = route.partition(" ")
    ids = {part.strip("{}"): str(uuid4()) for part in path.split("/") if part.startswith("{")}
    body: dict[str, Any] = {"json": {}} if method in ("POST", "PUT", "PATCH") else {}
    path = path.format(**(ids | IN_PATHS))
    with client.stream(method, path, headers=headers, **body) as answer:
        if answer.status_code < 400:
            return answer.status_code, ""
        answer.read()
        problem_of(answer, answer.status_code, answer.json()["reason"])
        return answer.status_code, answer.json()["reason"]


def test_the_table_has_every_route() -> None:
    routes = [r for r in create_app(settings(), "").state.routes if isinstance(r, APIRoute)]
    there = {f"{method} {plain(route.path)}" for route in routes for method in route.methods or ()}
    assert sorted(there) == sorted(TABLE)
    assert sorted(ROUTES) == sorted(TABLE)


def test_every_rule_is_of_some_route() -> None:
    """A rule that no route asks for protects nothing."""
    assert set(ROUTES.values()) - {"public"} <= set(RULES)


@pytest.mark.parametrize("route", TABLE)
def test_a_route_is_for_these_roles_and_no_others(anybody: httpx2.Client, route: str) -> None:
    answers = {role: ask(anybody, route, bearer(role, SOMEBODY)) for role in ROLES}
    may = {role for role, (status, _) in answers.items() if status not in (401, 403)}
    if (
        route == "POST /api/auth/logout"
    ):  # for all, but these tokens are of sessions that never were
        may = {role for role, answer in answers.items() if answer == (401, "token_revoked")}
    allowed = ALL if TABLE[route] == PUBLIC else TABLE[route]
    assert may == set(allowed.split()), answers
    barred = {answer for role, answer in answers.items() if role not in may}
    assert barred <= {(403, "insufficient_permissions")}


@pytest.mark.parametrize("route", TABLE)
def test_without_a_token_there_is_only_what_is_public(anybody: httpx2.Client, route: str) -> None:
    status, reason = ask(anybody, route)
    if TABLE[route] == PUBLIC:
        assert status not in (401, 403), reason
    else:
        assert (status, reason) == (401, "unauthorized")


@pytest.mark.parametrize("route", [route for route in TABLE if TABLE[route] != PUBLIC])
def test_no_other_credentials_open_a_route(anybody: httpx2.Client, route: str) -> None:
    for headers, status in (
        ({"Authorization": "Bearer nonsense"}, 401),
        ({"Authorization": "Bearer dbk_nonsense"}, 401),
        ({"X-API-Key": "dbk_nonsense"}, 401),
        ({"Authorization": "Basic YWRtaW46YWRtaW4="}, 401),
        (bearer("root"), 403),
    ):
        assert ask(anybody, route, headers)[0] == status


@pytest.mark.parametrize("role", ROLES)
def test_a_role_in_the_request_changes_nothing(anybody: httpx2.Client, role: str) -> None:
    """What somebody may do is in the token, not in what he says of himself."""
    headers = bearer("user", SOMEBODY) | {"X-Role": role, "X-User-Role": role, "Role": role}
    assert ask(anybody, "GET /api/trial-balance", headers) == (403, "insufficient_permissions")
