"""The log lines of real processes: all of them for programs, or all of them for people."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import httpx2
import pytest

from tests.api.cli.conftest import CommandLine
from tests.conftest import Database
from tests.support.people import bearer
from tests.support.processes import (
    PATIENCE_S,
    ROOT,
    Daybook,
    environment,
    free_port,
    settings_of,
    tree,
    wait_until_ready,
)

Event = dict[str, Any]


def events(text: str, service: str) -> list[Event]:
    """Every line of a process as what it is; fails when one is anything else."""
    found = [json.loads(line) for line in text.splitlines()]
    for event in found:
        assert list(event)[:5] == ["timestamp", "level", "service", "logger", "event"], event
        assert event["service"] == service
        assert event["level"] in ("debug", "info", "warning", "error", "critical")
        assert datetime.fromisoformat(event["timestamp"]).tzinfo is not None
    return found


def told(found: list[Event]) -> list[str]:
    return [event["event"] for event in found]


@contextmanager
def serving(database: Database, **settings: str) -> Iterator[tuple[Daybook, httpx2.Client]]:
    port = free_port()
    with Daybook(
        "serve", settings=settings_of(database) | {"PORT": str(port)} | settings
    ) as server:
        wait_until_ready(server, port)
        url = f"http://127.0.0.1:{port}"
        with httpx2.Client(base_url=url, timeout=PATIENCE_S, headers=bearer()) as client:
            yield server, client


def test_one_correlation_id_leads_from_the_request_to_its_line_and_its_event(
    database: Database,
) -> None:
    body = {"name": "Till", "type": "cash", "currency": "EUR"}
    with serving(database, LOG_LEVEL="DEBUG") as (server, client):
        headers = {"X-Correlation-ID": "order/7"}
        answer = client.post("/api/accounts?token=hush", json=body, headers=headers)
        assert answer.status_code == 400, "the query is refused"
        answer = client.post("/api/accounts", json=body, headers=headers)
        assert answer.headers["x-correlation-id"] == "order/7"
        (event,) = client.get(f"/api/streams/{answer.json()['id']}/events").json()["data"]
        assert event["metadata"]["correlation_id"] == "order/7"
        assert server.stop() == 0
        assert "hush" not in server.output
        found = events(server.output, "api")
    lines = [event for event in found if event.get("correlation_id") == "order/7"]
    assert [line["status"] for line in lines if line["logger"] == "daybook.access"] == [400, 201]
    assert lines[-1]["path"] == "/api/accounts"
    assert told(found)[0] == "starts"
    assert told(found)[-1] == "has stopped"


def test_what_breaks_is_told_whole_with_the_id_that_the_client_was_given(
    database: Database,
) -> None:
    with serving(database) as (server, client):
        with database.connect(superuser=True) as conn:
            conn.execute("REVOKE SELECT ON events FROM daybook, PUBLIC")
        answer = client.get("/api/events")
        assert answer.status_code == 500
        server.stop()
        found = events(server.output, "api")
    mine = [e for e in found if e.get("correlation_id") == answer.headers["x-correlation-id"]]
    assert [(e["level"], e["logger"]) for e in mine] == [
        ("error", "daybook.api"),
        ("warning", "daybook.access"),
    ]
    assert mine[0]["exception"].startswith("Traceback (most recent call last):\n")
    assert mine[1]["status"] == 500


@pytest.mark.parametrize(
    ("level", "expected"), [("INFO", ["starts", "has stopped"]), ("WARNING", [])]
)
def test_a_level_is_obeyed(database: Database, level: str, expected: list[str]) -> None:
    with serving(database, LOG_LEVEL=level) as (server, client):
        assert client.get("/api/health").status_code == 200
        assert server.stop() == 0
        assert told(events(server.output, "api")) == expected


def test_a_projector_writes_the_same_lines(database: Database) -> None:
    with Daybook("project", settings=settings_of(database)) as projector:
        projector.wait_for(lambda: end_sessions(database))
        projector.says("read models wait")
        assert projector.stop() == 0
        found = events(projector.output, "projections")
    assert told(found)[0] == "starts"
    assert told(found)[-1] == "has stopped"
    assert ("warning", "daybook.projections") in [(e["level"], e["logger"]) for e in found]


def end_sessions(database: Database) -> bool:
    """End the runner's sessions as a restart of the database does it; whether there was one."""
    with database.connect(superuser=True) as conn:
        ended = conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = %s",
            ("daybook runner",),
        )
        return bool(ended.fetchall())


def test_everything_at_once_speaks_to_people_unless_it_is_told_otherwise(
    database: Database,
) -> None:
    settings = settings_of(database) | {"PORT": str(free_port())}
    with Daybook("up", "--no-demo", settings=settings) as daybook:
        daybook.says("Daybook runs at")
        assert daybook.stop() == 0
        lines = daybook.output.splitlines()
    assert lines[-1] == "Daybook has stopped."
    assert not [line for line in lines if line.startswith("{") or "[info]" in line], lines


def test_each_process_of_it_can_write_for_programs(database: Database) -> None:
    port = free_port()
    settings = settings_of(database) | {"PORT": str(port), "LOG_FORMAT": "json"}
    with Daybook("up", "--no-demo", settings=settings) as daybook:
        wait_until_ready(daybook, port)
        (api,) = [process for process in tree(daybook.pid) if "serve" in process.cmdline()]
        api.kill()
        daybook.says("api was ended by SIGKILL")
        wait_until_ready(daybook, port)
        assert daybook.stop() == 0
        found = [json.loads(line) for line in daybook.output.splitlines() if line[:1] == "{"]
    assert {event["service"] for event in found} == {"up", "api", "projections", "worker"}
    (notice,) = [event for event in found if "SIGKILL" in event["event"]]
    assert (notice["service"], notice["level"]) == ("up", "warning")


@pytest.mark.parametrize("command", ["serve", "project", "up"])
def test_a_format_that_there_is_none_of_is_named(database: Database, command: str) -> None:
    said = CommandLine(settings_of(database)).refused(1, command, LOG_FORMAT="xml")
    assert said == "daybook: LOG_FORMAT: 'xml' cannot be used: Input should be 'json' or 'text'"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise LookupError('hidden\\nforged')", "ended by an unexpected error"),
        (
            "import threading; threading.Thread(target=lambda: {}['gone'], name='x').start()",
            "a thread was ended by an unexpected error: x",
        ),
        ("import warnings; warnings.warn('beware')", "UserWarning: beware"),
    ],
)
def test_what_nobody_catches_is_a_line_too(code: str, words: str) -> None:
    started = (
        "from api import logs; from api.settings import load_settings;"
        f"logs.configure('projections', load_settings()); {code}"
    )
    ended = subprocess.run(
        [sys.executable, "-c", started],
        env=environment({"LOG_FORMAT": "json"}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    (event,) = events(ended.stderr, "projections")
    assert words in event["event"]


def test_other_commands_say_what_they_said(database: Database) -> None:
    for log_format in ("json", "text"):
        assert CommandLine(settings_of(database)).done("accounts", LOG_FORMAT=log_format)
