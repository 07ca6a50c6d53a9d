"""What takes days, followed while it happens: each step once and in order, also after a lost connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from uuid import UUID

import httpx2
import pytest

from application.ledger import Ledger
from domain.movements import derived_id
from tests.api.conftest import Bank, problem_of, some_id
from tests.conftest import Database
from tests.support.flows import Heard, Steps, invest, make_fund, transferring
from tests.support.people import bearer
from tests.support.staff import as_user, make


@pytest.fixture(scope="module")
def steps(api_database: Database) -> Iterator[Steps]:
    with Ledger(api_database.url) as ledger:
        yield Steps(ledger)


@pytest.fixture(scope="module")
def fund(client: httpx2.Client) -> str:
    return make_fund(client, seats=1000)


Told = tuple[str, str, str]
"""Event, id, and the name of the step or the status."""


def told(heard: Iterator[tuple[str, str, str]]) -> Iterator[Told]:
    for event, id_, data in heard:
        said = json.loads(data)
        yield event, id_, said["name" if event == "step" else "status"]


def words(found: list[Told]) -> list[str]:
    return [f"{event} {word}" for event, _, word in found]


def all_of(client: httpx2.Client, path: str, after: str | None = None) -> list[Told]:
    """What a stream says until it ends by itself."""
    headers = {} if after is None else {"Last-Event-ID": after}
    with client.stream("GET", path, headers=headers) as stream:
        return list(told(iter(Heard(stream))))


def test_steps_are_told_as_they_happen_and_the_stream_ends_with_the_flow(
    client: httpx2.Client, bank: Bank, fund: str, steps: Steps
) -> None:
    id_ = invest(client, bank.funded(), fund)["id"]
    with client.stream("GET", f"/api/investments/{id_}/stream") as stream:
        heard = told(iter(Heard(stream)))
        assert words(list(islice(heard, 4))) == [
            "step requested",
            "step criteria_checked",
            "step seat_reserved",
            "status initiated",
        ]
        steps.hold(id_)
        assert words(list(islice(heard, 3))) == [
            "step source_held",
            "step withdrawal_instructed",
            "status withdrawal_pending",
        ]
        steps.send(derived_id(UUID(id_), "withdrawal", 0))
        assert words(list(islice(heard, 1))) == ["step withdrawal_sent"]
        assert client.post(f"/api/investments/{id_}/cancel").status_code == 409
        other = invest(client, bank.funded(), fund)["id"]
        steps.complete(other)
        fails = steps.fail_sent(id_, "withdrawal", 0, "account_blocked")
        assert fails.status == "failed"
        rest = list(heard)
    assert words(rest)[-1] == "status failed"
    assert words(rest)[-2] == "step failed"
    assert other not in str(rest)


@pytest.mark.parametrize("kind", ["deposit", "withdrawal"])
def test_deposits_and_withdrawals_are_followed_too(
    base_url: str, client: httpx2.Client, bank: Bank, steps: Steps, kind: str
) -> None:
    user = make(client)
    account = bank.open(owner_id=user["id"])
    bank.move(bank.open("cash"), account, "500.00")
    with as_user(base_url, user) as own:
        answer = own.post(f"/api/{kind}s", json=transferring(account))
        path = f"{answer.headers['location']}/stream"
        bank.get(answer.headers["location"], min_position=bank.head())
        with own.stream("GET", path) as stream:
            heard = told(iter(Heard(stream)))
            first = next(heard)
            steps.book(answer.json()["id"])
            rest = list(heard)
    assert first[2] == "requested"
    assert words(rest)[-2:] == ["step completed", "status completed"]


def test_a_lost_connection_loses_nothing_wherever_it_breaks(
    client: httpx2.Client, bank: Bank, fund: str, steps: Steps
) -> None:
    id_ = invest(client, bank.funded(), fund)["id"]
    steps.complete(id_)
    bank.get(f"/api/investments/{id_}", min_position=bank.head())
    path = f"/api/investments/{id_}/stream"
    whole = all_of(client, path)
    named = [step["name"] for step in bank.get(f"/api/investments/{id_}")["steps"]]
    assert [word for event, _, word in whole if event == "step"] == named
    for broken in range(1, len(whole)):
        # What a browser sends: the last id that it has got.
        last = next((id_ for _, id_, _ in reversed(whole[:broken]) if id_), None)
        rest = all_of(client, path, last)
        assert set(whole) <= {*whole[:broken], *rest}
        got_all = whole[broken - 1][1] != ""
        if got_all and whole[broken][0] == "step":
            assert rest == whole[broken:]


def test_one_that_is_over_is_told_so_to_whoever_comes_late(
    client: httpx2.Client, bank: Bank, fund: str, steps: Steps
) -> None:
    id_ = invest(client, bank.funded("50.00"), fund)["id"]
    steps.hold(id_)
    head = bank.head()
    bank.get(f"/api/investments/{id_}", min_position=head)
    found = all_of(client, f"/api/investments/{id_}/stream", str(head))
    assert words(found) == ["status failed"]


def test_one_that_waits_for_an_operator_is_not_over(
    client: httpx2.Client, bank: Bank, fund: str, steps: Steps
) -> None:
    id_ = invest(client, bank.funded(), fund)["id"]
    steps.hold(id_)
    steps.settle(id_, "withdrawal", 0)
    steps.fail(id_, "deposit", 1, "fund_account_closed")
    steps.fail(id_, "refund", 2, "account_closed")
    bank.get(f"/api/investments/{id_}", min_position=bank.head())
    with client.stream("GET", f"/api/investments/{id_}/stream") as stream:
        heard = told(iter(Heard(stream)))
        status = next(word for event, _, word in heard if event == "status")
        assert status == "needs_operator"
        steps.compensate(id_)
        assert next(heard)[0] == "step"
        steps.settle(id_, "refund", 3)
        assert words(list(heard))[-1] == "status failed"


@pytest.mark.parametrize(
    ("last", "status", "reason"),
    [("soon", 400, "invalid_cursor"), ("-1", 400, "invalid_cursor"),
     ("999999999", 422, "as_of_in_the_future")],
)  # fmt: skip
def test_a_place_that_was_never_told_is_refused(
    client: httpx2.Client, bank: Bank, fund: str, last: str, status: int, reason: str
) -> None:
    id_ = invest(client, bank.funded(), fund)["id"]
    bank.get(f"/api/investments/{id_}", min_position=bank.head())
    for path in (f"/api/investments/{id_}/stream", "/api/stream"):
        answer = client.get(path, headers={"Last-Event-ID": last})
        problem_of(answer, status, reason)
    missing = client.get(f"/api/investments/{some_id()}/stream")
    problem_of(missing, 404, "investment_not_found")


def test_it_ends_when_its_reader_may_not_come_in_any_more(
    base_url: str, client: httpx2.Client, bank: Bank, fund: str
) -> None:
    user = make(client)
    account = bank.open(owner_id=user["id"])
    with as_user(base_url, user) as own:
        id_ = invest(own, account, fund)["id"]
        bank.get(f"/api/investments/{id_}", min_position=bank.head())
        with own.stream("GET", f"/api/investments/{id_}/stream") as stream:
            heard = told(iter(Heard(stream)))
            assert [word for _, _, word in islice(heard, 4)][-1] == "initiated"
            assert client.post(f"/api/users/{user['id']}/suspend").is_success
            assert list(heard) == []
        answer = own.get(f"/api/investments/{id_}/stream", headers=bearer("user", UUID(user["id"])))
        problem_of(answer, 401, "token_revoked")
