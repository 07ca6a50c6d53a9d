"""The client against servers that do all that servers do: no call hangs, and each error is ours."""

from __future__ import annotations

import gzip
import socket
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import repeat
from typing import Any

import pytest
import stamina.instrumentation
from stamina.instrumentation import RetryDetails

from application.outbound.breaker import Breakers
from application.outbound.breaker_rules import Figures
from application.outbound.client import MAX_BODY, Client, TimeLimits, Tries
from application.outbound.errors import (
    BadResponseError,
    BlockedAddressError,
    CircuitOpenError,
    ConnectionFailedError,
    OutboundError,
    TimedOutError,
)
from tests.application.outbound.raw import RawServer, Say, hanging_up, raw_server, saying
from tests.support.processes import free_port

QUICK = Tries(attempts=3, first_wait_s=0.01, longest_wait_s=0.05, jitter_s=0.0)
ONCE = Tries(attempts=1)
SHORT = TimeLimits(connect_s=0.2, read_s=0.2, overall_s=0.4)


def client_of(url: str, **more: Any) -> Client:
    figures = {"service": Figures(failures=1000)}
    breaker = Breakers(figures=more.pop("figures", figures)).of("service")
    more.setdefault("tries", QUICK)
    return Client("service", url, breaker=breaker, **more)


def answering(*answers: Say) -> Any:
    return raw_server(lambda _: iter(answers))


def error_of(client: Client, method: str = "GET", **more: Any) -> OutboundError:
    with pytest.raises(OutboundError) as caught:
        client.call(method, "/", **more)
    client.close()
    return caught.value


@pytest.fixture
def waits() -> Iterator[list[float]]:
    """How long the client meant to pause before each repetition."""
    found: list[float] = []

    def note(details: RetryDetails) -> None:
        found.append(details.wait_for)

    stamina.instrumentation.set_on_retry_hooks([note])
    yield found
    stamina.instrumentation.set_on_retry_hooks(None)


def test_it_sends_what_it_is_told_and_gives_the_answer() -> None:
    with answering(saying(201, b'{"a": 1}', X_Kind="test")) as server:
        client = client_of(server.url, headers={"authorization": "Bearer t"})
        answer = client.call(
            "POST", "/v1/things", json={"b": 2}, params={"c": "3"}, idempotency_key="key"
        )
        client.close()
    assert (answer.status, answer.body, answer.headers["x-kind"]) == (201, b'{"a": 1}', "test")
    head, _, body = server.said[0].partition("\r\n\r\n")
    assert head.startswith("POST /v1/things?c=3 HTTP/1.1")
    lines = head.lower().split("\r\n")
    assert {"authorization: bearer t", "idempotency-key: key"} <= set(lines)
    assert body == '{"b":2}'


def test_what_fails_twice_and_then_works_is_a_success(waits: list[float]) -> None:
    with answering(saying(503), hanging_up, saying(200)) as server:
        client = client_of(server.url)
        assert client.call("GET", "/").status == 200
        client.close()
    assert waits == pytest.approx([0.01, 0.02])
    assert len(server.said) == 3


def test_the_waits_are_a_second_doubled_unless_told_otherwise() -> None:
    assert (Tries().attempts, Tries().first_wait_s) == (3, 1.0)


def test_what_keeps_failing_is_tried_three_times() -> None:
    with raw_server(lambda _: repeat(saying(500, b'{"error": {"code": "broken"}}'))) as server:
        error = error_of(client_of(server.url))
    assert len(server.said) == 3
    assert isinstance(error, BadResponseError)
    assert (error.status, error.code, error.reason) == (500, "broken", "broken")
    assert error.outcome_unknown
    assert error.transient


def test_a_post_is_repeated_only_with_an_idempotency_key() -> None:
    with answering(saying(500), saying(500), saying(200)) as server:
        error_of(client_of(server.url), "POST", json={})
        assert len(server.said) == 1
        client = client_of(server.url)
        assert client.call("POST", "/", json={}, idempotency_key="k").status == 200
        client.close()
    assert len(server.said) == 3


@pytest.mark.parametrize("status", [301, 400, 401, 404, 409, 422])
def test_a_refusal_is_never_tried_again(status: int) -> None:
    with answering(saying(status, b'{"code": "no"}', Location="/elsewhere")) as server:
        error = error_of(client_of(server.url))
    assert isinstance(error, BadResponseError)
    assert (error.status, error.code, error.transient) == (status, "no", False)
    assert not error.outcome_unknown
    assert len(server.said) == 1


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"[]", b'{"error": 5}', b'"no"', b"\xff", b'{"error": {"code": 1}}']
)
def test_an_error_needs_no_code(body: bytes) -> None:
    with answering(saying(400, body)) as server:
        error = error_of(client_of(server.url))
    assert isinstance(error, BadResponseError)
    assert (error.code, error.reason) == ("", "bank_api_error")


def test_it_waits_as_long_as_it_is_asked_to(waits: list[float]) -> None:
    with answering(saying(429, Retry_After="0"), saying(200)) as server:
        client = client_of(server.url)
        assert client.call("GET", "/").status == 200
        client.close()
    assert waits == [0.0]


def test_a_long_pause_is_left_to_the_caller() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    with answering(saying(429, Retry_After="17"), saying(503, Retry_After=later)) as server:
        error = error_of(client_of(server.url))
        assert error.retry_after_s == 17.0
        error = error_of(client_of(server.url))
        assert error.retry_after_s is not None
        assert 3000 < error.retry_after_s <= 3600
    assert len(server.said) == 2


@pytest.mark.parametrize(
    "told", ["soon", "-1", "1.5", "٣", "1 Jan 99999999999999999999 00:00:00 GMT"]
)
def test_a_pause_that_makes_no_sense_is_none(told: str) -> None:
    with answering(saying(429, Retry_After=told)) as server:
        assert error_of(client_of(server.url, tries=ONCE)).retry_after_s is None


def test_nobody_listens() -> None:
    error = error_of(client_of(f"http://127.0.0.1:{free_port()}", tries=ONCE))
    assert isinstance(error, ConnectionFailedError)
    assert (error.outcome_unknown, error.transient) == (False, True)


def test_a_name_that_stands_for_nothing() -> None:
    for guard in (None, lambda _: None):
        error = error_of(client_of("http://nowhere.invalid", tries=ONCE, guard=guard))
        assert isinstance(error, ConnectionFailedError)
        assert not error.outcome_unknown


def test_a_connection_that_breaks_may_have_had_its_effect() -> None:
    halves = saying(200, b"{}", Content_Length="5000")
    for answer in (hanging_up, halves):
        with answering(answer) as server:
            error = error_of(client_of(server.url, tries=ONCE), "POST", json={})
        assert isinstance(error, ConnectionFailedError)
        assert error.outcome_unknown


def test_what_is_not_http_is_a_broken_connection() -> None:
    with answering(lambda connection: connection.sendall(b"220 smtp.example ready\r\n")) as server:
        assert isinstance(error_of(client_of(server.url, tries=ONCE)), ConnectionFailedError)


@pytest.mark.parametrize("limits", [SHORT, TimeLimits(read_s=600, overall_s=0.3)])
def test_a_server_that_hangs_is_given_up(limits: TimeLimits) -> None:
    def serve(server: RawServer) -> Iterator[Say]:
        def hang(_: socket.socket) -> None:
            server.stopping.wait()

        yield hang

    with raw_server(serve) as server:
        error = error_of(client_of(server.url, tries=ONCE, limits=limits), "POST", json={})
        server.stopping.set()
    assert isinstance(error, TimedOutError)
    assert (error.outcome_unknown, error.transient, error.reason) == (True, True, "timeout")


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"])
def test_a_server_that_drips_is_given_up(first: bytes) -> None:
    """Each byte comes within the limit for a read, and the answer never ends."""

    def serve(server: RawServer) -> Iterator[Say]:
        def drip(connection: socket.socket) -> None:
            connection.sendall(first or b"HTTP/1.1 200 OK\r\nx-long: ")
            while not server.stopping.wait(0.01):
                connection.sendall(b"x")

        yield drip

    limits = TimeLimits(connect_s=5, read_s=60, overall_s=0.3)
    with raw_server(serve) as server:
        assert isinstance(error_of(client_of(server.url, tries=ONCE, limits=limits)), TimedOutError)


def test_a_connection_that_is_not_taken_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:  # they fill the queue, so that the next gets no answer at all
            each.setblocking(False)
            each.connect_ex(address)
        error = error_of(client_of(f"http://127.0.0.1:{address[1]}", tries=ONCE, limits=SHORT))
        for each in waiting:
            each.close()
    assert isinstance(error, TimedOutError)
    assert not error.outcome_unknown


def test_too_long_an_answer_is_not_read() -> None:
    bomb = gzip.compress(b" " * (MAX_BODY + 1))
    with answering(saying(200, bomb, Content_Encoding="gzip")) as server:
        error = error_of(client_of(server.url, tries=ONCE), "POST", json={})
    assert "too long" in str(error)
    assert error.outcome_unknown


def test_an_answer_that_cannot_be_unpacked() -> None:
    with answering(saying(200, b"no gzip", Content_Encoding="gzip")) as server:
        error = error_of(client_of(server.url, tries=ONCE), "POST", json={})
    assert isinstance(error, BadResponseError)
    assert error.outcome_unknown


def test_failures_open_the_circuit_and_refusals_do_not() -> None:
    figures = {"service": Figures(failures=3)}
    with raw_server(lambda _: repeat(saying(422))) as server:
        client = client_of(server.url, figures=figures)
        for _ in range(10):
            with pytest.raises(BadResponseError):
                client.call("GET", "/")
        client.close()
    with raw_server(lambda _: repeat(saying(429))) as server:
        client = client_of(server.url, figures=figures, tries=ONCE)
        for _ in range(10):
            with pytest.raises(BadResponseError):
                client.call("GET", "/")
        client.close()
    with raw_server(lambda _: repeat(saying(500))) as server:
        client = client_of(server.url, figures=figures)
        with pytest.raises(BadResponseError):
            client.call("GET", "/")
        error = error_of(client)
    assert isinstance(error, CircuitOpenError)
    assert len(server.said) == 3, "nothing was sent any more"


def test_while_another_call_tries_the_service_nobody_waits_for_it(waits: list[float]) -> None:
    now = [1000.0]
    breakers = Breakers(clock=lambda: now[0], figures={"service": Figures(failures=1)})
    breaker = breakers.of("service")
    breaker.ask().failed("down")
    now[0] += 30
    breaker.ask()
    client = Client("service", f"http://127.0.0.1:{free_port()}", breaker=breaker, tries=Tries())
    assert isinstance(error_of(client), CircuitOpenError)
    assert waits == []


def test_an_address_that_must_not_be_called_is_not() -> None:
    asked: list[str] = []

    def guard(address: str) -> None:
        asked.append(address)
        raise BlockedAddressError("service", address)

    with answering(saying(200)) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        error = error_of(client_of(url, guard=guard))
        assert isinstance(error, BlockedAddressError)
        assert not server.said
    assert asked[0] in ("127.0.0.1", "::1")


def test_the_address_that_was_allowed_is_the_one_that_is_called() -> None:
    asked: list[str] = []
    with answering(saying(200)) as server:
        client = client_of(server.url.replace("127.0.0.1", "localhost"), guard=asked.append)
        assert client.call("GET", "/").status == 200
        client.close()
    assert "127.0.0.1" in asked
    assert "host: localhost" in server.said[0].lower()


def test_a_call_that_is_broken_off_gives_its_trial_back() -> None:
    class StoppedError(BaseException):
        """As the time limit of a job, from another thread."""

    def guard(address: str) -> None:
        raise StoppedError

    now = [1000.0]
    breakers = Breakers(clock=lambda: now[0], figures={"service": Figures(failures=1)})
    breaker = breakers.of("service")
    breaker.ask().failed("down")
    now[0] += 30
    client = Client("service", "http://localhost:1", breaker=breaker, guard=guard)
    with pytest.raises(StoppedError):
        client.call("GET", "/")
    client.close()
    breaker.ask().succeeded()


@pytest.mark.parametrize(
    "answer",
    [
        saying(422, b'{"error": "Erika Mustermann is blocked"}'),
        saying(422, b'{"error": {"code": "Erika_Mustermann"}}'),
        saying(422, b'{"code": "%s"}' % (b"e" * 61)),
        saying(200, b"Erika Mustermann", content_encoding="gzip"),
        lambda connection: connection.sendall(b"Erika Mustermann\r\n\r\n"),
    ],
)
def test_nothing_of_an_answer_is_in_what_is_written_down(answer: Say) -> None:
    with answering(answer) as server:
        error = error_of(client_of(server.url, tries=ONCE))
    written = "".join(traceback.format_exception(error))
    assert "Erika" not in written
    assert "eeeee" not in written
    assert error.reason in ("bank_api_error", "connection_failed")
