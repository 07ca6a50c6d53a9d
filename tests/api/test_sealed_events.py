"""Events over HTTP show nothing that is sealed, and say what was erased."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import UUID, uuid4

import pytest

from application.ledger import Ledger, Submission
from application.privacy import person_keys
from application.privacy.master_keys import MasterKeys
from domain.provenance import Provenance
from domain.users import ChangeProfile, ChangeUserStatus, EraseUser, RegisterUser
from tests.api.conftest import Bank, Json
from tests.api.test_reading import events_of
from tests.conftest import Database
from tests.support.ledgers import accepted
from tests.support.serving import client_of

MASTERS = MasterKeys(b"0123456789abcdef0123456789abcdef")


@pytest.fixture
def ledger(api_database: Database) -> Iterator[Ledger]:
    with Ledger(api_database.url) as ledger:
        yield ledger


@pytest.fixture
def person(ledger: Ledger) -> UUID:
    """A user with a key, who has been renamed and suspended."""
    id_ = uuid4()
    key = person_keys.new(id_)
    registered = RegisterUser(id_, "sealed:1:email", "sealed:1:old", "support")
    ledger.submit_and_wait(
        Submission(
            [registered], Provenance("a test"), beside=lambda c: person_keys.keep(c, MASTERS, key)
        )
    )
    accepted(ledger, ChangeProfile(id_, full_name="sealed:1:new"))
    accepted(ledger, ChangeUserStatus(id_, "suspended", "sealed: not at all"))
    return id_


def data_of(bank: Bank, path: str, **params: Any) -> list[Json]:
    return [event["data"] for event in bank.get(path, **params)["data"]]


def expected(shown: str) -> list[Json]:
    return [
        {"email": shown, "full_name": shown, "role": "support"},
        {"full_name": shown},
        {"reason": "sealed: not at all"},
    ]


def test_pages_of_events_say_sealed_and_then_erased(
    bank: Bank, person: UUID, ledger: Ledger
) -> None:
    start = bank.head() - 3
    for shown in ("[sealed]", "[erased]"):
        assert data_of(bank, f"/api/streams/{person}/events", limit=3) == expected(shown)
        assert data_of(bank, "/api/events", after=start, limit=3) == expected(shown)
        (first,) = data_of(bank, "/api/events", after=start, limit=1, topic="user.registered")
        assert first == expected(shown)[0]
        if shown == "[sealed]":
            accepted(ledger, EraseUser(person))


def test_the_event_stream_says_sealed_and_then_erased(
    base_url: str, bank: Bank, person: UUID, ledger: Ledger
) -> None:
    start = bank.head() - 3
    for shown in ("[sealed]", "[erased]"):
        with (
            client_of(base_url) as reader,
            reader.stream("GET", "/api/events/stream", params={"after": start}) as response,
            closing(events_of(response.iter_lines())) as events,
        ):
            assert [next(events)[1]["data"] for _ in range(3)] == expected(shown)
        if shown == "[sealed]":
            accepted(ledger, EraseUser(person))


def test_states_of_the_past_say_sealed_and_then_erased(
    bank: Bank, person: UUID, ledger: Ledger
) -> None:
    path = f"/api/streams/{person}/state"
    for shown in ("[sealed]", "[erased]"):
        renamed = bank.get(path, version=2)
        assert renamed["state"]["email"] == renamed["state"]["full_name"] == shown
        assert renamed["diff"] == {"full_name": {"before": shown, "after": shown}}
        assert renamed["event"]["data"] == {"full_name": shown}
        suspended = bank.get(path, version=3)  # its event has nothing sealed, and its state has
        assert (suspended["state"]["email"], suspended["state"]["status"]) == (shown, "SUSPENDED")
        if shown == "[sealed]":
            accepted(ledger, EraseUser(person))
    assert "sealed:1:" not in bank.client.get(path).text
