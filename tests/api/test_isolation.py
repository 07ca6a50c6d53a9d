"""Customers are alone with what is theirs: whatever one of them asks, the others' is as if it were not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.policies import PUBLIC, ROUTES
from api.wiring import create_app
from domain.policies import reach
from tests.api.conftest import Bank, Json, problem_of
from tests.conftest import Database
from tests.support import people
from tests.support.made_up import MakerUp, Request, operations
from tests.support.people import bearer
from tests.support.serving import client_of, serving

DESCRIPTION = create_app(people.settings(), "").openapi()
STREAMS = ("GET /api/events/stream", "GET /api/projections/stream")
"""They do not end; that they are not for customers is seen at their first line."""

NOWHERE = [str(uuid4()) for _ in range(4)]
"""Ids of nothing."""


class Person:
    """A customer: the API in that person's words, and what is that person's."""

    def __init__(self, base_url: str, name: str) -> None:
        self.id = uuid4()
        self.name = f"{name} Unmistakable"
        self.email = f"{name.lower()}.{self.id.hex}@example.com"
        self.client = httpx2.Client(base_url=base_url, timeout=30, headers=bearer("user", self.id))
        self.bank = Bank(self.client)
        self.ids: list[str] = [str(self.id)]
        self.secrets: set[str] = {self.name, self.email}
        body = {
            "id": str(self.id),
            "email": self.email,
            "full_name": self.name,
            "password": f"{name} keeps this",
            "password_confirmation": f"{name} keeps this",
        }
        assert self.client.post("/api/users", json=body).status_code == 201

    def open(self) -> str:
        name = f"{self.name}'s account {uuid4().hex}"
        account = self.bank.open(name=name)
        self.secrets.add(name)
        self.ids.append(account)
        return account

    def move(self, source: str, destination: str, amount: str, **more: Any) -> str:
        """The id of a transfer, or of the approval that it waits for."""
        words = {
            "description": uuid4().hex,
            "reference": uuid4().hex,
            "metadata": {"k": uuid4().hex},
        }
        answer = self.bank.move(source, destination, amount, **words, **more)
        assert answer.status_code in (201, 202), answer.text
        return str(answer.json()["id"])

    def begin_session(self) -> None:
        """A login and an API key."""
        body = {"email": self.email, "password": f"{self.name.split()[0]} keeps this"}
        answer = self.client.post("/api/auth/login", json=body)
        assert answer.status_code == 200, answer.text
        (session,) = self.client.get("/api/auth/sessions").json()["data"]
        key = {"name": f"{self.name}'s key", "scopes": ["accounts:read"]}
        issued = self.client.post("/api/api-keys", json=key)
        assert issued.status_code == 201, issued.text
        self.ids += [session["id"], issued.json()["id"]]
        self.secrets.add(key["name"])  # type: ignore[arg-type]


class World(NamedTuple):
    """Anna and Bert pay each other; Carl has to do with neither."""

    admin: Bank
    anna: Person
    bert: Person
    carl: Person
    shared: list[str]
    """Transfers between Anna and Bert."""
    accounts: dict[str, str]
    """The accounts with names."""
    database: Database


@pytest.fixture(scope="module")
def base_url(api_database: Database) -> Iterator[str]:
    with serving(api_database.url, FOUR_EYES_ABOVE="EUR:9000.00") as url:
        yield url


@pytest.fixture(scope="module")
def world(base_url: str, api_database: Database) -> Iterator[World]:
    with client_of(base_url) as client:
        admin = Bank(client)
        anna, bert, carl = (Person(base_url, name) for name in ("Anna", "Bert", "Carl"))
        cash = admin.open("cash")
        accounts = {"cash": cash}
        for person, cents in ((anna, ".07"), (bert, ".43"), (carl, ".61")):
            one, other = person.open(), person.open()
            letter = person.name[0].lower()
            accounts |= {f"{letter}1": one, f"{letter}2": other}
            for amount in ("7319" + cents, "5827.00"):
                assert admin.move(cash, one, amount).status_code == 201
            # What is a person's own.
            person.ids.append(person.move(one, other, "311" + cents))
            person.ids.append(person.move(one, other, "117" + cents, pending=True))
            person.ids.append(person.move(one, other, "9111" + cents))  # waits for a second person
            person.begin_session()
        a1, b1 = accounts["a1"], accounts["b1"]
        shared = [
            anna.move(a1, b1, "27.19"),
            anna.move(a1, b1, "613.17", pending=True),
            bert.move(b1, a1, "31.23"),
            bert.move(b1, a1, "61.77", pending=True),
        ]
        for person in (anna, bert, carl):
            _learn(admin, person)
        yield World(admin, anna, bert, carl, shared, accounts, api_database)
        for person in (anna, bert, carl):
            person.client.close()


def _learn(admin: Bank, person: Person) -> None:
    """What nobody else may see of a person's accounts and own transfers."""
    head = admin.head()
    for account in admin.get("/api/accounts", owner_id=str(person.id), min_position=head)["data"]:
        person.secrets |= {account[name] for name in ("balance", "available", "held")}
        lines = admin.get(f"/api/accounts/{account['id']}/entries", min_position=head)["data"]
        person.secrets |= {line["balance"] for line in lines}
        for line in lines:
            if line["counterparty_account_id"] in person.ids:
                person.secrets |= {line["amount"], line["description"], line["reference"]}
    # Nothing short, which the time of day may happen to have in it.
    person.secrets = {secret for secret in person.secrets if len(secret) > len("99.99")}


class Attack(NamedTuple):
    """Somebody who looks at others."""

    who: Person
    others: list[Person]
    shared: list[str]
    world: World

    @property
    def forbidden(self) -> set[str]:
        return {id_ for other in self.others for id_ in other.ids}

    @property
    def secrets(self) -> set[str]:
        return set().union(*(other.secrets for other in self.others))


@pytest.fixture(scope="module", params=["an outsider", "who is paid by the other"])
def attack(request: pytest.FixtureRequest, world: World) -> Attack:
    if request.param == "an outsider":
        return Attack(world.carl, [world.anna, world.bert], [], world)
    return Attack(world.anna, [world.bert], world.shared, world)


def test_no_route_is_left_out() -> None:
    assert sorted(operations(DESCRIPTION)) == sorted(ROUTES)


@pytest.mark.parametrize("route", sorted(set(ROUTES) - set(STREAMS)))
def test_whatever_is_asked_the_others_are_left_alone_and_not_told_of(
    route: str, attack: Attack
) -> None:
    action = ROUTES[route]
    is_open = action != PUBLIC and reach("user", action) is not None
    ids = st.one_of(
        st.sampled_from(sorted(attack.forbidden)),
        st.sampled_from([*attack.who.ids, *attack.shared, *NOWHERE]),
    )

    @settings(max_examples=12 if is_open else 3, derandomize=True, database=None)
    @given(MakerUp(DESCRIPTION, ids).requests(route))
    def asked(made: Request) -> None:
        with attack.world.database.connect(superuser=True) as conn:
            before = _everything(conn, attack)
            answer = _send(attack.who.client, made)
            _check_silence(answer, attack)
            topics = _written(conn, before.position, attack)
            _check_untouched(conn, attack, before, topics)
        if attack.forbidden & set(made.path.values()):
            assert not topics, "nothing at all is written when it is about another's"
            _check_as_if_not_there(answer, made, attack)

    asked()


@pytest.mark.parametrize("route", STREAMS)
def test_streams_are_not_for_customers(route: str, attack: Attack) -> None:
    problem_of(attack.who.client.get(route.split()[1]), 403, "insufficient_permissions")


def _send(client: httpx2.Client, made: Request) -> httpx2.Response:
    body = {} if made.body is None else {"json": made.body}
    return client.request(made.method, made.url, params=made.query, **body)


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
                    "status", "wanted",
                }, told  # fmt: skip


def _objects(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _objects(item)


class Before(NamedTuple):
    position: int
    rows: list[tuple[Any, ...]]


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


def _everything(conn: psycopg.Connection[Any], attack: Attack) -> Before:
    """How far the log is, and what is kept beside it of the others."""
    row = conn.execute("SELECT position FROM ledger_head").fetchone()
    assert row is not None
    return Before(row[0], conn.execute(_ROWS, _who(attack)).fetchall())


def _who(attack: Attack) -> dict[str, list[UUID]]:
    return {"who": [other.id for other in attack.others]}


def _written(conn: psycopg.Connection[Any], position: int, attack: Attack) -> list[tuple[str, str]]:
    """Streams and topics of what was written since, but for the security log."""
    return conn.execute(
        "SELECT originator_id::text, topic FROM events WHERE notification_id > %s"
        " AND topic NOT LIKE 'security.%%'",
        (position,),
    ).fetchall()


def _check_untouched(
    conn: psycopg.Connection[Any], attack: Attack, before: Before, topics: list[tuple[str, str]]
) -> None:
    """All that happens to others is that they are paid."""
    happened = {topic for id_, topic in topics if id_ in attack.forbidden}
    assert happened <= {"account.credited"}
    assert conn.execute(_ROWS, _who(attack)).fetchall() == before.rows


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
    account = attack.who.ids[1]
    assert attack.who.bank.get(f"/api/accounts/{account}")["owner_id"] == str(attack.who.id)


# What two share.
SLIP = {
    "id", "status", "source_account_id", "destination_account_id", "amount", "requested_amount",
    "reversed_amount", "currency", "description", "reference", "effective_at", "metadata",
    "expires_at", "reverses", "reason", "position", "recorded_at", "updated_at", "version",
    "entries",
}  # fmt: skip


def test_both_see_the_slip_of_a_payment_and_each_the_own_entry(world: World) -> None:
    for transfer_id in world.shared:
        theirs = {
            person.name: person.bank.get(
                f"/api/transfers/{transfer_id}", min_position=world.admin.head()
            )
            for person in (world.anna, world.bert)
        }
        for person in (world.anna, world.bert):
            shown = theirs[person.name]
            assert shown.keys() == SLIP
            assert {entry["account_id"] for entry in shown.pop("entries")} <= set(person.ids)
        assert theirs[world.anna.name] == theirs[world.bert.name]
        answer = world.carl.client.get(f"/api/transfers/{transfer_id}")
        problem_of(answer, 404, "transfer_not_found")


def test_who_is_paid_is_not_told_that_it_was_all_there_was(world: World) -> None:
    """Less than was asked for means that nothing is left."""
    poor = world.anna.open()
    world.anna.move(world.accounts["a1"], poor, "33.09")
    answer = world.anna.bank.move(poor, world.accounts["b1"], "500.00", up_to=True)
    made = answer.json()
    assert (made["amount"], made["requested_amount"]) == ("33.09", "500.00")
    assert made["destination"] is None
    for person, requested in ((world.anna, "500.00"), (world.bert, "33.09")):
        path = f"/api/transfers/{made['id']}"
        one = person.bank.get(path, min_position=made["position"])
        (listed,) = [
            row
            for row in person.bank.get("/api/transfers", min_position=made["position"])["data"]
            if row["id"] == made["id"]
        ]
        for shown in (one, listed):
            assert (shown["amount"], shown["requested_amount"]) == ("33.09", requested)


BOUNDS: dict[str, Callable[[Json], object]] = {
    "version": lambda account: account["version"],
    "balance_at_least": lambda account: account["balance"],
    "balance_at_most": lambda account: account["balance"],
    "available_at_least": lambda account: account["available"],
    "available_at_most": lambda account: account["available"],
}


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("pays", ["anna", "carl"])
def test_a_condition_does_not_find_out_anothers_balance(
    pays: str, bound: str, world: World
) -> None:
    """What holds and what does not get the same answer, also where a second person would be asked."""
    payer: Person = getattr(world, pays)
    b1 = world.accounts["b1"]
    truth = BOUNDS[bound](world.admin.account(b1))
    for amount in ("1.00", "9001.00"):
        answers = []
        for value in (truth, 4_000 if bound == "version" else "4000.00"):
            condition = {"account_id": b1, bound: value}
            own = world.accounts[f"{pays[0]}1"]
            answer = payer.bank.move(own, b1, amount, conditions=[condition])
            problem = problem_of(answer, 422, "condition_account_unknown")
            answers.append(problem["details"])
        assert answers[0] == answers[1] == {"account_id": b1}


def test_another_person_with_the_same_key_asks_something_of_his_own(world: World) -> None:
    a1, b1, c1 = (world.accounts[name] for name in ("a1", "b1", "c1"))
    headers = {"Idempotency-Key": uuid4().hex}
    first = world.anna.bank.move(a1, b1, "3.00", headers=headers)
    assert first.status_code == 201
    same = world.carl.bank.move(a1, b1, "3.00", headers=headers)
    problem_of(same, 404, "account_not_found")
    assert "idempotent-replayed" not in same.headers
    other = world.anna.bank.move(a1, b1, "3.00", headers=headers)
    assert other.headers["idempotent-replayed"] == "true"
    headers = {"Idempotency-Key": uuid4().hex}
    assert world.bert.bank.move(b1, a1, "2.00", headers=headers).status_code == 201
    his = world.carl.bank.move(c1, b1, "2.00", headers=headers)
    assert (his.status_code, his.json()["destination"]) == (201, None)
    assert "idempotent-replayed" not in his.headers


@pytest.mark.parametrize("linked", [False, True])
def test_a_batch_reaches_no_further_than_one_transfer(linked: bool, world: World) -> None:
    a1, b1, c1, c2 = (world.accounts[name] for name in ("a1", "b1", "c1", "c2"))

    def item(source: str, destination: str) -> Json:
        return {
            "source_account_id": source,
            "destination_account_id": destination,
            "amount": "1.00",
            "currency": "EUR",
        }

    items = [item(c1, c2), item(a1, c1), item(c1, b1), item(world.accounts["cash"], c1)]
    body = {"transfers": items, "linked": linked}
    before = world.admin.account(a1)
    results = world.carl.client.post("/api/transfers/batch", json=body).json()["results"]
    assert world.admin.account(a1) == before
    if linked:
        assert [row["reason"] for row in results] == [
            "linked_refused", "account_not_found", "linked_refused", "linked_refused",
        ]  # fmt: skip
        return
    own, theirs, paid, houses = results
    assert own["source"] is not None
    assert own["destination"] is not None
    assert (theirs["reason"], houses["reason"]) == ("account_not_found", "account_not_found")
    assert paid["source"] is not None
    assert paid["destination"] is None


def test_who_sees_everything_sees_both_sides(world: World) -> None:
    entries = world.admin.get(f"/api/transfers/{world.shared[0]}")["entries"]
    assert len(entries) == 2
    with client_of(str(world.admin.client.base_url), "support") as support:
        assert len(support.get(f"/api/transfers/{world.shared[0]}").json()["entries"]) == 2
