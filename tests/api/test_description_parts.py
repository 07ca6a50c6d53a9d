"""The description is whole: names, examples that work, reasons, links, and statuses that can come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from api.policies import PUBLIC, ROUTES
from api.problem_catalogue import CATALOGUE
from api.wiring import create_app
from domain.policies import reach
from domain.users import ROLES
from tests.api.conftest import Json, some_id
from tests.conftest import Database
from tests.support import people
from tests.support.people import ADMIN, bearer
from tests.support.serving import client_of

DESCRIPTION = create_app(people.settings(), "").openapi()
OPERATIONS: dict[str, Json] = {
    f"{method.upper()} {path}": operation
    for path, operations in DESCRIPTION["paths"].items()
    for method, operation in operations.items()
}
ENDING = sorted(name for name in OPERATIONS if not name.endswith("/stream"))
ANYWHERE = {"method_not_allowed"}
"""What is answered instead of an operation: no such one is described."""


def example_bodies(operation: Json) -> Iterator[Any]:
    """Each example of its body; nothing if it takes none."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        yield None
        return
    schema = content["schema"]
    if "examples" in schema:
        yield from schema["examples"]
        return
    name = schema.get("$ref") or schema["anyOf"][0]["$ref"]
    yield from DESCRIPTION["components"]["schemas"][name.rpartition("/")[2]]["examples"]


def example_requests(name: str) -> Iterator[Json]:
    """What to send to an operation: each of its bodies, with what else it has to be given."""
    method, _, path = name.partition(" ")
    operation = OPERATIONS[name]
    given: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}}
    for parameter in operation.get("parameters", ()):
        if parameter["required"]:
            given[parameter["in"]][parameter["name"]] = parameter["example"]
    url = path.format(**given["path"])
    for body in example_bodies(operation):
        yield {"method": method, "url": url, "params": given["query"], "json": body}


def role_for(name: str) -> str:
    """Somebody who may ask for an operation."""
    action = ROUTES[name]
    return next(r for r in ("admin", *ROLES) if action == PUBLIC or reach(r, action))


@pytest.mark.parametrize("name", ENDING)
def test_every_example_is_understood(base_url: str, name: str) -> None:
    operation = OPERATIONS[name]
    with client_of(base_url, role_for(name)) as client:
        for request in example_requests(name):
            answer = client.request(**request)
            assert answer.status_code != 400, answer.text
            assert answer.status_code < 500 or answer.status_code == 503, answer.text
            assert str(answer.status_code) in operation["responses"]


def test_a_key_is_described_where_the_answer_is_kept(
    client: httpx2.Client, api_database: Database
) -> None:
    described, refused = set(), set()
    for name, operation in OPERATIONS.items():
        if name.startswith("GET "):
            continue
        if "Idempotency-Key" in [each["name"] for each in operation.get("parameters", ())]:
            described.add(name)
        headers = bearer(role_for(name), ADMIN) | {"Idempotency-Key": name}
        answer = client.request(**next(example_requests(name)), headers=headers)
        if answer.status_code >= 400:  # perhaps before anything would have been written
            refused.add(name)
    with api_database.connect() as conn:
        kept = {key for (key,) in conn.execute("SELECT key FROM idempotency_keys").fetchall()}
    assert kept & {*OPERATIONS} <= described <= kept | refused


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)
    assert max(len(name) for name in names) < 25, (
        "clients have modules and functions of these names"
    )


def test_every_reason_is_under_some_operation_or_is_for_all() -> None:
    said = {
        reason
        for operation in OPERATIONS.values()
        for response in operation["responses"].values()
        for reason in response["description"].removeprefix("One of: ").split(", ")
    }
    assert CATALOGUE.keys() - said == ANYWHERE


def test_links_lead_to_operations_that_take_what_they_give() -> None:
    by_id = {operation["operationId"]: operation for operation in OPERATIONS.values()}
    links = [
        link
        for operation in OPERATIONS.values()
        for response in operation["responses"].values()
        for link in response.get("links", {}).values()
    ]
    assert len(links) > 40
    for link in links:
        taken = {parameter["name"] for parameter in by_id[link["operationId"]]["parameters"]}
        assert link["parameters"].keys() <= taken


def test_a_key_used_for_another_request_is_refused_as_described(base_url: str) -> None:
    """It was undescribed where nothing else is answered with 422."""
    headers = {"Idempotency-Key": some_id()}
    with client_of(base_url) as client:
        client.post(f"/api/transfers/{some_id()}/void", headers=headers, json={})
        answer = client.post(f"/api/approvals/{some_id()}/reject", headers=headers, json={})
    assert answer.json()["reason"] == "idempotency_key_reused"
    assert "422" in OPERATIONS["POST /api/approvals/{approval_id}/reject"]["responses"]
