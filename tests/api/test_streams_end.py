"""Answers that go on end when their caller would not be let in any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from tests.api.conftest import Bank, Json
from tests.support.staff import STAFF_PASSWORD, make
from tests.support.visitors import Login, log_in, new_email, visiting

STREAMS = ("/api/events/stream", "/api/projections/stream", "/api/stream")


class Follower:
    """A member of staff with all that one can follow a stream with."""

    def __init__(self, base_url: str, client: httpx2.Client) -> None:
        email = new_email()
        self.user: Json = make(client, "admin", email)
        self.path = f"/api/users/{self.user['id']}"
        with visiting(base_url) as visitor:
            self.login: Login = log_in(visitor, email, STAFF_PASSWORD)
            body = {
                "name": "follows",
                "scopes": ["ledger:read", "projections:read", "notices:read"],
            }
            issued = visitor.post("/api/api-keys", json=body, headers=self.login.bearer)
            assert issued.status_code == 201, issued.text
        self.key: Json = issued.json()


def lines_after(stream: httpx2.Response) -> list[str]:
    """What a stream still has to say until its end; fails when it goes on."""
    found = []
    for line in stream.iter_lines():
        found.append(line)
        assert found.count(": still here") < 3, "it goes on for who is not let in"
    return found


def suspend(client: httpx2.Client, one: Follower) -> Any:
    return client.put(one.path, json={"status": "SUSPENDED"})


def delete(client: httpx2.Client, one: Follower) -> Any:
    return client.delete(one.path)


def log_out(client: httpx2.Client, one: Follower) -> Any:
    return client.post("/api/auth/logout", headers=one.login.bearer)


def revoke_key(client: httpx2.Client, one: Follower) -> Any:
    return client.delete(f"/api/api-keys/{one.key['id']}", headers=one.login.bearer)


@pytest.mark.parametrize("path", STREAMS)
@pytest.mark.parametrize(
    ("by_key", "end"),
    [(False, suspend), (False, delete), (False, log_out), (True, suspend), (True, revoke_key)],
)
def test_a_stream_ends_with_what_its_caller_came_with(
    path: str,
    by_key: bool,
    end: Callable[[httpx2.Client, Follower], Any],
    client: httpx2.Client,
    bank: Bank,
    base_url: str,
) -> None:
    one = Follower(base_url, client)
    headers = {"X-API-Key": one.key["key"]} if by_key else one.login.bearer
    with visiting(base_url) as reader, reader.stream("GET", path, headers=headers) as stream:
        assert stream.status_code == 200
        ended = end(client, one)
        assert ended.status_code == 200, ended.text
        secret = bank.open(name="opened when nobody listens any more")
        lines = lines_after(stream)
    assert secret not in "".join(lines)


def test_a_stream_goes_on_for_others(client: httpx2.Client, bank: Bank, base_url: str) -> None:
    gone, stays = Follower(base_url, client), Follower(base_url, client)
    with (
        visiting(base_url) as reader,
        reader.stream("GET", STREAMS[0], headers=stays.login.bearer) as stream,
    ):
        suspend(client, gone)
        opened = bank.open()
        assert any(opened in line for line in stream.iter_lines())
