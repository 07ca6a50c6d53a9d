"""Demo data: sample users whose passwords the README tells, with accounts of their own, once."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from api import databases, demo
from api.cli.serving import is_for_looking_around
from api.secrets import master_keys
from application.ledger import Ledger
from application.people.vault import Vault
from domain.accounts import OpenAccount
from tests.conftest import Database
from tests.support.ledgers import accepted, submit
from tests.support.people import settings
from tests.support.serving import serving
from tests.support.visitors import log_in, try_login, visiting

ANYWHERE = "postgresql://daybook@db.example.com/daybook"


@pytest.fixture
def ledger(database: Database) -> Iterator[Ledger]:
    with Ledger(database.url) as ledger:
        yield ledger


def fill(ledger: Ledger, database: Database) -> None:
    """As `make run` does."""
    demo.fill_if_new(ledger, database.url, lambda said: None)
    add_users(ledger, database)


def add_users(ledger: Ledger, database: Database) -> None:
    vault = Vault.open(database.url, master_keys(settings()))
    demo.add_users(ledger, database.url, vault, databases.make_hasher(settings()))


def users(database: Database) -> list[object]:
    with database.connect() as conn:
        found = conn.execute(
            "SELECT originator_id FROM events WHERE topic = 'user.registered'"
            " ORDER BY notification_id"
        ).fetchall()
    return [id_ for (id_,) in found]


def head(database: Database) -> int:
    with database.connect() as conn:
        (position,) = conn.execute("SELECT position FROM ledger_head").fetchone()  # type: ignore[misc]
    return int(position)


def test_everybody_logs_in_and_customers_see_their_own(ledger: Ledger, database: Database) -> None:
    fill(ledger, database)
    position = head(database)
    with serving(database.url) as url, visiting(url) as visitor:
        for user in demo.USERS:
            login = log_in(visitor, user.email, user.password)
            profile = visitor.get("/api/profile", headers=login.bearer).json()
            assert (profile["id"], profile["role"]) == (str(user.id), user.role)
            assert (profile["email"], profile["full_name"]) == (user.email, user.full_name)
            if user.role != "user":
                continue
            asked = {"min_position": position, "limit": 100}
            answer = visitor.get("/api/accounts", headers=login.bearer, params=asked)
            owned = {"alice@example.com": ["Alice"], "bob@example.com": ["Bob"]}
            names = [account["name"] for account in answer.json()["data"]]
            assert names == owned.get(user.email, [])


def test_filling_it_again_adds_nothing(ledger: Ledger, database: Database) -> None:
    fill(ledger, database)
    before = head(database)
    fill(ledger, database)
    assert head(database) == before
    assert users(database) == [user.id for user in demo.USERS]


def test_an_interrupted_filling_is_completed(
    ledger: Ledger, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo.fill_if_new(ledger, database.url, lambda said: None)
    with monkeypatch.context() as patch:
        patch.setattr(demo, "USERS", demo.USERS[:3])
        add_users(ledger, database)
    fill(ledger, database)
    assert users(database) == [user.id for user in demo.USERS]


def test_demo_accounts_from_before_there_were_users_are_left_alone(
    ledger: Ledger, database: Database
) -> None:
    old = [OpenAccount(demo.CASH, "Cash desk", "cash", "EUR")]
    old += [OpenAccount(demo.ALICE, "Alice", "checking", "EUR")]
    submit(ledger, *old)
    before = head(database)
    fill(ledger, database)
    assert head(database) == before + len(demo.USERS)
    assert users(database) == [user.id for user in demo.USERS]


def test_an_address_that_somebody_has_is_his(ledger: Ledger, database: Database) -> None:
    demo.fill_if_new(ledger, database.url, lambda said: None)
    with serving(database.url) as url, visiting(url) as visitor:
        with visiting(url) as other:
            body = {"email": "bob@example.com", "full_name": "Bob Real"}
            passwords = {"password": "bobs own one", "password_confirmation": "bobs own one"}
            assert other.post("/api/users", json=body | passwords).status_code == 201
        add_users(ledger, database)
        assert try_login(visitor, "bob@example.com", "password123!").status_code == 401
        log_in(visitor, "bob@example.com", "bobs own one")
        log_in(visitor, "viewer@fintech.com", "viewer-password-123!")


def test_another_ledger_gets_no_sample_users(ledger: Ledger, database: Database) -> None:
    accepted(ledger, OpenAccount(uuid4(), "mine", "cash", "EUR"))
    fill(ledger, database)
    assert (head(database), users(database)) == (1, [])


@pytest.mark.parametrize(
    ("more", "is_one"),
    [
        ({}, True),
        ({"DATABASE_URL": ANYWHERE}, False),
        ({"APP_ENV": "production"}, False),
        ({"HOST": "0.0.0.0"}, False),
        ({"HOST": "::1"}, True),
    ],
)
def test_only_what_nobody_else_reaches_is_filled(more: dict[str, str], is_one: bool) -> None:
    assert is_for_looking_around(settings(**more)) is is_one
