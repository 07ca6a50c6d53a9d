"""One line for each request, as loud as its outcome."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import access_log, edge

SCOPE: Scope = {
    "type": "http",
    "method": "GET",
    "path": "/api/accounts",
    "raw_path": b"/api/accounts",
    "query_string": b"token=hush",
    "headers": [(b"host", b"localhost"), (b"x-correlation-id", b"order/7")],
    "client": ("127.0.0.1", 4711),
}


async def answered(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    await send({"type": "http.response.body", "body": b"half"})


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("what nobody has thought of")


async def ended(scope: Scope, receive: Receive, send: Send) -> None:
    raise asyncio.CancelledError


@pytest.fixture(autouse=True)
def _all_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG, "daybook"):
        yield


def line(caplog: pytest.LogCaptureFixture, app: ASGIApp, **scope: object) -> dict[str, object]:
    """The members of a request's only access line, the level among them."""
    (record,) = lines(caplog, app, **scope)
    return {**vars(record), "level": record.levelname}


def lines(
    caplog: pytest.LogCaptureFixture, app: ASGIApp, **scope: object
) -> list[logging.LogRecord]:
    """The access lines of a request."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        pass

    async def request() -> None:
        await edge.Edge(app)({**SCOPE, **scope}, receive, send)

    caplog.clear()
    with suppress(asyncio.CancelledError):
        asyncio.run(request())
    return [record for record in caplog.records if record.name == "daybook.access"]


def test_a_request_is_told_without_its_query(caplog: pytest.LogCaptureFixture) -> None:
    told = line(caplog, answered)
    expected = {
        "level": "DEBUG",
        "method": "GET",
        "path": "/api/accounts",
        "status": 200,
        "bytes": 8,
        "client": "127.0.0.0/24",
    }
    assert {name: told[name] for name in expected} == expected
    assert isinstance(told["duration_ms"], float)
    assert told["duration_ms"] > 0
    assert "hush" not in str(told)


@pytest.mark.parametrize(
    ("app", "scope", "level", "status"),
    [
        (broken, {}, "WARNING", 500),
        (ended, {}, "WARNING", None),
        (answered, {"headers": [(b"host", b"evil.example")]}, "DEBUG", 403),
    ],
)
def test_what_failed_is_a_warning(
    caplog: pytest.LogCaptureFixture,
    app: ASGIApp,
    scope: dict[str, object],
    level: str,
    status: int | None,
) -> None:
    told = line(caplog, app, **scope)
    assert (told["level"], told["status"]) == (level, status)


def test_what_begins_late_is_a_warning_and_what_lasts_long_is_not(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([0.0, 0.5, 60.0])
    monkeypatch.setattr(access_log, "perf_counter", lambda: next(times))
    told = line(caplog, answered)
    assert (told["level"], told["duration_ms"]) == ("DEBUG", 60_000.0)
    times = iter([0.0, 1.5, 1.6])
    assert line(caplog, answered)["level"] == "WARNING"


def test_a_head_request_is_told_as_what_it_was(caplog: pytest.LogCaptureFixture) -> None:
    told = line(caplog, answered, method="HEAD", client=None)
    assert (told["method"], told["bytes"], told["client"]) == ("HEAD", 0, None)


def test_nothing_is_put_together_for_a_line_that_nobody_sees(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([0.0, 0.5])  # how long it took is not even asked for
    monkeypatch.setattr(access_log, "perf_counter", lambda: next(times))
    with caplog.at_level(logging.WARNING, "daybook"):
        assert lines(caplog, answered) == []


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("198.51.100.213", "198.51.100.0/24"),
        ("2001:db8:77:88::4242", "2001:db8:77::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("::ffff:198.51.100.213", "198.51.100.0/24"),
        ("whoever", "unknown"),
    ],
)
def test_a_line_does_not_tell_whose_address_it_was(
    address: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert line(caplog, answered, client=(address, 4711))["client"] == told
