"""Applications as they are followed: one step by step, lists as they change, for who may see them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import UUID

import httpx2
import pytest

from application.ledger import Ledger
from tests.api.conftest import Bank, Json
from tests.conftest import Database
from tests.support.credit import Desk, submit
from tests.support.flows import Heard
from tests.support.staff import as_user, make

PATH = "/api/applications"


@pytest.fixture(scope="module")
def desk(api_database: Database) -> Iterator[Desk]:
    with Ledger(api_database.url) as ledger:
        yield Desk(ledger, api_database.url)


@pytest.fixture(scope="module")
def anna(base_url: str, client: httpx2.Client) -> Iterator[httpx2.Client]:
    with as_user(base_url, make(client)) as own:
        yield own


def test_one_is_followed_to_its_end(anna: httpx2.Client, desk: Desk) -> None:
    id_ = submit(anna)["id"]
    steps, statuses, last = [], [], ""
    with anna.stream("GET", f"{PATH}/{id_}/stream") as stream:
        for event, number, data in Heard(stream):
            last = number or last
            told: Json = json.loads(data)
            if event == "step":
                steps.append(told["name"])
                assert "actor" not in told
            else:
                assert event == "status"
                statuses.append(told["status"])
                if len(statuses) == 1:
                    desk.report(id_, 500)
    assert statuses[0] == "pending"
    assert statuses[-1] == "rejected"
    assert steps[:3] == ["submitted", "documents_checked", "report_requested"]
    assert steps[-1] == "decided"
    # Whoever comes back with all of it is told nothing again but how it is.
    headers = {"Last-Event-ID": last}
    with anna.stream("GET", f"{PATH}/{id_}/stream", headers=headers) as stream:
        assert [event for event, _, _ in Heard(stream)] == ["status"]


def test_staff_are_told_who_did_it(anna: httpx2.Client, client: httpx2.Client, desk: Desk) -> None:
    id_ = submit(anna)["id"]
    desk.report(id_, 500)
    with client.stream("GET", f"{PATH}/{id_}/stream") as stream:
        first = next(iter(Heard(stream)))
    assert json.loads(first[2])["actor"].startswith("user:")


def test_a_list_hears_of_each_that_changes(
    anna: httpx2.Client, client: httpx2.Client, bank: Bank, desk: Desk, base_url: str
) -> None:
    seen = {"Last-Event-ID": str(bank.head())}
    with as_user(base_url, make(client)) as bert:
        mine, other = submit(anna)["id"], submit(bert)["id"]
        with (
            anna.stream("GET", f"{PATH}/stream", headers=seen) as own,
            client.stream("GET", f"{PATH}/stream", headers=seen) as every,
        ):
            own_events, all_events = iter(Heard(own)), iter(Heard(every))
            assert changes(own_events, mine, "pending") == {mine}
            assert changes(all_events, other, "pending") == {mine, other}
            desk.report(other, 500)
            desk.report(mine, 500)
            assert changes(own_events, mine, "rejected") == {mine}
            assert changes(all_events, mine, "rejected") <= {mine, other}


def changes(events: Iterator[tuple[str, str, str]], id_: str, status: str) -> set[str]:
    """Whom a list is told of until one of them has a status."""
    told = set()
    for event, _, data in events:
        assert event == "application"
        row = json.loads(data)
        told.add(row["id"])
        if (row["id"], row["status"]) == (str(UUID(id_)), status):
            break
    return told
