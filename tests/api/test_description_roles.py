"""The API does what its description says for whoever asks: each role, an API key, and nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

import pytest
import schemathesis

from api.policies import PUBLIC, ROUTES
from domain.policies import RULES, SCOPES, reach
from domain.users import ROLES
from tests.support.customers import World
from tests.support.described import GUARDED, OPERATIONS, Sender, ids_of, send_made_up
from tests.support.described import world as world
from tests.support.people import bearer
from tests.support.staff import as_user, make

Headers = dict[str, str]

pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
"""The server, in this process, may use it while a request is being made up."""

KEY = "an API key"


class Asker(NamedTuple):
    role: str
    credentials: Callable[[], Headers]
    is_key: bool = False

    def may(self, label: str) -> bool:
        action = ROUTES[label]
        if action == PUBLIC:
            return True
        return reach(self.role, action) is not None and not (
            self.is_key and RULES[action].scope is None
        )


@pytest.fixture(scope="module")
def askers(world: World) -> dict[str, Asker]:
    """Those who ask, by what they are. Anna, of the world, is the user."""
    base_url = str(world.admin.client.base_url)
    staff = {role: make(world.admin.client, role) for role in ROLES if role != "user"}
    ids = {role: UUID(one["id"]) for role, one in staff.items()} | {"user": world.anna.id}
    found = {role: Asker(role, _bearer(role, id_)) for role, id_ in ids.items() if role != "admin"}
    with as_user(base_url, staff["admin"]) as admin:
        key = {"name": "for everything", "scopes": list(SCOPES)}
        issued = admin.post("/api/api-keys", json=key)
    assert issued.status_code == 201, issued.text
    header = {"X-API-Key": issued.json()["key"]}
    return {**found, KEY: Asker("admin", lambda: header, is_key=True)}


def _bearer(role: str, user_id: UUID) -> Callable[[], Headers]:
    return lambda: bearer(role, user_id)


@pytest.mark.parametrize("label", sorted(OPERATIONS))
def test_every_route_answers_everybody_as_described(
    world: World, askers: dict[str, Asker], label: str
) -> None:
    base_url = str(world.admin.client.base_url)
    may = [Sender(base_url, asker.credentials) for asker in askers.values() if asker.may(label)]
    send_made_up(may, label, 2, ids=ids(world))


@pytest.mark.parametrize("label", GUARDED)
def test_whoever_may_not_is_told_so_whatever_is_asked(
    world: World, askers: dict[str, Asker], label: str
) -> None:
    for name, asker in askers.items():
        if not asker.may(label):
            answer = ask(world, label, asker.credentials())
            assert (answer.status_code, answer.json()["reason"]) == (
                403,
                "insufficient_permissions",
            ), name


STRANGERS: dict[str, Headers] = {
    "nobody": {},
    "a password": {"Authorization": "Basic YWxpY2U6cGFzc3dvcmQ="},
    "an invented token": {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYWRtaW4ifQ."},
    "an invented key": {"X-API-Key": "dbk_invented_0123456789"},
}


@pytest.mark.parametrize("label", GUARDED)
def test_nobody_is_let_in_without_good_credentials(world: World, label: str) -> None:
    for name, headers in STRANGERS.items():
        answer = ask(world, label, headers)
        assert answer.status_code == 401, (name, answer.text)
        assert answer.headers["www-authenticate"][0].startswith("Bearer")


@pytest.mark.parametrize("label", sorted(OPERATIONS.keys() - set(GUARDED)))
def test_every_public_route_answers_nobody_as_described(world: World, label: str) -> None:
    send_made_up([Sender(str(world.admin.client.base_url), dict)], label, 6)


def ask(world: World, label: str, headers: Headers) -> schemathesis.Response:
    """What is answered to the operation's simplest request, with ids of what is there."""
    operation = OPERATIONS[label]
    case = operation.Case(path_parameters=ids(world))
    sender = Sender(str(world.admin.client.base_url), lambda: headers)
    return sender.send(case)


def ids(world: World) -> dict[str, str]:
    """What is Anna's; but what is done to a user is done to Carl, so that she can go on asking."""
    return ids_of(world.anna) | {"user_id": str(world.carl.id)}
