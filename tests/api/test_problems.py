"""Problems: what programs of both ages read in them, and what their headers say."""

from __future__ import annotations

import string
from typing import Annotated

import pytest
from pydantic import BaseModel, BeforeValidator, ValidationError

from api.models import problem as mistake
from api.problem_catalogue import CATALOGUE, ERROR_TYPES, Problem
from api.problems import explain, of_validation
from tests.api.conftest import problem_of
from tests.support.edges import edge_of

STATUSES = {
    "authentication": {401},
    "authorization": {403},
    "not_found": {404},
    "rate_limit": {429},
    "external_dependency": {503},
    "system": {500},
}


def test_a_list_without_anything_in_it_is_a_word_too() -> None:
    details: dict[str, object] = {"current": "completed", "requested": "cancelled", "allowed": []}
    assert explain("invalid_transition", details).endswith("not allowed; allowed: nothing.")


@pytest.mark.parametrize(("reason", "row"), CATALOGUE.items())
def test_every_reason_is_a_problem_with_the_older_error_in_it(reason: str, row: Problem) -> None:
    """With all its details given, each sentence is whole."""
    details = {name: "x" for _, name, _, _ in string.Formatter().parse(row.advice) if name}
    with edge_of() as client:
        problem = problem_of(client.get(f"/problems/{reason}", params=details), row.status, reason)
    assert problem["error"] == {
        "type": ERROR_TYPES[row.category],
        "message": problem["detail"],
        "code": row.status,
        "reason": reason,
        "details": problem["details"],
        "timestamp": problem["timestamp"],
    }
    assert row.status in STATUSES.get(row.category, {row.status})
    assert row.advice.endswith(".") or row.advice.endswith("}"), "a sentence"


@pytest.mark.parametrize(
    ("reason", "challenge"),
    [
        ("unauthorized", 'Bearer realm="daybook"'),
        ("invalid_credentials", 'Bearer realm="daybook"'),
        (
            "token_expired",
            'Bearer realm="daybook", error="invalid_token", error_description="Token expired"',
        ),
        (
            "invalid_api_key",
            'Bearer realm="daybook", error="invalid_token", error_description="Invalid API key"',
        ),
        ("forbidden", None),
        ("token_not_found", None),
    ],
)
def test_whoever_is_not_known_hears_how_to_say_who_he_is(
    reason: str, challenge: str | None
) -> None:
    with edge_of() as client:
        assert client.get(f"/problems/{reason}").headers.get("www-authenticate") == challenge


def test_a_missing_scope_is_named() -> None:
    with edge_of() as client:
        answer = client.get("/problems/scope_missing?scope=transfers:write")
    assert "transfers:write" in problem_of(answer, 403, "scope_missing")["detail"]
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="daybook", error="insufficient_scope", scope="transfers:write"'
    )


def test_what_may_work_later_says_when() -> None:
    with edge_of() as client:
        assert client.get("/problems/service_unavailable").headers["retry-after"] == "1"
        answer = client.get("/problems/service_unavailable?retry_after_s=5")
        assert answer.headers["retry-after"] == "5"
        assert "retry-after" not in client.get("/problems/same_account").headers


def test_what_the_write_side_says_of_tokens_and_passwords_is_a_problem() -> None:
    with edge_of() as client:
        problem_of(client.get("/token"), 401, "token_revoked")
        problem_of(client.get("/busy"), 503, "service_unavailable")


@pytest.mark.parametrize(
    "reason",
    [
        "invalid_email_format", "invalid_password_format", "invalid_role", "invalid_sort",
        "invalid_scope", "invalid_refresh_token_format",
    ],
)  # fmt: skip
def test_a_value_that_a_shape_refuses_has_the_reason_of_the_shape(reason: str) -> None:
    def refuse(value: object) -> str:
        raise mistake(reason, allowed=["one", "two"])

    class Shape(BaseModel):
        value: Annotated[str, BeforeValidator(refuse)]

    with pytest.raises(ValidationError) as raised:
        Shape(value="x")
    found, details = of_validation(raised.value.errors())
    assert (found, details["allowed"]) == (reason, ["one", "two"])
