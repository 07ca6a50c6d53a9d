"""Flows in whatever order things happen: webhooks late, doubled and overtaken, deadlines, cancellations, lost
answers and workers that start anew. However it goes, it ends, and the money is all there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Any
from uuid import UUID

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from psycopg_pool import ConnectionPool

from api.secrets import master_keys
from application.banking import Banking
from application.jobs.running import Runner
from application.jobs.watching import Watch
from application.ledger import Ledger, Submission
from application.ledger.outcomes import Command
from application.people.vault import Vault
from application.processes import bank_transfers, investments, operating
from domain.bank_transfers import CancelBankTransfer
from domain.investments import CancelInvestment
from domain.movements import ReportMovement
from domain.refusals import Refusal
from tests.application.processes.conftest import make_all_empty
from tests.conftest import Database
from tests.support.memory_bank import NEXT, Line, MemoryBank, Order
from tests.support.money import AMOUNT, WHO, Money
from tests.support.people import settings as people
from tests.support.stepping import Steps, stepping

EXAMPLES = 40
ACTIONS = 25
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""To look for a shorter failure would take minutes."""
RETURNS = 1
"""Banks take money back now and then, and not for ever."""

WAITS_S = (3_600.0,)
"""A job that fails twice is dead."""

FLOWS = ("investment", "deposit", "withdrawal")
PROCESSES = (investments.process(), bank_transfers.process())


class World:
    """Some flows, what drives them, and a bank; each of them moves when it is told to."""

    def __init__(self, steps: Steps, money: Money, runner: Runner, bank: MemoryBank) -> None:
        self.steps = steps
        self.money = money
        self.bank = bank
        self.returns = 0
        self._runner = runner
        self._fund_id = money.fund(seats=1)
        self.flows: dict[UUID, str] = {}

    def ask_for(self, kind: str) -> None:
        if kind == "investment":
            self.flows[self.money.invest(self._fund_id)] = kind
        else:
            self.flows[self.money.bank_transfer(kind)] = kind

    # What may happen.
    def follow(self, draw: Draw) -> None:
        draw(self.steps.followers).work(self.steps.conn)

    def start_anew(self, draw: Draw) -> None:
        """A follower's process ends, and another one begins."""
        draw(self.steps.followers).resume(self.steps.conn)

    def run_job(self, draw: Draw) -> None:
        waiting = self._waiting()
        if waiting:
            lines: list[Line] = ["fine", "answer lost", "down"]
            self._run(draw(waiting), draw(lines))

    def move(self, draw: Draw) -> None:
        """The bank goes on with a movement."""
        orders = [
            order
            for order in self.bank.orders.values()
            if order.status == "accepted" or (order.status == "settled" and self.returns < RETURNS)
        ]
        if orders:
            order = draw(orders)
            self.returns += order.status == "settled"
            self.bank.turn(order, draw(NEXT[order.status]))

    def hear(self, draw: Draw) -> None:
        """A message arrives, for the first time or again."""
        if self.bank.said:
            self._report(draw(self.bank.said))

    def lose_patience(self, draw: Draw) -> None:
        waiting = self.steps.deadlines()
        if waiting:
            self.steps.make_due(draw(waiting))
            self.steps.fire()

    def cancel(self, draw: Draw) -> None:
        """Somebody calls a flow off, when that can still be done."""
        id_ = draw(list(self.flows))
        is_investment = self.flows[id_] == "investment"
        self._submit(CancelInvestment(id_) if is_investment else CancelBankTransfer(id_))

    # How it ends.
    def go_on(self, draw: Draw) -> None:
        """Whatever has begun comes to its end, and all messages arrive."""
        heard, may_return = 0, draw([True, False])
        while True:
            self.steps.work()
            if waiting := self._waiting():
                self._run(waiting[0], "fine")
            elif orders := [o for o in self.bank.orders.values() if o.status == "accepted"]:
                self.bank.turn(orders[0], draw(NEXT["accepted"]))
            elif may_return and (returned := self._may_return()) and draw([True, False]):
                self.returns += 1
                self.bank.turn(returned[0], "returned")
            elif heard < len(self.bank.said):
                self._report(self.bank.said[heard])
                heard += 1
            else:
                return

    def operate(self, draw: Draw) -> None:
        """An operator sees to what waits for one."""
        for id_, state in self.money.states(self.flows).items():
            if state.status == "needs_operator":
                process = PROCESSES[self.flows[id_] != "investment"]
                act = draw([operating.retry, operating.compensate])
                with suppress(Refusal):  # it cannot be done
                    act(self.steps.conn, self.money.ledger, process, id_, "operator:test")

    def _may_return(self) -> list[Order]:
        if self.returns == RETURNS:
            return []
        return [o for o in self.bank.orders.values() if o.status == "settled"]

    def _waiting(self) -> list[UUID]:
        rows = self.steps.conn.execute(
            "SELECT id FROM jobs WHERE status = 'waiting' AND kind <> 'bank.look' ORDER BY created_at, id"
        ).fetchall()
        return [id_ for (id_,) in rows]

    def _run(self, job_id: UUID, line: Line) -> None:
        self.bank.line = line
        self.steps.conn.execute(
            "UPDATE jobs SET due_at = CASE WHEN id = %s THEN now() ELSE 'infinity' END"
            " WHERE status = 'waiting'",
            (job_id,),
        )
        self._runner.drain("banking")
        self.bank.line = "fine"

    def _report(self, said: Any) -> None:
        self._submit(
            ReportMovement(
                said.movement_id, said.status, said.bank_reference, said.reason, said.sequence
            )
        )

    def _submit(self, command: Command) -> None:
        """It may be refused: then it came too late."""
        self.money.ledger.submit_and_wait(Submission([command], WHO))

    def check(self) -> None:
        """What holds whenever nothing is on its way."""
        self.money.check_books()
        states = self.money.states(self.flows)
        assert {state.status for state in states.values()} <= {
            "completed", "failed", "returned", "needs_operator",
        }, states  # fmt: skip
        aside = sum(state.suspense for state in states.values())
        assert self.money.house("suspense") == aside * AMOUNT
        assert set(self.bank.accepted.values()) <= {1}
        movements = self.money.states(self.bank.orders)
        for id_, order in self.bank.orders.items():
            assert (movements[id_].status == "completed") == (order.status == "settled"), order
        stuck = self.steps.conn.execute(
            "SELECT key, error FROM processes WHERE stuck_at IS NOT NULL"
        ).fetchall()
        assert stuck == [], "each reaction was one that the ledger takes"
        left = self.steps.conn.execute(
            "SELECT id, kind FROM jobs WHERE finished_at IS NULL AND kind <> 'bank.look'"
        ).fetchall()
        assert left == []


class Draw:
    """Draws from what there is at that moment, and says so."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def __call__(self, choices: Any) -> Any:
        return self._data.draw(st.sampled_from(list(choices)))


_WHAT: tuple[Callable[[World, Draw], None], ...] = (
    World.follow, World.follow, World.start_anew, World.run_job, World.run_job, World.move,
    World.hear, World.hear, World.lose_patience, World.cancel,
)  # fmt: skip


@contextmanager
def _world(database: Database) -> Iterator[World]:
    make_all_empty(database)
    bank = MemoryBank()
    with (
        Ledger(database.url) as ledger,
        stepping(ledger, database.url, *PROCESSES) as steps,
        ConnectionPool(database.url, min_size=1, max_size=2, kwargs={"autocommit": True}) as pool,
    ):
        vault = Vault.open(database.url, master_keys(people()))
        kinds = Banking(ledger, bank, pool.connection, vault, waits_s=WAITS_S).kinds()
        watch = Watch(database.url, "worker", 600.0)
        runner = Runner(
            pool, pool, watch, kinds, None, worker="worker", lease_s=600.0, random=Random(0)
        )
        yield World(steps, Money(ledger, database.url), runner, bank)


@settings(max_examples=EXAMPLES, phases=PHASES)
@given(data=st.data())
def test_in_whatever_order_things_happen_it_ends_well(
    shared_database: Database, data: st.DataObject
) -> None:
    draw = Draw(data)
    with _world(shared_database) as world:
        for kind in data.draw(st.lists(st.sampled_from(FLOWS), min_size=1, max_size=2)):
            if kind not in world.flows.values():
                world.ask_for(kind)
        for what in data.draw(st.lists(st.sampled_from(_WHAT), max_size=ACTIONS)):
            what(world, draw)
        world.go_on(draw)
        world.check()
        world.operate(draw)
        world.go_on(draw)
        world.check()
