"""What is noticed of many requests is summed up before it is written down."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from api.callers import Caller
from api.noticing import MANY_MORE, MAX_DIFFERENT, MAX_OF_ADDRESS, Noticer
from domain.security import (
    AuthenticationFailed,
    AuthorizationFailed,
    RateLimited,
    SuspiciousRequest,
)


def test_whoever_asks_too_often_is_one_notice_of_nothing_else() -> None:
    noticer, user_id = Noticer(), uuid4()
    for number in range(40):
        routes: dict[str, Any] = {"method": ("GET", "POST")[number % 2], "query": b"x=../x"}
        noticer.answered(scope(**routes), 429)
        caller = Caller(user_id, "user", key_id=uuid4())
        noticer.answered(scope(**routes, caller=caller, client=(f"10.0.0.{number}", 1)), 429)
        noticer.answered(scope(**routes, client=(f"2001:db8::{number}", 1)), 429)
    nobody, somebody, network = noticer.take()
    assert isinstance(nobody, RateLimited)
    assert (nobody.reason, nobody.action, nobody.count) == ("invalid_token", "GET unknown", 40)
    assert (nobody.actor, nobody.address) == ("", "10.0.0.1")
    assert isinstance(somebody, RateLimited)
    assert (somebody.count, somebody.actor[:4]) == (40, "key:")
    assert (network.count, network.address) == (40, "2001:db8::0")


def test_an_address_that_nobody_is_known_behind_is_told_of_so_often_a_minute() -> None:
    now = [100.0]
    noticer = Noticer(clock=lambda: now[0])

    def told_of(address: str, **more: Any) -> list[tuple[str, int]]:
        """Reason and count of what is told of 50 different requests."""
        for number in range(50):
            asked = scope(client=(address, 1), **more)
            asked["state"]["reason"] = f"reason {number}"
            noticer.answered(asked, 401)
        notices = noticer.take()
        assert {notice.address for notice in notices} == {address}
        return [(notice.reason, notice.count) for notice in notices]

    first = [(f"reason {number}", 1) for number in range(MAX_OF_ADDRESS)]
    assert told_of("10.0.0.1") == [*first, (MANY_MORE, 30)]
    assert told_of("10.0.0.1") == [(MANY_MORE, 50)]
    assert told_of("10.0.0.2") == [*first, (MANY_MORE, 30)]
    assert len(told_of("10.0.0.1", caller=Caller(uuid4(), "user"))) == 50
    now[0] += 60
    assert told_of("10.0.0.1") == [*first, (MANY_MORE, 30)]


def test_many_different_ones_are_summed_up() -> None:
    noticer = Noticer()
    for number in range(MAX_DIFFERENT + 300):
        noticer.answered(scope(client=(f"10.0.{number % 256}.{number // 256}", 1)), 401)
        noticer.answered(scope(query=b"x=../x", client=(f"10.1.0.{number % 8}", 1)), 200)
    notices = noticer.take()
    assert sum(n.count for n in notices if isinstance(n, AuthenticationFailed)) == 500
    assert sum(n.count for n in notices if isinstance(n, SuspiciousRequest)) == 500
    assert len(notices) == MAX_DIFFERENT + 1
    (rest,) = [n for n in notices if n.reason == MANY_MORE]
    assert isinstance(rest, AuthenticationFailed)
    assert (rest.action, rest.actor, rest.address, rest.user_agent) == ("", "", "", "")
    assert noticer.take() == []


def test_what_differs_is_told_apart_and_what_is_alike_is_not() -> None:
    noticer = Noticer()
    for correlation_id, agent in [("first", b"one"), ("second", b"two")]:
        noticer.answered(scope(correlation_id=correlation_id, agent=agent), 403)
    noticer.answered(scope(method="POST"), 403)
    noticer.answered(scope(method="POST"), 401)
    noticer.answered(scope(method="BREW"), 401)
    noticer.answered(scope(), 404)
    noticer.answered(scope(), 200)
    alike, posted, failed, brewed = noticer.take()
    assert isinstance(alike, AuthorizationFailed)
    assert (alike.count, alike.correlation_id, alike.user_agent) == (2, "first", "one")
    assert [n.action for n in (posted, failed, brewed)] == [
        "POST unknown", "POST unknown", "OTHER unknown",
    ]  # fmt: skip


def test_of_what_clients_call_themselves_only_so_much_is_kept_and_no_secret() -> None:
    noticer = Noticer()
    noticer.answered(scope(agent=b"x" * 5_000), 401)
    noticer.answered(scope(method="POST", agent=b"me ?password=hush&x=1"), 401)
    long, secret = noticer.take()
    assert long.user_agent == "x" * 200
    assert secret.user_agent == "me ?password=[redacted]&x=1"


class _App:
    class state:  # noqa: N801 - as the framework has it
        routes: tuple[object, ...] = ()


def scope(
    method: str = "GET", query: bytes = b"", client: Any = ("10.0.0.1", 1),
    correlation_id: str = "c", agent: bytes = b"test", caller: Caller | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A request as the edge hands it over, of no route."""
    return {
        "type": "http", "app": _App, "method": method, "path": "/", "raw_path": b"/",
        "query_string": query, "client": client, "headers": [(b"user-agent", agent)],
        "state": {"correlation_id": correlation_id, "reason": "invalid_token"}
        | ({} if caller is None else {"caller": caller}),
    }  # fmt: skip
