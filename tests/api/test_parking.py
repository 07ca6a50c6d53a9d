"""Keys that a read model leaves out: never shown as if nothing were missing, and shown again by a retry."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from queue import Queue
from typing import Any

import httpx2
import psycopg
import pytest

from projections.catalogue import READ_MODELS, read_model
from tests.api.conftest import Bank, Json
from tests.conftest import Database, MakeDatabase
from tests.projections.planted import failing
from tests.projections.running import caught_up, running
from tests.support.serving import client_of, serving
from tests.support.waiting import until


@pytest.fixture
def api_database(make_database: MakeDatabase) -> Iterator[Database]:
    with make_database() as database:
        yield database


@contextmanager
def bank_without_projector(database: Database) -> Iterator[Bank]:
    with serving(database.url, projecting=False) as url, client_of(url) as client:
        yield Bank(client)


def refusal(bank: Bank, path: str, status: int = 503, **params: object) -> Json:
    answer = bank.client.get(path, params=params)  # type: ignore[arg-type]
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def opened(conn: psycopg.Connection[object], account: str) -> int:
    row = conn.execute(
        "SELECT min(notification_id) FROM events WHERE originator_id = %s", (account,)
    ).fetchone()
    assert isinstance(row, tuple)
    return int(row[0])


def test_a_gap_is_refused_rather_than_shown(api_database: Database) -> None:
    with bank_without_projector(api_database) as bank, api_database.connect() as conn:
        fine, poor = bank.funded("5.00"), bank.funded("7.00")
        before = bank.head()
        moved = bank.move(poor, fine, "1.00").json()
        transfer, last = moved["id"], moved["position"]
        models = [
            failing(model, last - 1) if model.name in ("balances", "entries") else model
            for model in READ_MODELS
        ]
        with running(api_database.url, models):
            caught_up(conn)
        until(lambda: bank.client.get(f"/api/accounts/{poor}").status_code == 503)
        for path in (
            f"/api/accounts/{poor}",
            f"/api/accounts/{poor}/balance",
            f"/api/accounts/{poor}/entries",
            f"/api/transfers/{transfer}",
            "/api/trial-balance",
        ):
            found = refusal(bank, path)
            assert (found["reason"], found["retryable"]) == ("read_model_incomplete", True)
            assert f"retry {found['details']['projection']} {poor}" in found["detail"]
        refusal(bank, "/api/trial-balance", position=last)
        refusal(bank, f"/api/accounts/{poor}/entries", position=last)
        days: dict[str, Any] = {"from": "2026-01-01", "to": str(datetime.now(UTC).date())}
        refusal(bank, f"/api/accounts/{poor}/statement", **days)
        # What the log answers itself, what came before, and all others are answered.
        assert bank.get(f"/api/accounts/{poor}/balance", position=last)["balance"] == "6.00"
        assert len(bank.get(f"/api/accounts/{poor}/entries", position=before)["data"]) == 1
        assert bank.get("/api/trial-balance", position=before)["data"][0]["difference"] == "0.00"
        assert bank.account(fine)["balance"] == "6.00"
        detail = bank.get("/api/projections/balances")
        assert (detail["health"], detail["parked"]) == ("not running", 1)
        (left_out,) = detail["parked_keys"]
        assert (left_out["key"], left_out["position"]) == (poor, last - 1)

        for name in ("balances", "entries"):
            done = bank.client.post(f"/api/projections/{name}/retry", json={"key": poor}).json()
            assert (done["parked"], done["parked_keys"]) == (0, [])
            again = bank.client.post(f"/api/projections/{name}/retry", json={"key": poor})
            assert (again.status_code, again.json()["reason"]) == (409, "retry_refused")
        until(lambda: bank.client.get("/api/trial-balance").status_code == 200)
        assert bank.account(poor)["balance"] == "6.00"
        with running(api_database.url, READ_MODELS):
            until(lambda: {m["health"] for m in bank.get("/api/projections")["data"]} == {"ok"})


def test_who_waits_for_a_position_is_not_given_what_was_before_it(api_database: Database) -> None:
    with bank_without_projector(api_database) as bank, api_database.connect() as conn:
        fine, poor = bank.funded("5.00"), bank.funded("7.00")
        with running(api_database.url):
            caught_up(conn)
        moved = bank.move(poor, fine, "1.00").json()
        last, answers = moved["position"], Queue[httpx2.Response]()

        def read(path: str) -> None:
            answers.put(bank.client.get(path, params={"min_position": last}))

        paths = [f"/api/accounts/{poor}", f"/api/accounts/{poor}/balance", "/api/trial-balance"]
        readers = [threading.Thread(target=read, args=(path,)) for path in paths]
        for reader in readers:
            reader.start()
        with running(api_database.url, [failing(read_model("balances"), last - 1)]):
            for reader in readers:
                reader.join()
        # Parked while they waited, or, on a slow machine, before they asked or after they gave up.
        for _ in readers:
            answer = answers.get()
            assert answer.status_code == 503, answer.text


def _is_marked(bank: Bank, path: str) -> bool:
    return "daybook-incomplete" in bank.client.get(path).headers


def test_lists_say_that_they_are_not_complete(api_database: Database) -> None:
    with bank_without_projector(api_database) as bank, api_database.connect() as conn:
        bank.funded("5.00")
        models = [failing(m, 2) if m.name != "entries" else m for m in READ_MODELS]
        with running(api_database.url, models):
            caught_up(conn)
        lists = {"balances": "/api/accounts", "audit": "/api/audit"}
        for name, path in lists.items():
            until(partial(_is_marked, bank, path))
            assert bank.client.get(path).headers["daybook-incomplete"] == name
        assert "daybook-incomplete" not in bank.client.get("/api/transfers").headers
