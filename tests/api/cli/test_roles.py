"""`serve`, `project` and `events tail`: they run until they are asked to stop, and say so by status."""

from __future__ import annotations

import json
import signal
import socket

import httpx2
import pytest

from application.ledger import Ledger
from tests.api.cli.conftest import Ledgered
from tests.conftest import Database
from tests.projections.running import caught_up, runners
from tests.support.ledgers import open_account
from tests.support.people import bearer
from tests.support.processes import Daybook, api, free_port, projector, settings_of

SIGNALS = [signal.SIGTERM, signal.SIGINT]


def said(process: Daybook) -> list[str]:
    """The messages of its log."""
    return [json.loads(line)["event"] for line in process.output.splitlines()]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_server_answers_until_it_is_stopped(number: int, database: Database) -> None:
    port = free_port()
    with api(database, port) as server:
        answer = httpx2.get(f"http://127.0.0.1:{port}/api/accounts", headers=bearer())
        assert (answer.status_code, answer.json()["data"]) == (200, []), "before any projector ran"
        assert server.stop(number) == 0
        assert said(server) == ["starts", "has stopped"]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_projector_works_until_it_is_stopped(number: int, database: Database) -> None:
    with Ledger(database.url) as ledger:
        open_account(ledger, balance=5)
    with projector(database) as process, database.connect() as conn:
        caught_up(conn)
        assert process.stop(number) == 0
        assert said(process) == ["starts", "has stopped"]


def test_a_second_projector_stands_by_and_takes_over(database: Database) -> None:
    with projector(database) as first, database.connect() as conn, Ledger(database.url) as ledger:
        open_account(ledger)
        caught_up(conn)
        with projector(database) as second:
            second.wait_for(lambda: runners(database) == 2)
            first.kill()
            open_account(ledger)
            caught_up(conn)
            assert second.stop() == 0


def test_a_port_in_use_is_refused(ledgered: Ledgered) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refusal = ledgered.daybook.here.refused(1, "serve", PORT=str(port))
    assert refusal.startswith(f"daybook: cannot listen on 127.0.0.1:{port}")
    assert "choose another port" in refusal


def test_the_tail_of_the_log_grows_line_by_line(database: Database) -> None:
    with (
        Ledger(database.url) as ledger,
        Daybook("events", "tail", "--after", "0", "--json", settings=settings_of(database)) as tail,
    ):
        for count in (1, 2, 3):
            id_ = open_account(ledger)
            tail.wait_for(lambda count=count: len(tail.output.splitlines()) == count)  # type: ignore[misc]
            last = json.loads(tail.output.splitlines()[-1])
            assert (last["position"], last["stream_id"]) == (count, str(id_))
        assert tail.stop(signal.SIGINT) == 130
        assert "Traceback" not in tail.output


def test_ctrl_c_while_it_starts_is_no_trace(database: Database) -> None:
    telling = settings_of(database) | {"PYTHONPROFILEIMPORTTIME": "1"}
    with Daybook("events", "tail", settings=telling) as tail:
        tail.says("psycopg.errors")
        assert tail.stop(signal.SIGINT) == 130
        assert "Traceback" not in tail.output
