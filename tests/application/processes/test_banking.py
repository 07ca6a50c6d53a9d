"""Jobs that ask a bank: what is asked, what is not, and what comes of each answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from application.banking import Banking
from application.jobs import Again, ExternalError, Job, NewJob, put
from application.outbound.bank import BankAnswer
from application.outbound.errors import BadResponseError, CircuitOpenError, TimedOutError
from application.people.vault import Vault
from application.processes.asking import CANCEL, INSTRUCT, LOOK
from application.processes.catalogue import processes
from domain.accounts import ChangeAccountStatus
from domain.bank_transfers import CompensateBankTransfer, DoubtBankTransfer
from domain.movements import GiveUp, ReportMovement, SendMovement
from tests.support.money import AMOUNT, Money
from tests.support.stepping import stepping

Say = Callable[[UUID], BankAnswer | None]


class Bank:
    """Says what a test has it say, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.says: Say = lambda id_: BankAnswer(id_, "accepted", "B-1", "", 1)

    def instruct(self, movement_id: UUID, *_: Any) -> BankAnswer:
        answer = self._answer("instruct", movement_id)
        assert answer is not None
        return answer

    def status(self, movement_id: UUID) -> BankAnswer | None:
        return self._answer("status", movement_id)

    def cancel(self, movement_id: UUID) -> BankAnswer | None:
        return self._answer("cancel", movement_id)

    def balance(self, account: str) -> dict[str, int]:
        return {}

    def _answer(self, what: str, movement_id: UUID) -> BankAnswer | None:
        self.asked.append(what)
        return self.says(movement_id)


class Desk:
    """A withdrawal with the jobs that a worker would run for it."""

    def __init__(self, money: Money) -> None:
        self.money, self.bank = money, Bank()
        self.customer = money.customer(AMOUNT)
        self.id = money.bank_transfer("withdrawal", self.customer)
        self.movement_id: UUID = money.state(self.id).movement_id

        @contextmanager
        def connect() -> Iterator[psycopg.Connection[Any]]:
            with money.connect() as conn:
                yield conn

        vault: Any = Vault
        look_after = timedelta(seconds=30)
        self._kinds = Banking(
            money.ledger, self.bank, connect, vault, look_after=look_after
        ).kinds()

    def run(self, kind: str, attempt: int = 1) -> Any:
        """Run a job as its worker does. Raises what its handler raises."""
        now, job_id = datetime.now(UTC), uuid4()
        payload = {"movement_id": str(self.movement_id), "reason": "timeout"}
        with self.money.connect() as conn:
            put(conn, [NewJob(id=job_id, kind=kind, payload=payload, queue="banking")])
            conn.execute(
                "UPDATE jobs SET status = 'running', worker = 'test', attempts = %s, started_at = now(),"
                " lease_until = now() + interval '1 hour' WHERE id = %s",
                (attempt, job_id),
            )
        job = Job(
            id=job_id, kind=kind, queue="banking", priority=5, payload=payload, attempt=attempt,
            worker="test", created_at=now, started_at=now,
        )  # fmt: skip
        return self._kinds[kind].handler(job, None)

    @property
    def movement(self) -> Any:
        return self.money.state(self.movement_id)


@pytest.fixture
def desk(money: Money) -> Desk:
    return Desk(money)


def refuse(error: Exception) -> Say:
    def say(_: UUID) -> BankAnswer | None:
        raise error

    return say


def written_off(desk: Desk) -> None:
    """Sent, given up, and undone by an operator."""
    money = desk.money
    money.submit(SendMovement(desk.movement_id))
    money.submit(GiveUp(desk.movement_id, "bank_silent"))
    money.submit(DoubtBankTransfer(desk.id, "bank_silent"))
    money.submit(CompensateBankTransfer(desk.id))


def test_what_an_operator_has_written_off_is_not_asked_for_any_more(desk: Desk) -> None:
    written_off(desk)
    assert desk.run(INSTRUCT) == {"asked": False, "status": "cancelled"}
    assert desk.bank.asked == []


def test_the_bank_is_not_asked_for_the_money_of_a_frozen_account_and_its_hold_is_let_go(
    desk: Desk,
) -> None:
    with stepping(desk.money.ledger, desk.money.conninfo, processes()["bank_transfers"]) as steps:
        steps.work()
        assert desk.money.state(desk.customer).held == AMOUNT
        desk.money.submit(ChangeAccountStatus(desk.customer, "frozen"))
        for _ in range(2):  # its worker may die right after the ledger's decision
            assert desk.run(INSTRUCT) == {"asked": False, "status": "cancelled"}
        steps.work()
        assert steps.row(desk.id)[0] == "compensated"
        assert steps.deadlines() == []
    flow, customer = desk.money.state(desk.id), desk.money.state(desk.customer)
    assert (flow.status, flow.step, flow.reason) == ("failed", "withdrawal", "account_frozen")
    assert (customer.status, customer.balance, customer.held) == ("frozen", AMOUNT, 0)
    assert desk.bank.asked == []


def test_what_was_sent_before_the_account_was_frozen_is_asked_for(desk: Desk) -> None:
    desk.money.submit(SendMovement(desk.movement_id))
    desk.money.submit(ChangeAccountStatus(desk.customer, "frozen"))
    assert desk.run(INSTRUCT)["status"] == "accepted"
    assert desk.bank.asked == ["instruct"]


def test_what_was_written_off_and_settled_all_the_same_is_found(desk: Desk) -> None:
    written_off(desk)
    desk.bank.says = lambda id_: BankAnswer(id_, "settled", "B-1", "", 3)
    desk.run(LOOK)
    assert desk.movement.status == "completed"


def test_what_was_written_off_is_looked_for_until_the_bank_has_often_said_no(desk: Desk) -> None:
    written_off(desk)
    desk.bank.says = lambda _: None
    for attempt in range(1, 7):
        with pytest.raises(Again):
            desk.run(LOOK, attempt)
    assert desk.run(LOOK, 7)["status"] == "unknown to the bank"


@pytest.mark.parametrize(
    "says",
    [
        lambda _: None,
        lambda id_: BankAnswer(id_, "accepted", "B-1", "", 1),
        refuse(TimedOutError("bank", sent=True)),
        refuse(CircuitOpenError("bank", 30.0)),
        refuse(BadResponseError("bank", 401)),
    ],
    ids=["unknown", "accepted", "silent", "circuit open", "not let in"],
)
def test_a_look_never_gives_up_while_the_movement_is_open(says: Say, desk: Desk) -> None:
    desk.money.submit(SendMovement(desk.movement_id))
    desk.bank.says = says
    for attempt in (1, 5, 50):
        with pytest.raises(Again):
            desk.run(LOOK, attempt)


def test_nobody_looks_any_longer_for_what_the_bank_has_told(desk: Desk) -> None:
    with stepping(desk.money.ledger, desk.money.conninfo, processes()["bank_transfers"]) as steps:
        desk.run(INSTRUCT)
        assert looks(desk) == 1
        desk.money.submit(ReportMovement(desk.movement_id, "settled", "B-1", "", 3))
        steps.work()
    assert desk.money.state(desk.id).status == "completed"
    assert looks(desk) == 0


def test_what_has_settled_before_its_acceptance_came_through_is_not_looked_for(desk: Desk) -> None:
    desk.money.submit(SendMovement(desk.movement_id))

    def settle_meanwhile(movement_id: UUID) -> BankAnswer:
        desk.money.submit(ReportMovement(movement_id, "settled", "B-1", "", 3))
        return BankAnswer(movement_id, "accepted", "B-1", "", 1)

    desk.bank.says = settle_meanwhile
    desk.run(INSTRUCT)
    assert looks(desk) == 0


def looks(desk: Desk) -> int:
    """How many jobs wait to look what has become of the movement."""
    with desk.money.connect() as conn:
        row = conn.execute(
            "SELECT count(*) FROM jobs WHERE kind = %s AND status = 'waiting'", (LOOK,)
        ).fetchone()
    return 0 if row is None else int(row[0])


def test_a_bank_that_is_not_asked_for_its_own_good_costs_no_try(desk: Desk) -> None:
    desk.bank.says = refuse(CircuitOpenError("bank", 12.0))
    with pytest.raises(Again) as later:
        desk.run(INSTRUCT)
    assert (later.value.delay_s, later.value.has_not_tried) == (12.0, True)


def test_who_is_not_let_in_tries_again(desk: Desk) -> None:
    desk.bank.says = refuse(BadResponseError("bank", 401))
    with pytest.raises(ExternalError):
        desk.run(INSTRUCT)


def test_what_is_too_late_to_call_off_is_told_to_somebody(desk: Desk) -> None:
    desk.money.submit(SendMovement(desk.movement_id))
    desk.money.submit(ReportMovement(desk.movement_id, "accepted", "B-1", "", 1))
    desk.bank.says = lambda id_: BankAnswer(id_, "accepted", "B-1", "", 1)
    desk.run(CANCEL)
    with desk.money.connect() as conn:
        topics = conn.execute(
            "SELECT topic FROM events WHERE originator_id = %s ORDER BY originator_version",
            (desk.movement_id,),
        ).fetchall()
    assert topics[-1] == ("movement.unresolved",)
