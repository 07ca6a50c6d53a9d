"""What docker-compose.yml starts works together: its commands run as processes of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx2
import psycopg
import pytest

from api.probe import look, look_for_worker
from tests.deploy.served import Served, free_ports, served
from tests.docs.documents import blocks, commands
from tests.support.processes import COMMAND, PATIENCE_S, Daybook, environment, wait_until_ready
from tests.support.waiting import until

EMAIL, PASSWORD = "first.admin@example.com", "nobody guesses this one either"

STOPPED = (0, -signal.SIGTERM)
"""Exit statuses of who was asked to stop, and did so."""

Json = dict[str, Any]


@dataclass
class Stack:
    served: Served
    running: dict[str, Daybook] = field(default_factory=dict)

    def client(self, number: int, token: str | None = None) -> httpx2.Client:
        """A client of one of the two API servers."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        url = f"http://127.0.0.1:{self.served.ports[number]}"
        return httpx2.Client(base_url=url, headers=headers, timeout=PATIENCE_S)

    def log_in(self, number: int) -> Json:
        """Tokens, from one of the two."""
        with self.client(number) as client:
            body = {"email": EMAIL, "password": PASSWORD}
            return done(client.post("/api/auth/login", json=body))


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with served() as made, ExitStack() as processes:
        stack = Stack(made)
        make_first_admin(made)
        for role in ("sandbox", "projector", "worker"):
            stack.running[role] = processes.enter_context(made.run(role))
        for number, port in enumerate(made.ports):
            server = processes.enter_context(made.run("api", PORT=port))
            stack.running[f"api {number}"] = server
        for number, port in enumerate(made.ports):
            wait_until_ready(stack.running[f"api {number}"], int(port))
        yield stack


def make_first_admin(made: Served) -> None:
    words = ["users", "create", EMAIL, "--name", "First Admin", "--role", "admin"]
    subprocess.run(
        [*COMMAND, *words, "--password-stdin"],
        env=environment(made.settings("api")),
        input=f"{PASSWORD}\n",
        text=True,
        stdout=subprocess.DEVNULL,
        timeout=PATIENCE_S,
        check=True,
    )


def seen(client: httpx2.Client, path: str, position: int) -> Json:
    """What is at a path; asked for again, as clients are told to, until that position is visible."""

    def ask() -> httpx2.Response:
        return client.get(path, params={"min_position": position})

    until(lambda: ask().status_code != 503)
    return done(ask())


def done(answer: httpx2.Response) -> Json:
    assert answer.is_success, answer.text
    body: Json = answer.json()
    return body


def test_the_migration_job_can_run_again(stack: Stack) -> None:
    assert "nothing to do" in stack.served.finish("migrate")


def test_the_application_is_not_the_owner(stack: Stack) -> None:
    url = stack.served.settings("api")["DATABASE_URL"]
    with psycopg.connect(url) as conn:
        row = conn.execute(
            "SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user"
        )
        assert row.fetchone() == ("daybook", False)
    wrong = url.replace(stack.served.variables["DAYBOOK_DB_PASSWORD"], "another")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(wrong)


def test_health_answers(stack: Stack) -> None:
    token = stack.log_in(0)["access_token"]
    for number in (0, 1):
        with stack.client(number, token) as client:
            assert done(client.get("/api/health/live"))["status"] == "ok"
            until(lambda: client.get("/api/health/detailed").json().get("status") == "ok")


@pytest.mark.parametrize("names", ["localhost,127.0.0.1", "ledger.example.com"])
def test_the_images_health_check_tells_a_server_from_none(stack: Stack, names: str) -> None:
    (port,) = free_ports(1)
    settings = stack.served.settings("api", PORT=port, ALLOWED_HOSTS=names)
    assert asked_from_outside(settings) == 1
    with stack.served.run("api", PORT=port, ALLOWED_HOSTS=names) as server:
        server.wait_for(lambda: look(settings) is None)
        assert asked_from_outside(settings) == 0


def asked_from_outside(settings: Mapping[str, str]) -> int:
    """The exit status of what the Dockerfile has."""
    probe = [sys.executable, "-P", "-m", "api.probe"]
    asked = subprocess.run(probe, env=environment(settings), stderr=subprocess.DEVNULL, check=False)
    return asked.returncode


def test_a_workers_health_check_tells_a_worker_from_none(stack: Stack) -> None:
    settings = stack.served.settings("worker")
    until(lambda: look_for_worker(settings) is None)
    assert stack.running["worker"].stop() in STOPPED
    until(lambda: look_for_worker(settings) is not None)
    stack.running["worker"].start()
    until(lambda: look_for_worker(settings) is None)
    assert look_for_worker({**settings, "DATABASE_URL": "postgresql://daybook@127.0.0.1:1/x"})


def test_a_login_is_good_on_both_servers(stack: Stack) -> None:
    tokens = stack.log_in(0)
    with stack.client(1, tokens["access_token"]) as other:
        assert done(other.get("/api/auth/me"))["role"] == "admin"
        fresh = done(
            other.post("/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        )
    with stack.client(0, fresh["access_token"]) as first:
        done(first.get("/api/auth/me"))
        first.post("/api/auth/logout", json={"refresh_token": fresh["refresh_token"]})
    with stack.client(1, fresh["access_token"]) as other:
        until(lambda: other.get("/api/auth/me").status_code == 401)


def test_what_is_posted_on_one_server_is_read_on_the_other(stack: Stack) -> None:
    token = stack.log_in(1)["access_token"]
    with stack.client(0, token) as first, stack.client(1, token) as other:
        cash, shop = (
            done(first.post("/api/accounts", json={"name": n, "type": n, "currency": "EUR"}))["id"]
            for n in ("cash", "checking")
        )
        transfer = {
            "source_account_id": cash,
            "destination_account_id": shop,
            "amount": "12.50",
            "currency": "EUR",
        }
        posted = done(first.post("/api/transfers", json=transfer))
        read = seen(other, f"/api/transfers/{posted['id']}", posted["position"])
        assert (read["amount"], read["status"]) == ("12.50", "posted")
        there = seen(other, f"/api/accounts/{shop}", posted["position"])
        assert there["balance"] == "12.50"
        # And the writers of both see each other's: this one would fall below zero.
        back = transfer | {"source_account_id": shop, "destination_account_id": cash}
        done(other.post("/api/transfers", json=back))
        refused = first.post("/api/transfers", json=back)
        assert refused.json()["reason"] == "insufficient_funds"


def test_requests_are_counted_together(stack: Stack) -> None:
    token = stack.log_in(0)["access_token"]
    with stack.client(0, token) as first, stack.client(1, token) as other:
        left = [
            int(client.get("/api/auth/me").headers["X-RateLimit-Remaining"])
            for client in (first, other, first)
        ]
    assert left == sorted(left, reverse=True)
    assert len(set(left)) == 3


def test_servers_and_the_rest_do_without_each_other(stack: Stack) -> None:
    token = stack.log_in(0)["access_token"]
    for role in ("worker", "projector", "sandbox"):
        assert stack.running[role].stop() in STOPPED, stack.running[role].output
    account = {"name": "written meanwhile", "type": "checking", "currency": "EUR"}
    with stack.client(0, token) as first, stack.client(1, token) as other:
        opened = done(first.post("/api/accounts", json=account))
        done(other.get("/api/health/ready"))
        assert stack.running["api 0"].stop() in STOPPED
        for role in ("sandbox", "projector", "worker"):
            stack.running[role].start()
        shown = seen(other, f"/api/accounts/{opened['id']}", opened["position"])
        assert shown["name"] == account["name"]
        stack.running["api 0"].start()
        wait_until_ready(stack.running["api 0"], int(stack.served.ports[0]))
    assert all(process.status() is None for process in stack.running.values())


def test_the_commands_of_the_document(stack: Stack) -> None:
    settings = stack.served.settings("api", PORT=stack.served.ports[0])
    settings |= stack.served.settings("migrate") | {"PASSWORD": PASSWORD}
    here = f"'{sys.executable}' -P"
    shown = [c for block in blocks() if block.language == "sh served" for c in commands(block.text)]
    assert len(shown) == 4
    for command in shown:
        # By way of a sign, since this program's own path may have these words in it.
        words = command.replace(".venv/bin/python", "%python%")
        words = words.replace(".venv/bin/daybook", "%python% -m api.cli")
        subprocess.run(
            ["bash", "-c", words.replace("%python%", here)],
            env=environment(settings),
            timeout=PATIENCE_S,
            check=True,
        )


def test_nothing_is_said_of_secrets(stack: Stack) -> None:
    said = "".join(process.output for process in stack.running.values())
    assert all(secret not in said for secret in stack.served.variables.values())
    assert os.environ.get("JWT_SECRET", "-" * 64) not in said
