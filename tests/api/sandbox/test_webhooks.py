"""The bank's webhooks: signed as the specification says, sent until they are taken, wrong on request."""

from __future__ import annotations

import base64
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from standardwebhooks import Webhook

from api.sandbox.sending import Sender, TargetError
from api.sandbox.signing import key_of
from application.outbound.bank import BankAnswer, HttpBank, answer_of
from application.outbound.breaker import Breakers
from application.webhooks.signing import verify
from tests.support.bank import SECRET, SandboxBank, sandbox_bank
from tests.support.receiver import Got, Receiver, receiving
from tests.support.waiting import until


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def instruct(sandbox: SandboxBank, movement: UUID | None = None, amount: int = 100) -> UUID:
    bank = HttpBank.at(sandbox.url, sandbox.token, Breakers().of("bank"))
    movement = movement or uuid4()
    bank.instruct(movement, "deposit", "out", amount, "EUR", "DE89", "REF")
    bank.close()
    return movement


def told(receiver: Receiver, number: int) -> list[tuple[str, BankAnswer]]:
    """What that many webhooks said, once they came."""
    until(lambda: len(receiver.got) >= number)
    assert len(receiver.got) == number
    return [(got.json["type"], answer_of(got.json["data"])) for got in receiver.got]


def types(receiver: Receiver, number: int) -> list[str]:
    return [kind.removeprefix("movement.") for kind, _ in told(receiver, number)]


def check_signature(got: Got) -> None:
    Webhook(SECRET).verify(got.body.decode(), got.headers)
    proven = verify(got.headers, got.body, [SECRET], now=datetime.now(UTC))
    assert proven.message_id == got.headers["webhook-id"]


def test_a_movement_that_is_settled_at_once_is_told_of_once(receiver: Receiver) -> None:
    with sandbox_bank(receiver.url) as sandbox:
        movement = instruct(sandbox)
        ((kind, answer),) = told(receiver, 1)
    assert (kind, answer.status, answer.movement_id) == ("movement.settled", "settled", movement)
    (got,) = receiver.got
    check_signature(got)
    assert got.json["timestamp"].endswith("Z")
    assert got.headers["content-type"] == "application/json"


def test_one_that_takes_its_time_is_told_of_twice(receiver: Receiver) -> None:
    with sandbox_bank(receiver.url, settle_after=0.05) as sandbox:
        movement = instruct(sandbox)
        found = told(receiver, 2)
        history = sandbox.movement(movement)["history"]
    assert [kind for kind, _ in found] == ["movement.accepted", "movement.settled"]
    assert [answer.sequence for _, answer in found] == [2, 3]
    assert [each["status"] for each in history] == ["CREATED", "IN_PROGRESS", "COMPLETED"]


def test_it_is_sent_until_it_is_taken(receiver: Receiver) -> None:
    receiver.will(500, 404)
    with sandbox_bank(receiver.url) as sandbox:
        instruct(sandbox)
        assert types(receiver, 3) == ["settled"] * 3
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1
    for got in receiver.got:
        check_signature(got)


def test_what_was_not_taken_is_sent_after_a_restart(receiver: Receiver, tmp_path: Path) -> None:
    receiver.will(*[503] * 100)
    with sandbox_bank(receiver.url, data=tmp_path / "bank.db") as sandbox:
        movements = [instruct(sandbox) for _ in range(3)]
        until(lambda: len(receiver.got) >= 3)
        sandbox.stop()
        receiver.answers.clear()
        receiver.got.clear()
        sandbox.start()
        # What the receiver was still taking in when the first one was stopped may come twice.
        until(lambda: movements_told(receiver) == set(movements))
        assert sandbox.accepted() == dict.fromkeys(movements, 1)
        instruct(sandbox, movements[0])
        assert sandbox.accepted() == dict.fromkeys(movements, 1)
        until(lambda: left(tmp_path / "bank.db") == 0)


def movements_told(receiver: Receiver) -> set[UUID]:
    return {answer_of(got.json["data"]).movement_id for got in receiver.got}


def left(file: Path) -> int:
    """How many webhooks are still to be sent."""
    with closing(sqlite3.connect(file)) as book:
        (count,) = book.execute("SELECT count(*) FROM webhooks").fetchone()
    return int(count)


def test_what_was_under_way_goes_on_after_a_restart(receiver: Receiver, tmp_path: Path) -> None:
    with sandbox_bank(receiver.url, settle_after=1.0, data=tmp_path / "bank.db") as sandbox:
        movement = instruct(sandbox)
        until(lambda: receiver.got)
        sandbox.stop()
        sandbox.start()
        until(lambda: sandbox.movement(movement)["status"] == "COMPLETED")


def test_failing_later(receiver: Receiver) -> None:
    with sandbox_bank(receiver.url) as sandbox:
        sandbox.set_faults({"fault": "reject_later:account_closed"})
        movement = instruct(sandbox)
        ((kind, answer),) = told(receiver, 1)
        assert sandbox.movement(movement)["status"] == "FAILED"
    assert (kind, answer.status, answer.reason) == ("movement.failed", "failed", "account_closed")


@pytest.mark.parametrize("after", [{}, {"value": 0.05}])
def test_coming_back_after_it_was_settled(receiver: Receiver, after: dict[str, float]) -> None:
    with sandbox_bank(receiver.url) as sandbox:
        sandbox.set_faults({"fault": "return:account_blocked", **after})
        movement = instruct(sandbox)
        found = told(receiver, 2)
        assert sandbox.movement(movement)["status"] == "RETURNED"
    assert [answer.status for _, answer in found] == ["settled", "returned"]
    assert found[1][1].reason == "account_blocked"


def test_a_webhook_that_comes_twice(receiver: Receiver) -> None:
    with sandbox_bank(receiver.url) as sandbox:
        sandbox.set_faults({"fault": "duplicate_webhook"})
        instruct(sandbox)
        assert types(receiver, 2) == ["settled", "settled"]
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1


@pytest.mark.parametrize("settle_after", [0.0, 0.05])
def test_webhooks_that_come_the_wrong_way_round(receiver: Receiver, settle_after: float) -> None:
    with sandbox_bank(receiver.url, settle_after=settle_after) as sandbox:
        sandbox.set_faults({"fault": "out_of_order_webhooks"})
        instruct(sandbox)
        found = told(receiver, 2)
    assert [kind for kind, _ in found] == ["movement.settled", "movement.accepted"]
    assert [answer.sequence for _, answer in found] == [3, 2]


def test_a_webhook_that_is_lost(receiver: Receiver) -> None:
    with sandbox_bank(receiver.url) as sandbox:
        sandbox.set_faults({"fault": "lost_webhook", "match": {"nth": 1}})
        lost = instruct(sandbox)
        instruct(sandbox)
        ((_, answer),) = told(receiver, 1)
        assert answer.movement_id != lost
        assert sandbox.movement(lost)["status"] == "COMPLETED"


def test_a_movement_that_is_never_settled(receiver: Receiver) -> None:
    with sandbox_bank(receiver.url) as sandbox:
        sandbox.set_faults({"fault": "never_settle", "times": 1})
        movement = instruct(sandbox)
        instruct(sandbox)
        assert sorted(types(receiver, 2)) == ["accepted", "settled"]
        assert sandbox.movement(movement)["status"] == "IN_PROGRESS"


def test_a_cancelled_movement_is_told_of(receiver: Receiver) -> None:
    with sandbox_bank(receiver.url, settle_after=3600) as sandbox:
        movement = instruct(sandbox)
        bank = HttpBank.at(sandbox.url, sandbox.token, Breakers().of("bank"))
        bank.cancel(movement)
        bank.close()
        assert sorted(types(receiver, 2)) == ["accepted", "cancelled"]


def test_a_target_that_is_named_later(receiver: Receiver) -> None:
    with sandbox_bank() as sandbox:
        instruct(sandbox)
        sandbox.send_webhooks_to(receiver.url)
        later = instruct(sandbox)
        ((_, answer),) = told(receiver, 1)
    assert answer.movement_id == later


@pytest.mark.parametrize(
    ("url", "secret", "words"),
    [
        ("ftp://127.0.0.1/", SECRET, "http://"),
        ("http:///hooks", SECRET, "http://"),
        ("http://127.0.0.1/", "secret", "whsec_"),
        ("http://127.0.0.1/", "whsec_!", "base64"),
        ("http://127.0.0.1/", "whsec_c2hvcnQ=", "not 5"),
    ],
)
def test_what_cannot_be_sent_or_signed_is_refused(url: str, secret: str, words: str) -> None:
    with pytest.raises(TargetError, match=words):
        Sender(url, secret, lambda _: None)


def test_secrets_are_read_as_the_specification_says() -> None:
    key = os.urandom(24)
    assert key_of(f"whsec_{base64.b64encode(key).decode()}") == key
