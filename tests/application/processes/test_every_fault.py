"""Every fault of a bank at every step, with workers that end before and after they commit: all flows come to
the end that they should come to, and no money is lost or made."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec import Struct

from application.processes import operating
from application.processes.catalogue import processes
from domain.accounts import OpenAccount
from domain.bank_transfers import RequestBankTransfer
from domain.investments import RequestInvestment
from domain.movements import Movement, derived_id
from domain.transfers import PostTransfer
from tests.application.processes.faults import REFUSED, After, Cell, End, Leg, cells
from tests.conftest import Database
from tests.support.bank import SECRET, SandboxBank, sandbox_bank
from tests.support.crashing import Once, crashing_worker
from tests.support.money import CURRENCY, Money
from tests.support.serving import serving
from tests.support.waiting import until

IBAN = "DE02120300000000202051"
FIRST_AMOUNT = 1_000_00
"""Each flow has an amount of its own, by which the bank knows what to do wrong with it."""

_LOOK_EVERY_S = 0.2
_PATIENCE_S = 90.0
_LEFT = 5


class Flow(Struct, frozen=True):
    """A cell of the matrix in the world."""

    id: UUID
    cell: Cell
    amount: int

    def movement(self, leg: Leg) -> UUID:
        """The movement of a leg; those of investments are counted."""
        if self.cell.flow != "investment":
            return derived_id(self.id, "movement")
        return derived_id(self.id, leg, ("withdrawal", "deposit", "refund").index(leg))

    def rules(self) -> Iterator[dict[str, Any]]:
        if self.cell.leg == "refund":
            yield {"fault": f"reject:{REFUSED}", "match": self._match("deposit")}
        if self.cell.fault.rule is not None:
            yield {**self.cell.fault.rule, "match": self._match(self.cell.leg)}

    def _match(self, leg: Leg) -> dict[str, Any]:
        return {"kind": leg, "amount": self.amount}


@pytest.fixture
def flows() -> list[Flow]:
    return [Flow(uuid4(), cell, FIRST_AMOUNT + number) for number, cell in enumerate(cells())]


def test_every_fault_at_every_step_ends_well(
    database: Database, money: Money, flows: list[Flow]
) -> None:
    plan = Once(
        {f.movement(f.cell.leg): f.cell.crash for f in flows if f.cell.crash is not None},
        {(f.id, _leg_word(f)): f.movement(f.cell.leg) for f in flows},
    )
    with (
        serving(database.url, projecting=False, BANK_WEBHOOK_SECRET=SECRET) as api,
        sandbox_bank(f"{api}/api/webhooks/incoming/bank", settle_after=0.1) as bank,
    ):
        bank.set_faults(*(rule for flow in flows for rule in flow.rules()))
        with crashing_worker(database.url, bank.url, bank.token, plan):
            _ask_for(money, flows)
            _until_ended(money, [(flow, flow.cell.ends) for flow in flows])
            assert plan.crashes > len(flows) / 3
            _check(money, bank, flows)

            bank.clear_faults()
            wanted = _operate(money, flows)
            _until_ended(money, wanted)
            _check(money, bank, flows)


def _leg_word(flow: Flow) -> str:
    """How commands to a flow name its leg."""
    return flow.cell.leg if flow.cell.flow == "investment" else ""


def _ask_for(money: Money, flows: Sequence[Flow]) -> None:
    fund_id, payer = money.fund(seats=10_000), uuid4()
    money.submit(OpenAccount(payer, "Payer", "cash", CURRENCY))
    accounts = [uuid4() for _ in flows]
    money.submit(*(OpenAccount(id_, "Customer", "investment", CURRENCY) for id_ in accounts))
    money.submit(
        *(
            PostTransfer(uuid4(), payer, account, flow.amount, CURRENCY)
            for flow, account in zip(flows, accounts, strict=True)
            if flow.cell.flow != "deposit"
        )
    )
    money.submit(
        *(
            RequestInvestment(flow.id, account, fund_id, flow.amount, CURRENCY)
            if flow.cell.flow == "investment"
            else RequestBankTransfer(flow.id, flow.cell.flow, account, CURRENCY, flow.amount, IBAN)
            for flow, account in zip(flows, accounts, strict=True)
        )
    )


def _until_ended(money: Money, wanted: Iterable[tuple[Flow, frozenset[End]]]) -> None:
    """Wait until each flow has come to one of its ends, and all jobs are over."""
    left = {flow.id: (flow, ends) for flow, ends in wanted}
    pause = threading.Event()

    def all_ended() -> bool:
        pause.wait(_LOOK_EVERY_S)
        _lose_patience(money, [flow for flow, _ in left.values()])
        for id_, state in money.states(_at_rest(money, left)).items():
            if _end(state) in left[id_][1]:
                del left[id_]
        return not left and _jobs_left(money) == 0

    try:
        until(all_ended, timeout_s=_PATIENCE_S)
    except TimeoutError:
        found = [f"{f.cell} is {_end(money.state(f.id))}" for f, _ in list(left.values())[:_LEFT]]
        told = f"{_jobs_left(money)} jobs and {len(left)} flows are not over"
        raise AssertionError("\n".join([told, *found])) from None


def _at_rest(money: Money, flows: Iterable[UUID]) -> list[UUID]:
    """Those that nothing happens to by itself any more, as their processes say."""
    with money.connect() as conn:
        rows = conn.execute(
            "SELECT key FROM processes WHERE key = ANY(%s) AND name <> 'notifications'"
            " AND status IN ('completed', 'compensated', 'stuck')",
            (list(flows),),
        )
        return [key for (key,) in rows]


def _end(state: Any) -> End:
    if state.status in ("completed", "returned"):
        return End(state.status)
    return End(state.status, state.step, state.reason)


def _lose_patience(money: Money, flows: Iterable[Flow]) -> None:
    """It is too long for what the bank has taken on and never settles."""
    ids = [f.movement(f.cell.leg) for f in flows if f.cell.fault.outcome == "overdue"]
    states = money.states(ids).values()
    taken_on = [m.id for m in states if isinstance(m, Movement) and m.status == "pending"]
    if taken_on:
        with money.connect() as conn:
            conn.execute(
                "UPDATE process_deadlines SET due_at = now() WHERE deadline = ANY(%s)",
                ([str(id_) for id_ in taken_on],),
            )


def _jobs_left(money: Money) -> int:
    """Without those that look again now and then what a bank does."""
    with money.connect() as conn:
        (row,) = conn.execute(
            "SELECT count(*) FROM jobs WHERE finished_at IS NULL AND kind <> 'bank.look'"
        ).fetchall()
    return int(row[0])


def _operate(money: Money, flows: Iterable[Flow]) -> list[tuple[Flow, frozenset[End]]]:
    """An operator sees to what waits for one: tries the first again, gives the second up, and so on."""
    known, number = processes(), Counter[Leg]()
    wanted: list[tuple[Flow, frozenset[End]]] = []
    with money.connect() as conn:
        for flow in flows:
            if money.state(flow.id).status != "needs_operator":
                continue
            number[flow.cell.leg] += 1
            action: After = "retry" if number[flow.cell.leg] % 2 else "compensate"
            process = known["investments" if flow.cell.flow == "investment" else "bank_transfers"]
            end = flow.cell.after(action)
            if end is None:
                continue
            if action == "retry":
                operating.retry(conn, money.ledger, process, flow.id, "operator:test")
            else:
                operating.compensate(
                    conn, money.ledger, process, flow.id, "operator:test", "given up"
                )
            wanted.append((flow, frozenset({end})))
    return wanted


def _check(money: Money, bank: SandboxBank, flows: Iterable[Flow]) -> None:
    """What holds whenever nothing is on its way."""
    money.check_books()
    states = money.states(flow.id for flow in flows)
    aside = sum(states[flow.id].suspense * flow.amount for flow in flows)
    assert money.house("suspense") == aside
    assert set(bank.accepted().values()) == {1}, "nothing is taken on twice"
    # The bank and the ledger agree about each movement that the bank has.
    for movement in money.states(bank.accepted()).values():
        assert isinstance(movement, Movement)
        at_bank = bank.movement(movement.id)
        assert _BANKS_WORD[movement.status] == at_bank["status"], (movement, at_bank)
        assert movement.bank_reference == at_bank["bank_reference"]


_BANKS_WORD = {
    "completed": "COMPLETED", "failed": "FAILED", "returned": "RETURNED", "cancelled": "CANCELLED",
}  # fmt: skip
