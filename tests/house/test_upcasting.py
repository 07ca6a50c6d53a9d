"""Events of old shapes: read through upcasters, as far back as the log goes; unknown ones stop a reader."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import msgspec
import pytest

from application.ledger import Ledger, reading
from domain import catalogue
from domain.accounts import Account, Opened
from domain.catalogue import UnknownEventError
from tests.conftest import Database
from tests.support.ledgers import accepted, open_account, pay
from tests.support.log import write_raw

OLDEST = b'{"title":"Alice","kind":"current"}'
OLD = b'{"name":"Alice","kind":"current","currency":"EUR"}'
NOW = Opened(name="Alice", type="checking", currency="EUR")


def from_oldest(state: bytes) -> tuple[str, bytes]:
    """In the beginning there was one currency, and names were titles."""
    fields = msgspec.json.decode(state)
    newer = {"name": fields["title"], "kind": fields["kind"], "currency": "EUR"}
    return "account.opened.v0", msgspec.json.encode(newer)


def from_old(state: bytes) -> tuple[str, bytes]:
    """Then the kinds of accounts got other words."""
    fields = msgspec.json.decode(state)
    words = {"current": "checking"}
    newer = {
        "name": fields["name"],
        "type": words[fields["kind"]],
        "currency": fields["currency"],
    }
    return "account.opened", msgspec.json.encode(newer)


@pytest.fixture
def _upcasters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalogue.UPCASTERS, "account.begun", from_oldest)
    monkeypatch.setitem(catalogue.UPCASTERS, "account.opened.v0", from_old)


@pytest.fixture
def ledger(database: Database) -> Iterator[Ledger]:
    with Ledger(database.url) as ledger:
        yield ledger


OLD_SHAPES = [("account.begun", OLDEST), ("account.opened.v0", OLD)]


@pytest.mark.usefixtures("_upcasters")
@pytest.mark.parametrize(("topic", "state"), OLD_SHAPES)
def test_an_event_of_an_old_shape_reads_as_todays(topic: str, state: bytes) -> None:
    assert catalogue.decode(topic, state) == NOW
    assert catalogue.decode("account.opened", catalogue.encode(NOW)) == NOW


@pytest.mark.usefixtures("_upcasters")
@pytest.mark.parametrize(("topic", "state"), OLD_SHAPES)
def test_an_account_of_an_old_shape_goes_on_under_todays_rules(
    topic: str, state: bytes, database: Database, ledger: Ledger
) -> None:
    old = uuid4()
    write_raw(database.url, old, 1, topic, state)
    house = open_account(ledger, "cash")
    outcome = accepted(ledger, pay(house, old, 7))
    assert outcome.accounts[1] == Account(
        old, 2, "checking", "EUR", "active", 7, 0, 0, "Alice", None
    )
    with database.connect() as conn:
        assert reading.load(conn, [old]) == {old: outcome.accounts[1]}


@pytest.mark.usefixtures("_upcasters")
def test_an_old_shape_that_another_writer_adds_reaches_a_ledger_that_runs(
    database: Database, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def credited_in_cents(state: bytes) -> tuple[str, bytes]:
        fields = msgspec.json.decode(state)
        fields["amount"] = fields.pop("cents")
        return "account.credited", msgspec.json.encode(fields)

    monkeypatch.setitem(catalogue.UPCASTERS, "account.credited.v0", credited_in_cents)
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    nobody = str(UUID(int=0))
    credit = {"transfer_id": nobody, "counterparty_id": nobody, "cents": 30, "balance": 30}
    write_raw(database.url, shop, 2, "account.credited.v0", msgspec.json.encode(credit))
    assert accepted(ledger, pay(shop, house, 30)).accounts[0].balance == 0


@pytest.mark.parametrize("topic", ["account.renamed", "lease.opened", "", "account.opened.v0"])
def test_a_name_that_is_not_in_the_catalogue_stops_the_reader(topic: str) -> None:
    with pytest.raises(UnknownEventError, match="deploy the version that wrote it") as caught:
        catalogue.decode(topic, b"{}")
    assert caught.value.topic == topic


def test_an_upcaster_that_leads_nowhere_stops_the_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(catalogue.UPCASTERS, "account.begun", from_oldest)
    with pytest.raises(UnknownEventError) as caught:
        catalogue.decode("account.begun", OLDEST)
    assert caught.value.topic == "account.opened.v0"
