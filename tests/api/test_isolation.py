"""Customers are alone with what is theirs: whatever one of them asks, the others' is as if it were not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import uuid4

import httpx2
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.policies import PUBLIC, ROUTES
from api.wiring import create_app
from domain.policies import reach
from tests.api.conftest import Json, problem_of
from tests.conftest import Database
from tests.support import people
from tests.support.customers import ALONE, KINDS, Person, World, three_customers
from tests.support.made_up import MakerUp, Request, operations
from tests.support.serving import serving

DESCRIPTION = create_app(people.settings(), "").openapi()
STREAMS = ("GET /api/events/stream", "GET /api/projections/stream")
"""They do not end; that they are not for customers is seen at their first line."""

OWN_STREAMS = ("GET /api/stream", "GET /api/applications/stream")
"""They do not end either; what they tell to whom is seen where they are tried."""

HIDDEN = (
    "GET /health",
    "GET /ready",
    "GET /console",
    "GET /console/assets/{version}/{name}",
    "GET /console/{page}",
)
"""Shorter names of described routes, which take nothing, and files, which are the same for all."""

NOWHERE = [str(uuid4()) for _ in range(4)]
"""Ids of nothing."""


@pytest.fixture(scope="module")
def world(api_database: Database) -> Iterator[World]:
    url = api_database.url
    with serving(url, FOUR_EYES_ABOVE=ALONE) as base, three_customers(base, url) as world:
        yield world


Connection = psycopg.Connection[Any]

_KIND_OF = {"owner_id": "user", "maker_id": "user", "id": "account transfer"}
"""Names of places that do not say what they are for."""


class Attack(NamedTuple):
    """Somebody who looks at others."""

    who: Person
    others: list[Person]
    shared: list[str]
    world: World

    @property
    def forbidden(self) -> set[str]:
        return {id_ for other in self.others for id_ in other.ids}

    def ids(self, name: str) -> st.SearchStrategy[str]:
        """What may stand at a place of this name: mostly another's thing of that kind."""
        fitting = [kind for kind in KINDS if kind in _KIND_OF.get(name, name)]
        theirs = [id_ for other in self.others for kind in fitting for id_ in other.things[kind]]
        own = [id_ for kind in KINDS for id_ in self.who.things[kind][-2:]]
        if name.startswith("source"):  # most payments are refused at once when it is another's
            return st.sampled_from([*self.who.things["account"][-2:], *theirs])
        return st.one_of(
            st.sampled_from(theirs or sorted(self.forbidden)),
            st.sampled_from(sorted(self.forbidden)),
            st.sampled_from([*own, *self.shared, *NOWHERE]),
        )

    @property
    def secrets(self) -> set[str]:
        return set().union(*(other.secrets for other in self.others))


@pytest.fixture(scope="module", params=["an outsider", "who is paid by the other"])
def attack(request: pytest.FixtureRequest, world: World) -> Attack:
    if request.param == "an outsider":
        return Attack(world.carl, [world.anna, world.bert], [], world)
    return Attack(world.anna, [world.bert], world.shared, world)


@pytest.fixture(scope="module")
def conn(api_database: Database) -> Iterator[Connection]:
    with api_database.connect(superuser=True) as conn:
        yield conn


def test_no_route_is_left_out() -> None:
    assert sorted([*operations(DESCRIPTION), *HIDDEN]) == sorted(ROUTES)
    assert {ROUTES[route] for route in HIDDEN} == {PUBLIC}


# The server, in this process, may use `random` while a request is being made up.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.parametrize("route", sorted({*ROUTES} - {*STREAMS, *OWN_STREAMS, *HIDDEN}))
def test_whatever_is_asked_the_others_are_left_alone_and_not_told_of(
    route: str, attack: Attack, conn: Connection
) -> None:
    action = ROUTES[route]
    is_open = action != PUBLIC and reach("user", action) is not None
    if not route.startswith("GET"):  # which neither spends nor closes anything
        attack.world.fresh(attack.who)

    beside = _beside(conn, attack)

    @settings(max_examples=15 if is_open else 2, derandomize=True, database=None)
    @given(MakerUp(DESCRIPTION, attack.ids).requests(route))
    def asked(made: Request) -> None:
        before = _head(conn)
        answer = _send(attack.who.client, made)
        _check_silence(answer, attack)
        written = _written(conn, before)
        happened = {topic for id_, topic in written if id_ in attack.forbidden}
        assert happened <= {"account.credited"}, "all that happens to others is that they are paid"
        assert _beside(conn, attack) == beside
        if attack.forbidden & set(made.path.values()):
            assert not written, "nothing at all is written when it is about another's"
            _check_as_if_not_there(answer, made, attack)

    asked()


@pytest.mark.parametrize("route", STREAMS)
def test_streams_are_not_for_customers(route: str, attack: Attack) -> None:
    problem_of(attack.who.client.get(route.split()[1]), 403, "insufficient_permissions")


def _send(client: httpx2.Client, made: Request) -> httpx2.Response:
    """What is answered; of a stream, which may never end, its beginning."""
    body = {} if made.body is None else {"json": made.body}
    with client.stream(made.method, made.url, params=made.query, **body) as answer:
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            begun = next(answer.iter_bytes(), b"")
            return httpx2.Response(answer.status_code, headers=answer.headers, content=begun)
        answer.read()
        return answer


def _check_silence(answer: httpx2.Response, attack: Attack) -> None:
    """No answer has a secret in it, nor anything about an account of another but its id."""
    text = answer.text + json.dumps(dict(answer.headers))
    assert not [secret for secret in attack.secrets if secret in text]
    if "json" in answer.headers.get("content-type", ""):
        for told in _objects(answer.json()):
            about = {told.get(name) for name in ("id", "account_id", "key", "stream_id")}
            if about & attack.forbidden:
                assert not told.keys() & {
                    "balance", "held", "available", "version", "name", "owner_id", "actual",
                }, told  # fmt: skip


def _objects(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _objects(item)


_ROWS = """
SELECT 'session', id::text, ended_at::text, refresh_id::text FROM sessions WHERE user_id = ANY(%(who)s)
UNION ALL SELECT 'key', id::text, revoked_at::text, name FROM api_keys WHERE user_id = ANY(%(who)s)
UNION ALL SELECT 'password', user_id::text, password_hash, NULL FROM credentials
 WHERE user_id = ANY(%(who)s)
UNION ALL SELECT 'email', user_id::text, email_index::text, NULL FROM user_emails
 WHERE user_id = ANY(%(who)s)
UNION ALL SELECT 'access', user_id::text, role, status FROM user_access WHERE user_id = ANY(%(who)s)
ORDER BY 1, 2
"""


def _beside(conn: Connection, attack: Attack) -> list[tuple[Any, ...]]:
    """What is kept of the others beside the log."""
    return conn.execute(_ROWS, {"who": [other.id for other in attack.others]}).fetchall()


def _head(conn: Connection) -> int:
    row = conn.execute("SELECT position FROM ledger_head").fetchone()
    assert row is not None
    return int(row[0])


def _written(conn: Connection, position: int) -> list[tuple[str, str]]:
    """Streams and topics of what was written since, but for the security log."""
    return conn.execute(
        "SELECT originator_id::text, topic FROM events WHERE notification_id > %s"
        " AND topic NOT LIKE 'security.%%'",
        (position,),
    ).fetchall()


def _check_as_if_not_there(answer: httpx2.Response, made: Request, attack: Attack) -> None:
    """The same request about nothing at all gets the same answer."""
    action = ROUTES[f"{made.method} {made.template}"]
    barred = action != PUBLIC and reach("user", action) is None
    assert answer.status_code in ((403,) if barred else (400, 404)), answer.text

    def elsewhere(values: dict[str, str]) -> dict[str, str]:
        return {n: NOWHERE[0] if v in attack.forbidden else v for n, v in values.items()}

    twin = made._replace(path=elsewhere(made.path), query=elsewhere(made.query))
    other = _send(attack.who.client, twin)
    assert _plain(answer, attack) == _plain(other, attack)


def _plain(answer: httpx2.Response, attack: Attack) -> str:
    """A problem without what is another in each: ids and times."""
    body = answer.json()
    for told in (body, body["error"]):
        told.pop("timestamp")
    body.pop("correlation_id")
    text = json.dumps(body)
    for id_ in attack.forbidden:
        text = text.replace(id_, NOWHERE[0])
    return text


def test_who_attacked_still_had_all_rights(attack: Attack) -> None:
    """Else all that came before would prove nothing."""
    account = attack.who.things["account"][0]
    assert attack.who.bank.get(f"/api/accounts/{account}")["owner_id"] == str(attack.who.id)
