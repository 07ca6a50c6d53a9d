"""People of the console, each in windows of an API over a database of its own for each module."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

import httpx2
import pytest

from application.ledger import Ledger
from tests.api.conftest import Json
from tests.conftest import Database
from tests.support.credit import Desk
from tests.support.staff import STAFF_PASSWORD, as_user, make
from tests.support.visitors import new_email
from tests.support.windows import Console, Window, opened

LIST = "/console/credit-applications"


class Open(Protocol):
    """Opens a window in which somebody is logged in, at an address."""

    def __call__(self, user: Json, path: str = LIST) -> AbstractContextManager[Window]: ...


@pytest.fixture(scope="module")
def console(base_url: str, tmp_path_factory: pytest.TempPathFactory) -> Console:
    return Console(base_url, tmp_path_factory.mktemp("console"))


@pytest.fixture(scope="module")
def desk(api_database: Database) -> Iterator[Desk]:
    with Ledger(api_database.url) as ledger:
        yield Desk(ledger, api_database.url)


def person(client: httpx2.Client, role: str = "user") -> Json:
    """A new user with the address in clear."""
    email = new_email()
    return {**make(client, role, email), "email": email}


@pytest.fixture(scope="module")
def anna(client: httpx2.Client) -> Json:
    return person(client)


@pytest.fixture(scope="module")
def annas(base_url: str, anna: Json) -> Iterator[httpx2.Client]:
    with as_user(base_url, anna) as client:
        yield client


@pytest.fixture(scope="module")
def officer(client: httpx2.Client) -> Json:
    return person(client, "officer")


@pytest.fixture(scope="module")
def window_of(console: Console, base_url: str) -> Open:
    """Each user logs in by the page once; later windows are given a session of their own."""

    def open_(user: Json, path: str = LIST) -> AbstractContextManager[Window]:
        body = {"email": user["email"], "password": STAFF_PASSWORD}
        answer = httpx2.post(f"{base_url}/api/auth/login", json=body).json()
        return opened(console, path, kept_of(answer))

    return open_


def kept_of(login: Json, expires_at: int = 2**52) -> dict[str, str]:
    """What the console keeps of a login; `expires_at` in milliseconds."""
    kept = {name: login[name] for name in ("access_token", "refresh_token", "user")}
    return {"daybook.session": json.dumps({**kept, "expires_at": expires_at, "window": "w"})}
