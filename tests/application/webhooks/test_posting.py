"""A message goes to the address that was checked, within its time, and nowhere else."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from application.webhooks.addresses import Allowed
from application.webhooks.posting import Answered, Poster
from tests.support.processes import free_port
from tests.support.receiver import receiving
from tests.support.smtp import make_certificate

ANY = Allowed(private=True, https_only=False)
BODY = b'{"type":"webhook.test"}'


def post(url: str, allowed: Allowed = ANY, limit_s: float = 15.0) -> Answered:
    poster = Poster(allowed, limit_s=limit_s)
    try:
        return poster.post(url, {"content-type": "application/json", "webhook-id": "msg_1"}, BODY)
    finally:
        poster.close()


def test_a_message_arrives_as_it_was_given() -> None:
    with receiving() as receiver:
        assert post(f"{receiver.url}?a=b") == Answered(200)
    (got,) = receiver.got
    assert (got.path, got.body) == ("/hooks?a=b", BODY)
    assert (got.headers["webhook-id"], got.headers["content-type"]) == ("msg_1", "application/json")
    assert got.headers["host"] == receiver.url.split("/")[2]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_nobody_is_followed_elsewhere(status: int) -> None:
    with receiving() as other, receiving() as receiver:
        receiver.will(status, Location=other.url)
        answered = post(receiver.url)
    assert answered == Answered(status)
    assert not answered.is_success
    assert other.got == []


def test_when_to_come_back_is_passed_on() -> None:
    with receiving() as receiver:
        receiver.will(429, Retry_After="7")
        assert post(receiver.url) == Answered(429, retry_after="7")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.0.0.1"])
def test_this_machine_is_not_called_however_it_is_spelt(host: str) -> None:
    with receiving() as receiver:
        url = receiver.url.replace("127.0.0.1", host)
        answered = post(url, Allowed(https_only=False))
    assert answered.status is None
    assert receiver.got == []


def test_a_name_that_leads_inside_is_found_out_when_it_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def lookup(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        # Public when it is asked for the first time, as one is who wants to get past a check.
        address = "93.184.215.14" if len(asked) > 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with receiving() as receiver:
        url = receiver.url.replace("127.0.0.1", "rebinding.example.com")
        answered = post(url, Allowed(https_only=False))
    assert answered == Answered(None, "not sent: it leads to no address of the public internet")
    assert asked == ["rebinding.example.com"]
    assert receiver.got == []


def test_a_name_that_leads_inside_as_well_is_not_called_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lookup(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("93.184.215.14", "10.0.0.1")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    answered = post("https://two-faced.example.com/", Allowed())
    assert answered.error == "not sent: it leads to no address of the public internet"


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy, receiving() as receiver:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert post(receiver.url).is_success
        assert proxy.got == []


def test_who_does_not_answer_in_time_has_failed() -> None:
    with receiving() as receiver:
        receiver.hangs = threading.Event()
        assert post(receiver.url, limit_s=0.3) == Answered(None, "no answer within 0.3 s")


def test_who_answers_byte_by_byte_has_no_more_time() -> None:
    with receiving() as receiver:
        receiver.trickles_s = 0.02
        assert post(receiver.url, limit_s=0.5) == Answered(None, "no answer within 0.5 s")


def test_who_is_not_there_has_failed() -> None:
    answered = post(f"http://127.0.0.1:{free_port()}/")
    assert answered == Answered(None, "no answer: the connection was refused")


def test_with_tls_only_a_certificate_of_the_name_is_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path)
    with receiving(certificate.server) as receiver:
        answered = post(receiver.url)
        assert answered.status is None
        assert "certificate" in (answered.error or "")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "mail.pem"))
        assert post(receiver.url) == Answered(200)
        assert not post(receiver.url.replace("127.0.0.1", "localhost")).is_success
    assert len(receiver.got) == 1
