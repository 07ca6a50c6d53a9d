"""The API does what its description says, whatever is sent: schemathesis over the running server."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.wiring import create_app
from tests.support import people


def not_a_defect(
    context: schemathesis.CheckContext, response: schemathesis.Response, case: object
) -> None:
    """503 says to try again, and is described; any other 5xx is a defect."""
    assert response.status_code < 500 or response.status_code == 503, response.text


CHECKS = [
    not_a_defect,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

SCHEMA = schemathesis.openapi.from_dict(create_app(people.settings(), "").openapi())
OPERATIONS = {
    operation.label: operation
    for operation in (r.ok() for r in SCHEMA.get_all_operations() if isinstance(r, Ok))
    if operation.path != "/api/events/stream"  # it never ends
}


# The server, in this process, may use `random` while a request is being made up.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.parametrize("label", sorted(OPERATIONS))
def test_every_route_answers_as_described(base_url: str, label: str) -> None:
    @settings(
        max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(OPERATIONS[label].as_strategy())
    def sent(case: schemathesis.Case[Any]) -> None:
        # A random position never comes, and waiting for one is tested elsewhere.
        if case.query:
            case.query.pop("min_position", None)
        case.call_and_validate(base_url=base_url, headers=people.bearer(), checks=CHECKS)

    sent()
