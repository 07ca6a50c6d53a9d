"""What one answer leads to, by the links of the description, is as described: schemathesis' state machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.generation.stateful.state_machine import APIStateMachine
from schemathesis.specs.openapi.checks import ensure_resource_availability

from tests.support.customers import Person, World
from tests.support.described import CHECKS, SCHEMA, Case
from tests.support.described import world as world
from tests.support.people import bearer
from tests.support.staff import STAFF_PASSWORD, make

pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

_SETTINGS = settings(
    max_examples=6,
    stateful_step_count=6,
    phases=[Phase.generate],
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

SOURCES = {
    "POST /api/accounts": "/api/(accounts|streams)/",
    "POST /api/transfers": "/api/transfers/",
    "POST /api/users/admin": "/api/users/.user_id",
    "POST /api/api-keys": "/api/api-keys/",
    "GET /api/auth/sessions": "/api/auth/sessions/",
}
"""What makes or shows a thing, and the paths of what can be done with that."""


def machine(
    world: World,
    source: str,
    payer: Person,
    credentials: Callable[[], dict[str, str]],
    seen: list[str],
) -> type[APIStateMachine]:
    """Follows links from a source as somebody; what only chance would get right is put right."""
    session = requests.Session()
    accounts = payer.things["account"][:2]
    base_url = str(world.admin.client.base_url)
    flow = SCHEMA.include(name=source).include(path_regex=SOURCES[source])

    class Follower(flow.as_state_machine()):  # type: ignore[misc]
        def before_call(self, case: Case) -> None:
            case.headers.pop("Idempotency-Key", None)
            if isinstance(case.body, dict) and fits(case):
                put_right(case.operation.label, case.body, accounts)

        def get_call_kwargs(self, case: Case) -> dict[str, Any]:
            return {"headers": credentials(), "session": session, "base_url": base_url}

        def validate_response(
            self, response: schemathesis.Response, case: Case, **kwargs: Any
        ) -> None:
            seen.append(f"{case.operation.label} {response.status_code}")
            # Not `use_after_free`: what is deleted or revoked here can be looked at still.
            checks = [*CHECKS, ensure_resource_availability]
            case.validate_response(
                response, checks, transport_kwargs=kwargs, recorder=self.recorder
            )

    return Follower


def fits(case: Case) -> bool:
    return case.meta is None or case.meta.generation.mode.is_positive


def put_right(label: str, body: dict[str, Any], accounts: list[str]) -> None:
    """Make of a random body one that can succeed."""
    source, destination = accounts
    if label == "POST /api/transfers":
        body |= {"source_account_id": source, "destination_account_id": destination}
        body |= {"currency": "EUR", "amount": "0.01", "id": None}
        for name in ("conditions", "expires_in_s"):
            body.pop(name, None)
    elif label == "POST /api/users/admin":
        body |= {"password": STAFF_PASSWORD, "password_confirmation": STAFF_PASSWORD}
    elif label == "POST /api/api-keys":
        body |= {"scopes": ["accounts:read"], "expires_at": None}
    elif label == "POST /api/accounts":
        body |= {"type": "checking", "credit_limit": "0", "owner_id": None, "id": None}


@pytest.fixture(scope="module")
def admin_id(world: World) -> UUID:
    """An admin whom the ledger knows, so that keys can be issued."""
    return UUID(make(world.admin.client, "admin")["id"])


@pytest.mark.parametrize("source", sorted(SOURCES.keys() - {"GET /api/auth/sessions"}))
def test_an_admin_follows_the_links(world: World, admin_id: UUID, source: str) -> None:
    seen: list[str] = []
    made = machine(world, source, world.bert, lambda: bearer("admin", admin_id), seen)
    made.run(settings=_SETTINGS)
    assert led_on(seen, source), seen


@pytest.mark.parametrize("source", sorted(SOURCES.keys() - {"POST /api/users/admin"}))
def test_a_user_follows_the_links(world: World, source: str) -> None:
    seen: list[str] = []
    made = machine(world, source, world.anna, lambda: bearer("user", world.anna.id), seen)
    made.run(settings=_SETTINGS)
    assert led_on(seen, source), seen


def led_on(seen: list[str], source: str) -> set[str]:
    """The requests that succeeded with what the source gave."""
    good = {line for line in seen if line.split()[-1].startswith("2")}
    assert any(line.startswith(source + " ") for line in good), seen
    return {line for line in good if not line.startswith(source + " ")}
