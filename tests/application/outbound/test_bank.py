"""Both sides of the bank's interface over real HTTP, with every fault that the bank can have."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx2
import msgspec
import pytest

from application.outbound.bank import (
    REASONS,
    BankAnswer,
    Handling,
    HttpBank,
    UnreadableAnswerError,
    answer_of,
    handling_of,
)
from application.outbound.breaker import Breakers
from application.outbound.breaker_rules import Figures
from application.outbound.client import TimeLimits, Tries
from application.outbound.errors import (
    BadResponseError,
    CircuitOpenError,
    ConnectionFailedError,
    NeedsPersonError,
    OutboundError,
    TimedOutError,
)
from tests.application.outbound.raw import raw_server, saying
from tests.support.bank import TOKEN, SandboxBank, sandbox_bank
from tests.support.waiting import until

ONCE = Tries(attempts=1)
QUICK = Tries(attempts=3, first_wait_s=0.01, longest_wait_s=1.0, jitter_s=0.0)


@pytest.fixture(scope="module")
def _running() -> Iterator[SandboxBank]:
    with sandbox_bank() as bank:
        yield bank


@pytest.fixture
def sandbox(_running: SandboxBank) -> SandboxBank:
    _running.clear_faults()
    return _running


@pytest.fixture
def bank(sandbox: SandboxBank) -> Iterator[HttpBank]:
    found = bank_at(sandbox.url)
    yield found
    found.close()


def bank_at(url: str, **more: Any) -> HttpBank:
    breakers = Breakers(figures={"bank": Figures(failures=1000)})
    more.setdefault("tries", ONCE)
    return HttpBank.at(url, more.pop("token", TOKEN), breakers.of("bank"), **more)


def instruct(bank: HttpBank, movement_id: UUID, amount: int = 1250) -> BankAnswer:
    return bank.instruct(
        movement_id, "withdrawal", "in", amount, "EUR", "DE89370400440532013000", "INV-1"
    )


def test_a_movement_is_taken_on_and_settled(sandbox: SandboxBank, bank: HttpBank) -> None:
    movement = uuid4()
    answer = instruct(bank, movement)
    assert (answer.movement_id, answer.status, answer.reason) == (movement, "accepted", "")
    settled = bank.status(movement)
    assert settled is not None
    assert (settled.status, settled.bank_reference) == ("settled", answer.bank_reference)
    assert settled.sequence > answer.sequence
    shown = sandbox.movement(movement)
    assert [each["status"] for each in shown["history"]] == ["CREATED", "COMPLETED"]
    assert (shown["amount"], shown["kind"], shown["reference"]) == (1250, "withdrawal", "INV-1")


def test_asked_again_it_is_the_same_movement(sandbox: SandboxBank, bank: HttpBank) -> None:
    movement = uuid4()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: instruct(bank, movement), range(24)))
    assert len({each.bank_reference for each in answers}) == 1
    assert sandbox.accepted()[movement] == 1


def test_what_the_bank_never_heard_of(bank: HttpBank) -> None:
    assert bank.status(uuid4()) is None
    assert bank.cancel(uuid4()) is None
    with pytest.raises(BadResponseError) as error:
        bank.balance("NOBODY")
    assert error.value.code == "account_not_found"


def test_balances_are_what_was_moved(bank: HttpBank) -> None:
    account = f"DE / ?#%2F {uuid4()}"
    bank.instruct(uuid4(), "deposit", "out", 5000, "EUR", account, "")
    bank.instruct(uuid4(), "deposit", "in", 2000, "EUR", account, "")
    bank.instruct(uuid4(), "deposit", "out", 700, "JPY", account, "")
    assert bank.balance(account) == {"EUR": 3000, "JPY": 700}


def test_cancelling_in_time_and_too_late(bank: HttpBank) -> None:
    settled = uuid4()
    instruct(bank, settled)
    late = bank.cancel(settled)
    assert late is not None
    assert late.status == "settled"
    with sandbox_bank(settle_after=3600) as slow:
        waiting, movement = bank_at(slow.url), uuid4()
        instruct(waiting, movement)
        for _ in range(2):
            cancelled = waiting.cancel(movement)
            assert cancelled is not None
            assert cancelled.status == "cancelled"
        waiting.close()


def test_a_wrong_token_is_for_a_person(sandbox: SandboxBank) -> None:
    stranger = bank_at(sandbox.url, token="guessed")
    with pytest.raises(BadResponseError) as error:
        stranger.status(uuid4())
    assert (error.value.status, error.value.transient) == (401, False)
    with pytest.raises(OutboundError) as refused:
        instruct(stranger, uuid4())
    assert not refused.value.transient
    stranger.close()


@pytest.mark.parametrize(("reason", "handling"), REASONS.items(), ids=list(REASONS))
def test_each_reason_is_handled_as_its_row_says(
    reason: str, handling: Handling, sandbox: SandboxBank, bank: HttpBank
) -> None:
    sandbox.set_faults({"fault": f"reject:{reason}"})
    movement = uuid4()
    match handling:
        case Handling.FAILURE:
            answer = instruct(bank, movement)
            assert (answer.status, answer.reason, answer.bank_reference) == ("failed", reason, "")
        case Handling.RETRY:
            with pytest.raises(BadResponseError) as later:
                instruct(bank, movement)
            assert (later.value.transient, later.value.reason) == (True, reason)
        case Handling.MANUAL:
            with pytest.raises(NeedsPersonError) as manual:
                instruct(bank, movement)
            assert (manual.value.transient, manual.value.reason) == (False, reason)
    assert movement not in sandbox.accepted()


def test_a_reason_that_nobody_knows_is_for_a_person(sandbox: SandboxBank, bank: HttpBank) -> None:
    assert handling_of("full_moon") is Handling.MANUAL
    sandbox.set_faults({"fault": "reject:full_moon"})
    with pytest.raises(NeedsPersonError, match="full_moon"):
        instruct(bank, uuid4())


def test_the_same_movement_with_another_amount_is_for_a_person(
    sandbox: SandboxBank, bank: HttpBank
) -> None:
    movement = uuid4()
    instruct(bank, movement, 1250)
    with pytest.raises(NeedsPersonError, match="key_reused"):
        instruct(bank, movement, 9999)
    assert sandbox.movement(movement)["amount"] == 1250


def test_a_refusal_of_what_was_taken_on_before_is_not_believed() -> None:
    """Else it would be undone here while the bank moves the money."""
    movement = uuid4()
    taken = (
        b'{"movement_id": "%s", "status": "IN_PROGRESS", "sequence": 2}' % str(movement).encode()
    )
    with raw_server(
        lambda _: iter([saying(422, b'{"error": {"code": "limit_exceeded"}}'), saying(200, taken)])
    ) as server:
        bank = bank_at(server.url)
        assert instruct(bank, movement).status == "accepted"
        bank.close()


@pytest.mark.parametrize(
    ("fault", "status", "transient", "unknown"),
    [("500", 500, True, True), ("429", 429, True, False)],
)
def test_errors_of_the_bank(
    fault: str,
    status: int,
    transient: bool,
    unknown: bool,
    sandbox: SandboxBank,
    bank: HttpBank,
) -> None:
    sandbox.set_faults({"fault": fault, "value": 7})
    with pytest.raises(BadResponseError) as error:
        instruct(bank, uuid4())
    found = error.value
    assert (found.status, found.transient, found.outcome_unknown) == (status, transient, unknown)
    assert found.retry_after_s == (7.0 if fault == "429" else None)


def test_a_dropped_connection_leaves_nothing(sandbox: SandboxBank, bank: HttpBank) -> None:
    sandbox.set_faults({"fault": "drop", "times": 1})
    movement = uuid4()
    with pytest.raises(ConnectionFailedError) as error:
        instruct(bank, movement)
    assert error.value.outcome_unknown, "from here it cannot be told"
    assert bank.status(movement) is None


def test_a_slow_bank_is_given_up_and_found_again(sandbox: SandboxBank) -> None:
    sandbox.set_faults({"fault": "slow", "value": 0.5, "times": 1})
    bank = bank_at(sandbox.url, limits=TimeLimits(read_s=0.1))
    movement = uuid4()
    with pytest.raises(TimedOutError) as error:
        instruct(bank, movement)
    assert error.value.outcome_unknown
    until(lambda: movement in sandbox.accepted())
    assert instruct(bank, movement).status == "settled"
    assert sandbox.accepted()[movement] == 1
    bank.close()


@pytest.mark.parametrize(
    "fault", ["timeout_after_accepting", "drop_after_accepting", "500_after_accepting"]
)
def test_an_answer_that_is_lost_makes_no_second_movement(fault: str, sandbox: SandboxBank) -> None:
    sandbox.set_faults({"fault": fault, "times": 1})
    bank = bank_at(sandbox.url, limits=TimeLimits(read_s=0.3))
    movement = uuid4()
    with pytest.raises(OutboundError) as error:
        instruct(bank, movement)
    assert error.value.outcome_unknown
    assert error.value.transient
    assert sandbox.accepted()[movement] == 1
    assert instruct(bank, movement).status == "settled"
    assert sandbox.accepted()[movement] == 1
    bank.close()


@pytest.mark.parametrize("fault", ["500", "429", "drop", "500_after_accepting"])
def test_what_passes_is_tried_again_without_harm(fault: str, sandbox: SandboxBank) -> None:
    sandbox.set_faults({"fault": fault, "times": 2, "value": 0})
    bank, movement = bank_at(sandbox.url, tries=QUICK), uuid4()
    assert instruct(bank, movement).status in ("accepted", "settled")
    assert sandbox.accepted()[movement] == 1
    bank.close()


def test_a_bank_that_is_away_is_left_alone_and_comes_back() -> None:
    now = [1_000_000.0]
    breaker = Breakers(clock=lambda: now[0]).of("bank")
    with sandbox_bank() as sandbox:
        bank = HttpBank.at(sandbox.url, TOKEN, breaker, tries=ONCE)
        sandbox.stop()
        for _ in range(5):
            with pytest.raises(ConnectionFailedError):
                bank.status(uuid4())
        sandbox.start()
        with pytest.raises(CircuitOpenError):
            bank.status(uuid4())
        now[0] += 30
        assert bank.status(uuid4()) is None
        assert breaker.health().state == "half_open"
        assert bank.status(uuid4()) is None
        assert breaker.health().state == "closed"
        bank.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"{}",
        b'{"movement_id": "x", "status": "CREATED", "sequence": 1}',
        b'{"movement_id": "00000000-0000-4000-8000-000000000000", "status": "CREATED", "sequence": 1}',
        b'{"movement_id": "00000000-0000-4000-8000-000000000001", "status": "DONE", "sequence": 1}',
    ],
)
def test_an_answer_that_makes_no_sense_is_no_answer(body: bytes) -> None:
    with raw_server(lambda _: iter([saying(202, body)])) as server:
        bank = bank_at(server.url)
        with pytest.raises(BadResponseError) as error:
            instruct(bank, UUID("00000000-0000-4000-8000-000000000001"))
        bank.close()
    assert error.value.outcome_unknown
    assert error.value.transient


def test_webhooks_say_the_same_as_answers() -> None:
    movement = uuid4()
    told = {
        "movement_id": str(movement),
        "bank_reference": "SB1",
        "status": "RETURNED",
        "reason": "account_closed",
        "sequence": 4,
        "more": "is ignored",
    }
    assert answer_of(told) == BankAnswer(movement, "returned", "SB1", "account_closed", 4)
    assert answer_of({**told, "status": "COMPLETED", "reason": None}).reason == ""
    with pytest.raises(UnreadableAnswerError):
        answer_of({**told, "status": "settled"})
    for sequence in (-1, 2**31 + 1):
        with pytest.raises(UnreadableAnswerError):
            answer_of({**told, "sequence": sequence})


@pytest.mark.parametrize(
    "text", ["Konto von Erika Mustermann erloschen", "erika\0", "Erika", "e" * 61, "erika\n"]
)
def test_free_text_of_a_bank_is_not_taken_over(text: str) -> None:
    movement = uuid4()
    told = {"movement_id": str(movement), "status": "FAILED", "sequence": 3, "reason": text}
    found = answer_of({**told, "bank_reference": "Erika Mustermann"})
    assert (found.reason, found.bank_reference) == ("bank_api_error", "")
    assert answer_of({**told, "bank_reference": "x" * 65}).bank_reference == ""
    assert answer_of({**told, "bank_reference": "SB/1.a:b_-"}).bank_reference == "SB/1.a:b_-"
    with raw_server(lambda _: iter([saying(200, msgspec.json.encode(told))])) as server:
        bank = bank_at(server.url)
        answered = bank.status(movement)
        bank.close()
    assert answered is not None
    assert (answered.status, answered.reason) == ("failed", "bank_api_error")


def test_what_makes_no_sense_is_not_written_down() -> None:
    body = b'{"movement_id": "%s", "status": "Erika", "sequence": 1}' % str(uuid4()).encode()
    with raw_server(lambda _: iter([saying(200, body)])) as server:
        bank = bank_at(server.url)
        with pytest.raises(BadResponseError) as caught:
            bank.status(uuid4())
        bank.close()
    with pytest.raises(UnreadableAnswerError) as unreadable:
        answer_of(msgspec.json.decode(body))
    for error in (caught.value, unreadable.value):
        assert "Erika" not in "".join(traceback.format_exception(error))


def test_the_bank_asks_for_a_key_and_for_sense(sandbox: SandboxBank) -> None:
    body = {
        "movement_id": str(uuid4()),
        "kind": "deposit",
        "direction": "out",
        "amount": 1,
        "currency": "EUR",
        "account": "X",
    }

    def refused(changed: dict[str, object], **headers: str) -> tuple[int, str]:
        answer = httpx2.post(
            f"{sandbox.url}/v1/movements",
            json={**body, **changed},
            headers={"authorization": f"Bearer {TOKEN}", **headers},
        )
        return answer.status_code, answer.json()["error"]["code"]

    key = {"idempotency-key": str(uuid4())}
    assert refused({}) == (400, "invalid_request")
    assert refused({"amount": "1.00"}, **key) == (400, "invalid_request")
    assert refused({"direction": "up"}, **key) == (400, "invalid_request")
    assert refused({"amount": 0}, **key) == (422, "invalid_amount")
    assert refused({"currency": "EURO"}, **key) == (422, "currency_not_supported")
    assert refused({"account": ""}, **key) == (422, "invalid_account")
    assert refused({}, authorization="Bearer x", **key) == (401, "unauthorized")
    assert sandbox.accepted().get(UUID(str(body["movement_id"]))) is None


def test_another_key_for_the_same_movement_would_move_the_money_twice(
    sandbox: SandboxBank,
) -> None:
    """As with real banks: what `accepted` counts is what a caller did wrong."""
    movement = uuid4()
    body = {
        "movement_id": str(movement),
        "kind": "deposit",
        "direction": "out",
        "amount": 1,
        "currency": "EUR",
        "account": "X",
    }
    for _ in range(2):
        headers = {"authorization": f"Bearer {TOKEN}", "idempotency-key": str(uuid4())}
        answer = httpx2.post(f"{sandbox.url}/v1/movements", json=body, headers=headers)
        assert answer.status_code == 202
    assert sandbox.accepted()[movement] == 2
