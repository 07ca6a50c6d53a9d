"""Whatever text is sent wherever one goes in: it is stored as that text, or refused, and does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import httpx2
import pytest

from api.problems import CATALOGUE
from api.wiring import create_app
from tests.api.conftest import Bank, Json, problem_of, some_id
from tests.conftest import Database
from tests.support import people
from tests.support.made_up import operations
from tests.support.people import ADMIN
from tests.support.places import BODIES, Place, kind_of, places, put
from tests.support.serving import client_of
from tests.support.staff import STAFF_PASSWORD, as_user, make, user_body
from tests.support.untouched import Shapes, shapes, written
from tests.support.visitors import log_in, new_email, visiting

DESCRIPTION = create_app(people.settings(), "").openapi()
PLACES = list(places(DESCRIPTION))


NASTY = {
    "a condition that always holds": "' OR '1'='1",
    "a second statement": "'; DROP TABLE events; select pg_sleep(9); --",
    "a comment": "x'/**/union/**/select/**/state/**/from/**/events--",
    "placeholders": "%s %(id)s {0} {detail} $1",
    "a NUL": "x\x00y",
    "ends of lines": "x\r\nSet-Cookie: planted=1\r\n\r\n<script>",
    "half a character": "x\ud800y",
    "another direction": "x\u202ey",
    "a path": "../../../../etc/passwd",
    "a number too large": "9" * 400,
    "no number": "NaN",
}
ACCOUNT = BODIES["AccountIn"]
INSIDE = ("psycopg", "Traceback", "SELECT ", "UPDATE ", "pg_catalog", 'relation "', "root:x:")
"""What would tell of the database or of this program."""
FOR_OTHERS = ("a condition that always holds", "a NUL", "a number too large")
"""Tried where only an id, a time or a number may be."""


@pytest.fixture(scope="module")
def tables(base_url: str, api_database: Database) -> Shapes:
    """The tables as they were before."""
    return shapes(api_database)


@pytest.fixture(scope="module")
def admin(base_url: str, client: httpx2.Client) -> Iterator[httpx2.Client]:
    """Somebody who may do nearly all, and has a profile."""
    with as_user(base_url, make(client, "admin")) as admin:
        yield admin


def check_quiet(answer: httpx2.Response, said: str) -> None:
    """An answer of the API's own, which tells of nothing inside and does as it was not told."""
    assert answer.status_code < 500, said
    assert "set-cookie" not in answer.headers, said
    if not answer.is_stream_consumed:  # it goes on for ever
        return
    assert not [inside for inside in INSIDE if inside in answer.text], said
    if answer.status_code >= 400:
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json", said
        assert (problem["status"], problem["reason"] in CATALOGUE) == (answer.status_code, True)


def is_text(place: Place) -> bool:
    """Whether any text may stand there, and not only an id, a time, a number or one of some words."""
    schema = place.schema
    return schema.get("type", "string") == "string" and not schema.keys() & {"format", "enum"}


def chosen() -> Iterator[Place]:
    """All that take any text, and of the others one of each kind, however many routes have it."""
    seen = set()
    for place in PLACES:
        kind = (place.where, place.name, str(place.schema))
        if kind not in seen or (is_text(place) and place.where != "header"):
            yield place
        seen.add(kind)


CHOSEN = list(chosen())


def attempts(route: str) -> Iterator[tuple[Place, str, str]]:
    """Places of a route, with what is put there and what that is."""
    for place in CHOSEN:
        if place.route == route:
            for what, text in NASTY.items():
                can_be_sent = place.where != "header" or text.isprintable()
                if can_be_sent and (is_text(place) or what in FOR_OTHERS):
                    yield place, text, f"{place.where} {place.name}: {what}"


@pytest.mark.parametrize("route", sorted({place.route for place in CHOSEN}))
def test_no_text_does_anything_but_be_a_text(
    route: str, admin: httpx2.Client, api_database: Database, tables: Shapes
) -> None:
    before, accepted = written(api_database), 0
    for place, text, said in attempts(route):
        answer = put(admin, place, text)
        check_quiet(answer, f"{said}: {answer.status_code}")
        accepted += answer.status_code < 400
        if place.where == "query" and answer.status_code == 200 and is_text(place):
            assert answer.json()["data"] == [], f"{said}: it found something"
    assert written(api_database) == before or accepted, "what was refused left something behind"


def test_all_tables_are_still_there(api_database: Database, tables: Shapes) -> None:
    assert len(tables) > 100
    assert shapes(api_database) == tables


@pytest.mark.parametrize("text", [t for t in NASTY.values() if t.isprintable() and len(t) < 100])
def test_what_can_be_shown_is_kept_as_it_is(text: str, bank: Bank, admin: httpx2.Client) -> None:
    account, cash = bank.open(name=text), bank.open("cash")
    assert bank.account(account)["name"] == text
    moved = bank.move(cash, account, "1.00", description=text, reference=text, metadata={"k": text})
    shown = bank.get(f"/api/transfers/{moved.json()['id']}", min_position=bank.head())
    assert (shown["description"], shown["reference"]) == (text, text)
    assert shown["metadata"] == {"k": text}
    assert bank.get("/api/transfers", reference=text)["data"][0]["id"] == shown["id"]
    frozen = admin.post(f"/api/accounts/{account}/freeze", json={"reason": text})
    events = bank.get(f"/api/streams/{account}/events", min_position=frozen.json()["position"])
    assert events["data"][-1]["data"]["reason"] == text
    assert admin.put("/api/profile", json={"full_name": text}).json()["full_name"] == text
    issued = admin.post("/api/api-keys", json={"name": text, "scopes": ["accounts:read"]})
    assert issued.json()["name"] == text
    key = {"Idempotency-Key": f"kept {text}"}
    one, same = (admin.post("/api/accounts", json=ACCOUNT, headers=key) for _ in range(2))
    assert one.status_code == 201, one.text
    assert one.json() == same.json()


# Too much of it.
TOO_LONG = {
    "name": "invalid_name_format",
    "full_name": "invalid_name_format",
    "applicant_name": "invalid_name_format",
    "first_name": "invalid_name_format",
    "last_name": "invalid_name_format",
    "email": "invalid_email_format",
    "description": "invalid_text",
    "reference": "invalid_text",
    "reason": "invalid_text",
    "purpose": "invalid_text",
    "url": "invalid_text",
    "provider": "invalid_text",
    "kind": "invalid_text",
    "queue": "invalid_text",
    "account": "invalid_text",
    "source": "invalid_text",
    "subject": "invalid_text",
    "actor": "invalid_text",
    "correlation_id": "invalid_text",
    "cursor": "invalid_request",
    "sort": "invalid_request",
}
"""The reason, by field. Of passwords it is the one that there is."""
BOUNDED = [
    place
    for place in PLACES
    if place.schema.get("type") == "string" and "maxLength" in place.schema
    and place.kind != "PasswordChangeIn"  # which asks for the current one first
]  # fmt: skip


@pytest.mark.parametrize(
    "place", BOUNDED, ids=lambda place: f"{place.route} {place.where} {place.name}"
)
def test_each_text_has_a_limit(place: Place, admin: httpx2.Client, api_database: Database) -> None:
    most = place.schema["maxLength"]
    reason = TOO_LONG.get(place.name, "invalid_password_format")
    before = written(api_database)
    problem_of(put(admin, place, "x" * (most + 1)), 400, reason)
    assert written(api_database) == before
    if place.name in TOO_LONG and place.name != "email":
        fits = put(admin, place, "x" * most)
        assert fits.status_code < 400 or fits.json()["reason"] != reason


LISTS = [place for place in PLACES if "maxItems" in place.schema and place.name != "transfers"]


@pytest.mark.parametrize("place", LISTS, ids=lambda place: f"{place.route} {place.name}")
def test_each_list_has_a_limit(place: Place, admin: httpx2.Client) -> None:
    words = place.schema["items"].get("enum")
    one = words[0] if words else {"account_id": str(ADMIN), "version": 1}
    problem_of(put(admin, place, [one] * (place.schema["maxItems"] + 1)), 400, "invalid_request")


@pytest.mark.parametrize("metadata", [{"k" * 41: 1}, {"k": "v" * 501}, {"k": 2**53}, {"": 1}])
def test_metadata_has_limits(metadata: Json, bank: Bank) -> None:
    answer = bank.move(bank.open("cash"), bank.open(), "1.00", metadata=metadata)
    problem_of(answer, 400, "invalid_metadata")


# What one does not say of oneself.
FOREIGN: Json = {
    "id": str(ADMIN), "user_id": str(ADMIN), "owner_id": str(ADMIN), "maker_id": str(ADMIN),
    "registered_by": str(ADMIN), "by": str(ADMIN), "actor": f"user:{ADMIN}", "caller": "admin",
    "role": "admin", "status": "ACTIVE", "active": True, "verified": True, "version": 7,
    "balance": "9.00", "position": 1, "approved": True, "scope": "users:write", "key": "dbk_x",
    "password_hash": "x", "__proto__": {"role": "admin"}, "constructor": 1,
}  # fmt: skip
"""Members that some bodies have, and others must not."""
OLDER = {"PrequalificationIn"}
"""Bodies of the older API, where what is not known does nothing: `test_prequalifications.py` looks at it."""
KINDS = {route: kind_of(operation) for route, operation in operations(DESCRIPTION).items()}


@pytest.mark.parametrize(
    "route", sorted(route for route, kind in KINDS.items() if kind and kind not in OLDER)
)
def test_nobody_says_more_than_he_is_asked(
    route: str, admin: httpx2.Client, api_database: Database
) -> None:
    kind = KINDS[route]
    known = DESCRIPTION["components"]["schemas"][kind]["properties"]
    before = written(api_database)
    for name, value in FOREIGN.items():
        if name not in known:
            answer = put(admin, Place(route, "body", name, {}, kind), value)
            barred = kind == "ProfileIn" and name in ("role", "status", "active", "verified")
            reason = "insufficient_permissions" if barred else "unknown_fields"
            problem_of(answer, 403 if barred else 400, reason)
    assert written(api_database) == before


TAKEN = {
    ("AccountIn", "id"), ("AccountIn", "owner_id"), ("TransferIn", "id"), ("UserIn", "id"),
    ("RegistrationIn", "role"), ("UserIn", "role"), ("RetryIn", "key"), ("UserChangeIn", "role"),
    ("UserChangeIn", "status"), ("FundIn", "id"), ("InvestmentIn", "id"), ("BankTransferIn", "id"),
    ("ApplicationIn", "id"), ("FundingIn", "id"), ("RepaymentIn", "id"),
}  # fmt: skip
"""Members that are meant to be there; what others may do with them is in the tests of their routes."""


def test_no_body_takes_more_than_these() -> None:
    schemas = DESCRIPTION["components"]["schemas"]
    found = {
        (kind, name) for kind in BODIES for name in FOREIGN if name in schemas[kind]["properties"]
    }
    assert found == TAKEN


def test_an_id_of_somebody_else_changes_nothing_of_theirs(
    base_url: str, client: httpx2.Client, bank: Bank, api_database: Database
) -> None:
    email = new_email()
    theirs = make(client, "admin", email)["id"]
    account = bank.open(owner_id=theirs)
    with visiting(base_url) as visitor, client_of(base_url, "user", UUID(some_id())) as other:
        before = written(api_database)
        problem_of(client.post("/api/users/admin", json=user_body(id=theirs)), 422, "id_reused")
        for id_ in (theirs, account):
            problem_of(other.post("/api/accounts", json=ACCOUNT | {"id": id_}), 422, "id_reused")
        answer = other.post("/api/accounts", json=ACCOUNT | {"owner_id": theirs})
        problem_of(answer, 403, "insufficient_permissions")
        assert written(api_database) == before
        log_in(visitor, email, STAFF_PASSWORD)
