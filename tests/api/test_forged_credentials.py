"""Credentials that are forged, over, for something else or of somebody else open nothing over HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx2
import jwt
import pytest

from application.identity.sessions import Session
from application.identity.tokens import Signer
from tests.api.conftest import Bank, problem_of
from tests.conftest import Database
from tests.support.people import JWT_SECRET, bearer
from tests.support.serving import client_of, serving
from tests.support.staff import STAFF_PASSWORD, as_user, make
from tests.support.visitors import log_in, new_email, visiting

OTHER_SECRET = "signs tokens of somebody who would like to be here: 9876543210-ZYXWVUTS"
SIGNER = Signer([JWT_SECRET])


class Tokens(NamedTuple):
    """Of an administrator who is there."""

    user_id: UUID
    access: str
    refresh: str


@pytest.fixture(scope="module")
def visitor(base_url: str) -> Iterator[httpx2.Client]:
    with visiting(base_url) as client:
        yield client


@pytest.fixture(scope="module")
def tokens(client: httpx2.Client, visitor: httpx2.Client) -> Tokens:
    email = new_email()
    user = make(client, "admin", email)
    return Tokens(UUID(user["id"]), *log_in(visitor, email, STAFF_PASSWORD))


def said(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def signed(
    token: str, secret: str = JWT_SECRET, algorithm: str = "HS256", head: Any = None, **claims: Any
) -> str:
    """What a token says, some of it said otherwise, and signed like this."""
    header = {k: v for k, v in jwt.get_unverified_header(token).items() if k != "alg"}
    return jwt.encode({**said(token), **claims}, secret, algorithm, {**header, **(head or {})})


NOW = datetime.now(UTC)
OTHERS = Signer([OTHER_SECRET]).issue_access(uuid4(), "admin", uuid4(), NOW).token

FORGED: dict[str, Callable[[str], str]] = {
    "nobody signed it": lambda token: signed(token, "", "none"),
    "nobody signed it, and it says who": lambda token: signed(token, "", "none", {"alg": "none"}),
    "without its signature": lambda token: token.rpartition(".")[0] + ".",
    "signed by another": lambda token: signed(token, OTHER_SECRET),
    "of a key that is not there": lambda token: signed(
        token, OTHER_SECRET, head={"kid": jwt.get_unverified_header(OTHERS)["kid"]}
    ),
    "a key by its address": lambda token: signed(
        token, OTHER_SECRET, head={"jku": "http://127.0.0.1:1/keys", "kid": "../../dev/null"}
    ),
    "a key that it brings along": lambda token: signed(
        token, OTHER_SECRET, head={"jwk": {"kty": "oct", "k": OTHER_SECRET}}
    ),
    "a longer hash": lambda token: signed(token, JWT_SECRET, "HS512"),
    "a role that was written in": lambda token: ".".join(
        (token.split(".")[0], signed(token, role="admin", x=1).split(".")[1], token.split(".")[2])
    ),
    "of another issuer": lambda token: signed(token, iss="somebody"),
    "for another service": lambda token: signed(token, aud="elsewhere"),
    "of nobody": lambda token: signed(token, sub="' OR '1'='1"),
}  # fmt: skip


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_token_opens_nothing(how: str, visitor: httpx2.Client, tokens: Tokens) -> None:
    access, refreshing = (FORGED[how](token) for token in (tokens.access, tokens.refresh))
    headers = {"Authorization": f"Bearer {access}"}
    refused = visitor.get("/api/users", headers=headers)
    assert refused.status_code == 401, refused.text
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    answer = visitor.post("/api/auth/refresh", json={"refresh_token": refreshing})
    assert answer.status_code == 401, answer.text
    assert visitor.get("/api/users", headers=bearer("admin", tokens.user_id)).status_code == 200


@pytest.mark.parametrize(
    ("ago", "status"), [(timedelta(seconds=901), 401), (timedelta(seconds=300), 200)]
)
def test_a_token_is_good_for_its_quarter_of_an_hour(
    ago: timedelta, status: int, visitor: httpx2.Client, tokens: Tokens
) -> None:
    issued = SIGNER.issue_access(tokens.user_id, "admin", uuid4(), datetime.now(UTC) - ago)
    answer = visitor.get("/api/users", headers={"Authorization": f"Bearer {issued.token}"})
    assert answer.status_code == status
    if status == 401:
        problem_of(answer, 401, "token_expired")


def test_a_token_of_tomorrow_is_not_good_today(visitor: httpx2.Client, tokens: Tokens) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    issued = SIGNER.issue_access(tokens.user_id, "admin", uuid4(), tomorrow)
    answer = visitor.get("/api/users", headers={"Authorization": f"Bearer {issued.token}"})
    problem_of(answer, 401, "token_not_yet_valid")


def test_a_token_is_for_one_thing_only(visitor: httpx2.Client, tokens: Tokens) -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    link = SIGNER.issue_link(tokens.user_id, "verify_email", digest, NOW, 3600).token
    session = Session(uuid4(), tokens.user_id, uuid4(), NOW + timedelta(days=1))
    texts = {
        "access": tokens.access,
        "refresh": SIGNER.issue_refresh(session, NOW).token,
        "link": link,
    }
    for kind, text in texts.items():
        asked = {
            "access": visitor.get("/api/users", headers={"Authorization": f"Bearer {text}"}),
            "refresh": visitor.post("/api/auth/refresh", json={"refresh_token": text}),
            "link": visitor.post("/api/auth/verify-email", json={"token": text}),
        }
        for use, answer in asked.items():
            if use != kind:
                problem_of(answer, 401, "invalid_token_type")
        assert asked[kind].status_code != 401 or kind == "link", asked[kind].text


@pytest.mark.parametrize(
    "header",
    [
        "bearer", "Bearer", "Basic {}", "Token {}", "Bearer {}, Bearer {}", "Bearer  x {}",
        "{}", "Bearer dbk_{}", "Bearer null", "Bearer undefined",
    ],
)  # fmt: skip
def test_only_a_bearers_token_is_one(header: str, visitor: httpx2.Client, tokens: Tokens) -> None:
    text = header.replace("{}", tokens.access)
    answer = visitor.get("/api/users", headers={"Authorization": text})
    assert answer.status_code == 401, answer.text


def test_a_good_token_does_not_help_a_bad_key(visitor: httpx2.Client, tokens: Tokens) -> None:
    headers = bearer("admin", tokens.user_id) | {"X-API-Key": "dbk_bad"}
    problem_of(visitor.get("/api/users", headers=headers), 401, "invalid_api_key")
    for place in ("?access_token={}", "?token={}", "?api_key={}"):
        answer = visitor.get("/api/users" + place.format(tokens.access))
        problem_of(answer, 401, "unauthorized")
    visitor.cookies.set("access_token", tokens.access)
    visitor.cookies.set("session", tokens.access)
    problem_of(visitor.get("/api/users"), 401, "unauthorized")
    visitor.cookies.clear()


def test_who_asked_by_a_program_does_not_approve_in_person(database: Database) -> None:
    with (
        serving(database.url, FOUR_EYES_ABOVE="EUR:1000.00") as url,
        client_of(url) as client,
        as_user(url, make(client, "admin")) as person,
        httpx2.Client(base_url=url, timeout=30) as program,
    ):
        bank = Bank(client)
        scopes = ["transfers:write", "accounts:read"]
        issued = person.post("/api/api-keys", json={"name": "twin", "scopes": scopes}).json()
        program.headers["X-API-Key"] = issued["key"]
        asked = Bank(program).move(bank.open("cash"), bank.open(), "2000.00").json()
        path = f"/api/approvals/{asked['id']}/approve"
        problem_of(program.post(path), 403, "insufficient_permissions")
        problem_of(person.post(path), 403, "cannot_approve_own")
        # Nor the other way round.
        mine = Bank(person).move(bank.open("cash"), bank.open(), "2000.00").json()
        problem_of(
            program.post(f"/api/approvals/{mine['id']}/approve"), 403, "insufficient_permissions"
        )


def test_another_ones_idempotency_key_repeats_nothing(base_url: str) -> None:
    body, key = {"name": "A", "type": "savings", "currency": "EUR"}, {"Idempotency-Key": "shared"}
    ids = set()
    for _ in range(2):
        with client_of(base_url, "user", uuid4()) as somebody:
            answer = somebody.post("/api/accounts", json=body, headers=key)
            assert answer.status_code == 201
            assert "idempotent-replayed" not in answer.headers
            again = somebody.post("/api/accounts", json=body, headers=key)
            assert again.json()["id"] == answer.json()["id"]
            ids.add(answer.json()["id"])
    assert len(ids) == 2


def test_another_ones_cursor_shows_nothing_of_theirs(base_url: str, bank: Bank) -> None:
    with (
        client_of(base_url, "user", uuid4()) as one,
        client_of(base_url, "user", uuid4()) as other,
    ):
        hers, his = ({Bank(client).open() for _ in range(4)} for client in (one, other))
        head = bank.head()
        page = Bank(one).get("/api/accounts", limit=2, min_position=head)
        cursor = page["next_cursor"]
        shown = Bank(other).get("/api/accounts", cursor=cursor)["data"]
        assert {row["id"] for row in shown} <= his
        rest = Bank(one).get("/api/accounts", cursor=cursor)["data"]
        assert {row["id"] for row in (*page["data"], *rest)} == hers
        for at in range(0, len(cursor), 5):
            changed = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
            answer = one.get("/api/accounts", params={"cursor": changed})
            if at < len(cursor) - 1:
                problem_of(answer, 400, "invalid_cursor")
