"""Whatever is decided, in whatever order: entries balance, floors hold, and each entry tells the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from domain import accounts, catalogue, transfers
from domain.accounts import Account, ChangeAccountStatus, Credited, Debited, Held, Released
from domain.catalogue import AggregateState
from domain.refusals import Refusal
from domain.transfers import (
    Decided,
    ExpirePending,
    PostPending,
    PostTransfer,
    ReverseTransfer,
    Transfer,
    VoidPending,
)
from tests.support.given import NOW, account

ACCOUNTS = [
    account(UUID(int=1), type="cash"),
    account(UUID(int=2), type="checking"),
    account(UUID(int=3), type="credit", credit_limit=100),
    account(UUID(int=4), type="cash", currency="USD"),
    account(UUID(int=5), type="merchant", currency="USD"),
]


class Step(Struct, frozen=True):
    """What to try: numbers pick accounts and transfers, whichever there are by then."""

    kind: str
    one: int
    other: int
    amount: int
    flag: bool
    status: str


STEPS = st.builds(
    Step,
    st.sampled_from(
        ["post", "post", "post", "pend", "pend", "capture", "void", "expire", "reverse", "status"]
    ),
    st.integers(0, 4),
    st.integers(0, 4),
    st.integers(1, 150),
    st.booleans(),
    st.sampled_from(["active", "active", "active", "frozen", "inactive", "suspended", "closed"]),
)


class World:
    """All aggregates, without a ledger around them."""

    def __init__(self) -> None:
        self.states: dict[UUID, AggregateState] = {a.id: a for a in ACCOUNTS}
        self.transfers: list[UUID] = []
        self.clock = NOW

    def account(self, id_: UUID) -> Account:
        state = self.states[id_]
        assert isinstance(state, Account)
        return state

    def transfer(self, number: int) -> Transfer | None:
        if not self.transfers:
            return None
        state = self.states[self.transfers[number % len(self.transfers)]]
        assert isinstance(state, Transfer)
        return state

    def decide(self, step: Step) -> Decided:
        self.clock += timedelta(seconds=1)
        decisions: dict[str, Callable[[Step], Decided]] = {
            "post": self.post,
            "pend": self.post,
            "status": self.change_status,
        }
        return decisions.get(step.kind, self.go_on)(step)

    def post(self, step: Step) -> Decided:
        source, destination = ACCOUNTS[step.one], ACCOUNTS[step.other]
        command = PostTransfer(
            self.new_id(),
            source.id,
            destination.id,
            step.amount,
            source.currency,
            pending=step.kind == "pend",
            expires_in_s=3 if step.flag else 0,
            up_to=step.flag,
        )
        return transfers.post_transfer(
            command, self.account(source.id), self.account(destination.id), self.clock
        )

    def change_status(self, step: Step) -> Decided:
        there = self.account(ACCOUNTS[step.one].id)
        command = ChangeAccountStatus(there.id, step.status)
        return ((there.id, accounts.change_status(there, command)),)

    def go_on(self, step: Step) -> Decided:
        there = self.transfer(step.one * 5 + step.other)
        if there is None:
            return ()
        source, destination = (
            self.account(there.request.source_id),
            self.account(there.request.destination_id),
        )
        part = None if step.flag else f"{step.amount // 100}.{step.amount % 100:02}"
        match step.kind:
            case "capture":
                command = PostPending(there.id, part)
                return transfers.post_pending(command, there, source, destination, self.clock)
            case "void":
                return transfers.void_pending(VoidPending(there.id), there, source, destination)
            case "expire":
                return transfers.expire_pending(ExpirePending(there.id), there, source, self.clock)
            case _:
                reversal = ReverseTransfer(there.id, self.new_id(), part)
                return transfers.reverse_transfer(reversal, there, source, destination)

    def new_id(self) -> UUID:
        return UUID(int=1000 + len(self.transfers))

    def apply(self, decided: Decided) -> None:
        for stream_id, event in decided:
            state = catalogue.evolve(self.states.get(stream_id), event, stream_id)
            if stream_id not in self.states:
                self.transfers.append(stream_id)
            self.states[stream_id] = state
            if isinstance(event, Debited | Credited | Held | Released):
                assert isinstance(state, Account)
                assert (event.balance, event.held) == (state.balance, state.held)


@given(st.lists(STEPS, min_size=20, max_size=60))
def test_debits_equal_credits_in_each_currency_and_no_account_falls_below_its_floor(
    steps: list[Step],
) -> None:
    world = World()
    for step in steps:
        try:
            decided = world.decide(step)
        except Refusal:
            continue
        assert_entries_balance(world, decided)
        world.apply(decided)
        assert_floors_hold(world)
        assert_holds_are_those_of_pending_transfers(world)


def assert_entries_balance(world: World, decided: Decided) -> None:
    moved: Counter[str] = Counter()
    for stream_id, event in decided:
        if isinstance(event, Credited | Debited):
            sign = 1 if isinstance(event, Credited) else -1
            moved[world.account(stream_id).currency] += sign * event.amount
            assert event.amount > 0
    assert not any(moved.values())


def assert_floors_hold(world: World) -> None:
    for there in ACCOUNTS:
        available = world.account(there.id).available
        assert available is None or available >= 0


def assert_holds_are_those_of_pending_transfers(world: World) -> None:
    held: Counter[UUID] = Counter()
    for id_ in world.transfers:
        state = world.states[id_]
        assert isinstance(state, Transfer)
        assert 0 <= state.reversed <= state.amount
        if state.status == "pending":
            held[state.request.source_id] += state.amount
    for there in ACCOUNTS:
        assert world.account(there.id).held == held[there.id]
