"""Every place of the API where a text of a client goes in, from the API's own description."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import uuid4

import httpx2

from tests.support.made_up import Json, operations

_ACCOUNT = {"name": "A", "type": "checking", "currency": "EUR"}
_PASSWORDS = {"password": "three words and 1", "password_confirmation": "three words and 1"}
_PERSON = {"email": "somebody@example.com", "full_name": "Some Body", **_PASSWORDS}

BODIES: dict[str, Json] = {
    "AcceptanceIn": {},
    "AccountIn": _ACCOUNT,
    "AmountIn": {},
    "ApplicationChangeIn": {"months": 12},
    "ApplicationDisclosureIn": {"fields": ["full_name"], "reason": "a letter"},
    "ApplicationIn": {
        "country": "MX",
        "full_name": "Some Body",
        "document_number": "BOXW310820HNERXN09",
        "monthly_income": "1.00",
        "amount_requested": "1.00",
    },
    "ApprovalIn": {},
    "ApiKeyIn": {"name": "k", "scopes": ["accounts:read"]},
    "BankTransferIn": {
        "account_id": str(uuid4()),
        "amount": "1.00",
        "currency": "EUR",
        "bank_account": {"iban": "DE89370400440532013000"},
    },
    "BatchIn": {"transfers": [{}]},
    "DecisionReplayIn": {"table": {}},
    "DryRunIn": {
        "country": "MX",
        "facts": {"credit_score": 700, "monthly_income": "1.00", "amount_requested": "1.00"},
    },
    "EndpointIn": {"url": "https://example.com/hooks"},
    "EndpointChangeIn": {},
    "ReplayIn": {"since": "2026-03-01"},
    "DisclosureIn": {"fields": ["email"], "purpose": "a call"},
    "FundingIn": {"source_account_id": str(uuid4()), "amount": "1.00", "currency": "EUR"},
    "FundIn": {"name": "F", "currency": "EUR", "minimum_investment": "1.00", "seats": 1},
    "FundTermsIn": {},
    "InvestmentIn": {
        "investor_account_id": str(uuid4()),
        "fund_id": str(uuid4()),
        "amount": "1.00",
        "currency": "EUR",
    },
    "LinkIn": {"token": "none"},
    "LoginIn": {"email": "somebody@example.com", "password": "three words and 1"},
    "LogoutIn": {},
    "PasswordChangeIn": {
        "current_password": "three words and 1",
        "new_password": "three words and 2",
        "password_confirmation": "three words and 2",
    },
    "PrequalificationIn": {
        "pan_number": "ABCDE1234F",
        "applicant_name": "Some Body",
        "monthly_income_inr": "1.00",
        "loan_amount_inr": "1.00",
        "loan_type": "HOME",
    },
    "ProfileIn": {"full_name": "Some Body"},
    "ReasonIn": {},
    "RebuildIn": {},
    "ReconciliationIn": {"statement": ":20:none"},
    "RefreshIn": {"refresh_token": "a.b.c"},
    "RegistrationIn": _PERSON,
    "RepaymentIn": {"amount": "1.00", "account_id": str(uuid4())},
    "RetryIn": {},
    "TransferIn": {
        "source_account_id": str(uuid4()),
        "destination_account_id": str(uuid4()),
        "amount": "1.00",
        "currency": "EUR",
    },
    "UserChangeIn": {"full_name": "Some Body"},
    "UserIn": _PERSON,
}
"""A good body of each kind that the description knows."""


class Place(NamedTuple):
    """`where` is `path`, `query`, `header` or `body`; `kind` names the body."""

    route: str
    where: str
    name: str
    schema: Json
    kind: str = ""


def places(description: Json) -> Iterator[Place]:
    """All places that take a text; those that take anything are among them."""
    schemas = description["components"]["schemas"]
    for route, operation in operations(description).items():
        for parameter in operation.get("parameters", ()):
            schema = _alone(parameter["schema"])
            yield Place(route, parameter["in"], parameter["name"], schema)
        kind = kind_of(operation)
        if kind:
            for name, value in schemas[kind]["properties"].items():
                yield Place(route, "body", name, _alone(value), kind)


def kind_of(operation: Json) -> str:
    """The name of the body that an operation takes, empty when it takes none."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return str(_alone(content.get("schema", {})).get("$ref", "")).rpartition("/")[2]


def _alone(schema: Json) -> Json:
    """The schema of what may be null or left out too."""
    return dict(schema.get("anyOf", [schema])[0])


def put(client: httpx2.Client, place: Place, value: Any) -> httpx2.Response:
    """The answer to a request with this in its place; endless streams are not read."""
    method, _, template = place.route.partition(" ")
    path = "/".join(
        _part(place, part.strip("{}"), value) if part.startswith("{") else part
        for part in template.split("/")
    )
    more: Json = {}
    if place.where == "query":
        path += f"?{place.name}={_quoted(str(value))}"
    elif place.where == "header":
        more = {"headers": {place.name: str(value).encode()}}
    elif place.where == "body":
        body = BODIES[place.kind] | {place.name: value}
        if "password_confirmation" in body and place.name in ("password", "new_password"):
            body["password_confirmation"] = value
        # In ASCII: whatever JSON can spell out, half characters too.
        content = json.dumps(body).encode()
        more = {"content": content, "headers": {"Content-Type": "application/json"}}
    with client.stream(method, path, **more) as answer:
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            answer.read()
        return answer


def _part(place: Place, name: str, value: Any) -> str:
    if place.where == "path" and place.name == name:
        return _quoted(str(value))
    return {"name": "balances", "role": "user", "position": "1"}.get(name, str(uuid4()))


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")
