"""Many flows at once, whatever banks, customers, operators and clocks do, in whatever order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from application.ledger.outcomes import Command
from domain.accounts import Account, ChangeAccountStatus, OpenAccount, StatusChanged
from domain.bank_transfers import (
    BankTransfer,
    CancelBankTransfer,
    CompensateBankTransfer,
    RequestBankTransfer,
    RetryBankTransfer,
)
from domain.funds import ChangeFundStatus, ChangeTerms, Fund, OpenFund
from domain.house import HouseType, house_account
from domain.investments import (
    CancelInvestment,
    CompensateInvestment,
    Investment,
    RequestInvestment,
    RetryInvestment,
)
from domain.movements import OVER, GiveUp, Movement, Sent
from domain.refusals import Refusal
from domain.transfers import PostTransfer, Transfer
from tests.support.flow_world import Flow, Order, World

HOUSE = house_account("cash", "EUR")
INVESTORS = [UUID(int=n) for n in (11, 12, 13)]
FUND_ACCOUNTS = [UUID(int=n) for n in (21, 22)]
FUNDS = [UUID(int=n) for n in (31, 32)]
ACCOUNTS = [*INVESTORS, *FUND_ACCOUNTS]

numbers = st.integers(0, 99)
amounts = st.sampled_from([5, 10, 10, 20, 40])
outcomes = st.sampled_from(["settled", "settled", "settled", "failed", "returned"])
answers = st.sampled_from(["heard", "heard", "heard", "lost", "died", "dead"])

AFTER = {
    "accepted": ("settled", "settled", "failed", "cancelled"),
    "settled": ("returned",),
    "failed": ("settled",),
    "cancelled": ("settled",),
    "returned": ("settled",),
}
"""What a bank may do next, and what it may do though it should not."""

RETRYING: dict[type, type] = {Investment: RetryInvestment, BankTransfer: RetryBankTransfer}
UNDOING: dict[type, type] = {Investment: CompensateInvestment, BankTransfer: CompensateBankTransfer}
CANCELLING: dict[type, type] = {Investment: CancelInvestment, BankTransfer: CancelBankTransfer}


def attempt(world: World, command: Command) -> bool:
    """Whether a command is accepted. Raises nothing else than that."""
    try:
        world.submit(command)
    except Refusal:
        return False
    return True


def open_movements(world: World) -> list[Movement]:
    return [m for m in world.of(Movement) if m.status not in OVER]


def beginning(*, seats: int = 1, numbered: bool = True) -> World:
    """Accounts with money and open funds."""
    world = World(numbered=numbered)
    commands: list[Command] = [OpenAccount(HOUSE, "Bank EUR", "cash", "EUR")]
    commands += [OpenAccount(id_, "investor", "investment", "EUR") for id_ in INVESTORS]
    commands += [OpenAccount(id_, "fund", "fund", "EUR") for id_ in FUND_ACCOUNTS]
    commands += [
        OpenFund(fund_id, "fund", "EUR", account_id, 5, 30, seats)
        for fund_id, account_id in zip(FUNDS, FUND_ACCOUNTS, strict=True)
    ]
    commands += [
        PostTransfer(UUID(int=number), HOUSE, investor, amount, "EUR")
        for number, (investor, amount) in enumerate(zip(INVESTORS, (200, 100, 15), strict=True), 1)
    ]
    for command in commands:
        world.submit(command)
    return world


class Flows(RuleBasedStateMachine):
    """Three investors, two funds with few seats, one bank."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.last_id = 1_000

    def new_id(self) -> UUID:
        self.last_id += 1
        return UUID(int=self.last_id)

    def try_(self, command: Command) -> bool:
        return attempt(self.world, command)

    def pick(self, number: int) -> Flow:
        """One of the flows, the latest more often."""
        flows = self.world.flows
        return flows[-1 - number % min(len(flows), 5)]

    @initialize(numbered=st.booleans(), seats=st.integers(1, 3))
    def begin(self, numbered: bool, seats: int) -> None:
        self.world = beginning(seats=seats, numbered=numbered)

    # What people ask for.
    @rule(who=numbers, fund=numbers, amount=amounts)
    def invest(self, who: int, fund: int, amount: int) -> None:
        there = self.world.fund(FUNDS[fund % 2])
        left = there.seats_left
        asked = RequestInvestment(self.new_id(), INVESTORS[who % 3], there.id, amount, "EUR")
        accepted = self.try_(asked)
        assert self.world.fund(there.id).seats_left == left - accepted

    @rule(who=numbers, kind=st.sampled_from(["deposit", "withdrawal"]), amount=amounts)
    def move_at_the_bank(self, who: int, kind: str, amount: int) -> None:
        self.try_(
            RequestBankTransfer(self.new_id(), kind, INVESTORS[who % 3], "EUR", amount, "DE1", "1")
        )

    @precondition(lambda self: self.world.flows)
    @rule(number=numbers)
    def cancel(self, number: int) -> None:
        flow = self.pick(number)
        if self.try_(CANCELLING[type(flow)](flow.id)):
            assert self.world.states[flow.id].status == "failed"  # type: ignore[union-attr]

    @rule(number=numbers, to=numbers, amount=amounts)
    def spend(self, number: int, to: int, amount: int) -> None:
        source = ACCOUNTS[number % 5]
        others = [HOUSE, *(a for a in INVESTORS if a != source)]
        self.try_(PostTransfer(self.new_id(), source, others[to % len(others)], amount, "EUR"))

    # What the house does.
    @rule(
        number=numbers,
        status=st.sampled_from(["active", "active", "active", "frozen", "inactive", "closed"]),
    )
    def turn_account(self, number: int, status: str) -> None:
        self.try_(ChangeAccountStatus(ACCOUNTS[number % 5], status))

    @rule(number=numbers, status=st.sampled_from(["open", "open", "suspended", "closed"]))
    def turn_fund(self, number: int, status: str) -> None:
        self.try_(ChangeFundStatus(FUNDS[number % 2], status))

    @rule(number=numbers, seats=st.integers(0, 4), least=st.sampled_from([None, 10]))
    def change_terms(self, number: int, seats: int, least: int | None) -> None:
        self.try_(ChangeTerms(FUNDS[number % 2], least, None, seats))

    @precondition(lambda self: self.world.flows)
    @rule(number=numbers, undo=st.booleans())
    def operate(self, number: int, undo: bool) -> None:
        waiting = [f for f in self.world.flows if f.status == "needs_operator"]
        flow = waiting[number % len(waiting)] if waiting else self.pick(number)
        self.try_((UNDOING if undo else RETRYING)[type(flow)](flow.id))

    # What happens by itself.
    @rule(number=st.integers(0, 1), times=st.integers(1, 4))
    def react(self, number: int, times: int) -> None:
        for _ in range(times):
            self.world.react(number)

    @precondition(lambda self: self.world.jobs)
    @rule(number=numbers, answer=answers)
    def run_job(self, number: int, answer: str) -> None:
        self.world.run_job(number, answer=answer)

    @rule(days=st.sampled_from([1, 6]))
    def wait(self, days: int) -> None:
        self.world.pass_time(days)

    @rule()
    def let_it_run(self) -> None:
        self.world.go_on()

    @rule(outcomes=st.lists(outcomes, min_size=1, max_size=4))
    def let_the_bank_answer(self, outcomes: list[str]) -> None:
        """All runs, and the bank does with one movement after the other what the list says."""
        left = iter(outcomes)
        self.world.go_on(lambda order: next(left, "accepted"))

    @precondition(lambda self: bool(open_movements(self.world)))
    @rule(number=numbers)
    def give_up(self, number: int) -> None:
        """Nobody could find out what becomes of a movement."""
        movements = open_movements(self.world)
        movement = movements[-1 - number % min(len(movements), 3)]
        assert self.try_(GiveUp(movement.id, "bank_silent"))

    # What the bank does, and says: late, again, or the last first.
    @precondition(lambda self: self.world.bank)
    @rule(number=numbers, choice=numbers, told=st.booleans())
    def turn_movement(self, number: int, choice: int, told: bool) -> None:
        order = self.order(number)
        if following := AFTER[order.status]:
            order.turn(following[choice % len(following)])
            if told:
                self.world.report(order.movement_id, *order.told[-1])

    @precondition(lambda self: self.world.bank)
    @rule(number=numbers, which=numbers)
    def hear(self, number: int, which: int) -> None:
        order = self.order(number)
        self.world.report(order.movement_id, *order.told[which % len(order.told)])

    def order(self, number: int) -> Order:
        orders = [*self.world.bank.values()]
        return orders[-1 - number % min(len(orders), 6)]

    @invariant()
    def all_is_well(self) -> None:
        check(self.world)

    def teardown(self) -> None:
        if self.world.states:
            come_to_an_end(self.world)


# What holds whatever has happened.
def check(world: World) -> None:
    check_accounts(world)
    check_house(world)
    check_seats(world)
    for flow in world.flows:
        if isinstance(flow, Investment):
            check_books_of_investment(world, flow)
        if not world.has_news(flow.id):
            if isinstance(flow, Investment):
                check_investment(world, flow)
            else:
                check_bank_transfer(world, flow)


def check_accounts(world: World) -> None:
    """Nothing is made or lost, what is pending is held, and no floor is broken."""
    accounts = world.of(Account)
    assert sum(account.balance for account in accounts) == 0
    held: Counter[UUID] = Counter()
    for transfer in world.of(Transfer):
        if transfer.status == "pending":
            held[transfer.request.source_id] += transfer.amount
    for account in accounts:
        assert account.held == held[account.id]
        assert not account.has_floor or account.balance - account.held >= 0


def check_house(world: World) -> None:
    """Clearing and suspense have what the flows say, and clearing only what is on its way."""
    types: tuple[HouseType, ...] = ("clearing", "suspense")
    for type_ in types:
        account = world.states.get(house_account(type_, "EUR"))
        balance = account.balance if isinstance(account, Account) else 0
        assert balance == sum(getattr(flow, type_) * flow.requested.amount for flow in world.flows)
    for flow in world.flows:
        is_on_its_way = flow.status in ("deposit_pending", "refund_pending")
        assert flow.clearing in ((0, 1) if is_on_its_way else (0,)), flow


def check_seats(world: World) -> None:
    """A fund's seats are those of its investments."""
    for fund in world.of(Fund):
        seats: Counter[str] = Counter()
        sums: Counter[str] = Counter()
        for investment in world.of(Investment):
            if investment.requested.fund_id == fund.id:
                seats[investment.seat] += 1
                sums[investment.seat] += investment.requested.amount
        assert (fund.reserved, fund.taken) == (seats["reserved"], seats["taken"])
        assert (fund.reserved_amount, fund.taken_amount) == (sums["reserved"], sums["taken"])
        assert 0 <= fund.seats_left <= fund.seats


def check_books_of_investment(world: World, flow: Investment) -> None:
    """The ledger has moved what the investment says."""
    asked = flow.requested
    expected = {
        asked.investor_account_id: flow.paid_back - flow.paid_in,
        asked.fund_account_id: int(flow.paid_fund),
        house_account("clearing", "EUR"): flow.clearing,
        house_account("suspense", "EUR"): flow.suspense,
    }
    assert world.booked_for(flow.id) == {
        account_id: number * asked.amount for account_id, number in expected.items() if number
    }


def check_investment(world: World, flow: Investment) -> None:
    """All that was said of an investment has been heard."""
    moved = [m for m in world.movements_of(flow.id) if m.status == "completed"]
    legs = Counter(m.instructed.kind for m in moved)
    facts = (legs["withdrawal"], legs["deposit"], legs["refund"])
    booked = (int(flow.paid_in), int(flow.paid_fund), flow.paid_back)
    is_open = any(m.status not in OVER for m in world.movements_of(flow.id))
    if flow.status == "needs_operator" or flow.is_closed:
        return
    assert booked == facts, (flow, facts)
    assert flow.suspense == 0
    match flow.status:
        case "completed":
            assert facts == (1, 1, 0)
            assert flow.seat == "taken"
        case "failed":
            assert facts in ((0, 0, 0), (1, 0, 1))
            assert flow.seat == "released"
            assert not flow.is_held
        case _:
            assert is_open, flow
            # None left: a leg that should not be on its way is, and an operator has it asked for.
            assert flow.left in (0, 1)
            assert flow.clearing == flow.left
    assert flow.is_held == (flow.status == "withdrawal_pending")


def check_bank_transfer(world: World, flow: BankTransfer) -> None:
    """All that was said of a deposit or a withdrawal has been heard."""
    (movement,) = world.movements_of(flow.id)
    asked = flow.requested
    into = 1 if asked.kind == "deposit" else -1
    has_moved = movement.status == "completed"
    booked = world.booked_for(flow.id)
    if flow.is_closed:  # an operator sees to what is left, and to what the bank says since
        return
    # The bank's side always books.
    assert booked.get(HOUSE, 0) == (-into * asked.amount if has_moved else 0)
    if flow.status == "needs_operator":
        return
    assert booked.get(asked.account_id, 0) == (into * asked.amount if has_moved else 0)
    assert flow.suspense == 0
    if has_moved:
        assert flow.status == "completed"
    elif movement.status in OVER:
        assert flow.status in ("failed", "returned")
        assert not flow.is_held
    else:
        assert flow.status in ("pending", "failed")  # given up by an operator, or on its way
    assert flow.is_held == (flow.status == "pending" and asked.kind == "withdrawal")


def have_somebody_see_to_it(world: World) -> None:
    """What an operator can put right is put right."""
    for account in world.of(Account):
        attempt(world, ChangeAccountStatus(account.id, "active"))
    for commands in (RETRYING, UNDOING, RETRYING):
        for flow in world.flows:
            if flow.status == "needs_operator":
                attempt(world, commands[type(flow)](flow.id))
        world.go_on(lambda order: "settled")
        check(world)
    for flow in world.flows:
        if flow.status == "needs_operator":
            is_poor = flow.reason in ("insufficient_funds", "account_closed")
            assert is_poor or is_contradicted(flow), flow


def is_contradicted(flow: Flow) -> bool:
    """Whether more or less was moved than any way to go on or back would put right."""
    if not isinstance(flow, Investment):
        return False
    moved = (flow.paid_in, flow.paid_fund, flow.paid_back)
    return flow.left < 0 or (moved == (1, 1, 0) and flow.seat == "released")


def come_to_an_end(world: World) -> None:
    """All that is said is heard, all that waits goes on, and then each flow is over or asks somebody."""
    assert world.replayed() == world.states
    for _ in range(20):
        world.go_on(lambda order: "settled")
        world.pass_time(6)
        for order in world.bank.values():
            world.report(order.movement_id, *order.told[-1])
        world.go_on(lambda order: "settled")
        if not open_movements(world):
            break
        # The bank has never heard of it: a person has to see to that.
        while world.jobs:
            world.run_job(0, answer="dead")
        for flow in world.flows:
            if flow.status == "needs_operator":
                attempt(world, RETRYING[type(flow)](flow.id))
    check(world)
    have_somebody_see_to_it(world)
    for flow in world.flows:
        assert flow.status in ("completed", "failed", "returned", "needs_operator"), flow
        assert not flow.clearing
    check_sendings(world)
    assert world.replayed() == world.states


def check_sendings(world: World) -> None:
    """When the bank was about to be asked, the customer's account let the money go."""
    statuses: dict[UUID, str] = {}
    for event in world.events:
        match event.data:
            case StatusChanged(status=status):
                statuses[event.stream_id] = status
            case Sent(flow_id=flow_id, kind=kind) if kind != "refund":
                status = statuses.get(customer_of(world, flow_id), "active")
                goes_on = kind == "deposit" and status != "frozen"
                assert status == "active" or goes_on, (kind, status)


def customer_of(world: World, flow_id: UUID) -> UUID:
    flow = world.states[flow_id]
    if isinstance(flow, Investment):
        return flow.requested.investor_account_id
    assert isinstance(flow, BankTransfer)
    return flow.requested.account_id


TestFlows = Flows.TestCase
TestFlows.settings = settings(max_examples=100, stateful_step_count=60)


# One investment, and all that can happen to it.
INVESTOR, FUND_ACCOUNT, FUND, INVESTMENT = INVESTORS[0], FUND_ACCOUNTS[0], FUNDS[0], UUID(int=99)


def possible(world: World, flow: Flow) -> list[Callable[[], object]]:
    """What can happen next."""
    acts: list[Callable[[], object]] = []
    kind = type(flow)
    if world.has_news(flow.id):
        acts += [partial(world.react, int(kind is BankTransfer)), world.go_on]
    for number in range(len(world.jobs)):
        acts += [partial(world.run_job, number, answer=how) for how in ("heard", "died", "dead")]
    for order in world.bank.values():
        acts += [
            partial(turn, world, order, status) for status in dict.fromkeys(AFTER[order.status])
        ]
        acts += [partial(world.report, order.movement_id, *told) for told in order.told[-2:]]
    acts += [partial(attempt, world, GiveUp(m.id, "bank_silent")) for m in open_movements(world)]
    if flow.status == "needs_operator":
        acts += [
            partial(attempt, world, RETRYING[kind](flow.id)),
            partial(attempt, world, UNDOING[kind](flow.id)),
        ]
    elif len(world.bank) == 0:
        acts.append(partial(attempt, world, CANCELLING[kind](flow.id)))
    for account_id in (INVESTOR, FUND_ACCOUNT):
        account = world.states[account_id]
        assert isinstance(account, Account)
        status = {"active": "frozen", "frozen": "inactive"}.get(account.status, "active")
        acts.append(partial(attempt, world, ChangeAccountStatus(account_id, status)))
        if account.available:
            moved = PostTransfer(
                UUID(int=1_000 + len(world.events)), account_id, HOUSE, account.available, "EUR"
            )
            acts.append(partial(attempt, world, moved))
    return acts


def turn(world: World, order: Order, status: str) -> None:
    """The bank does something, and tells."""
    order.turn(status)
    world.report(order.movement_id, *order.told[-1])


def live(world: World, past: Sequence[str], choices: Sequence[int]) -> None:
    """First what the bank does with the first movements, then whatever the choices say."""
    left = iter(past)
    world.go_on(lambda order: next(left, "accepted"))
    for choice in choices:
        (flow,) = world.flows
        acts = possible(world, flow)
        acts[choice % len(acts)]()
        check(world)
    come_to_an_end(world)


PASTS: list[tuple[str, ...]] = [
    (), ("settled",), ("settled", "settled"), ("settled", "failed"),
    ("settled", "failed", "settled"), ("settled", "failed", "failed"),
]  # fmt: skip

lives = st.lists(st.integers(0, 5039), max_size=40)


@settings(max_examples=300)
@given(st.booleans(), st.sampled_from(PASTS), lives)
def test_an_investment_ends_well_or_asks_for_somebody(
    numbered: bool, past: Sequence[str], choices: list[int]
) -> None:
    world = beginning(numbered=numbered)
    world.submit(RequestInvestment(INVESTMENT, INVESTOR, FUND, 10, "EUR"))
    live(world, past, choices)


@settings(max_examples=150)
@given(st.booleans(), st.sampled_from(["deposit", "withdrawal"]), st.sampled_from(PASTS[:2]), lives)
def test_a_bank_transfer_ends_well_or_asks_for_somebody(
    numbered: bool, kind: str, past: Sequence[str], choices: list[int]
) -> None:
    world = beginning(numbered=numbered)
    world.submit(RequestBankTransfer(INVESTMENT, kind, INVESTOR, "EUR", 10, "DE1"))
    live(world, past, choices)


# An account that is stopped while its money is on its way.
REQUESTS: dict[str, Command] = {
    "deposit": RequestBankTransfer(INVESTMENT, "deposit", INVESTOR, "EUR", 10, "DE1"),
    "withdrawal": RequestBankTransfer(INVESTMENT, "withdrawal", INVESTOR, "EUR", 10, "DE1"),
    "investment": RequestInvestment(INVESTMENT, INVESTOR, FUND, 10, "EUR"),
}
ENDS = {
    ("deposit", "frozen"): ["failed deposit", "completed"],
    ("deposit", "inactive"): ["failed deposit", "needs_operator deposit", "completed"],
    ("withdrawal", "frozen"): ["failed withdrawal", "needs_operator withdrawal", "completed"],
    ("withdrawal", "suspended"): ["failed withdrawal", "needs_operator withdrawal", "completed"],
    ("investment", "frozen"): [
        "failed hold", "failed withdrawal", "needs_operator withdrawal", "failed deposit",
        "completed",
    ],
    ("investment", "suspended"): [
        "failed hold", "failed withdrawal", "needs_operator withdrawal", "completed",
    ],
}  # fmt: skip
"""Kind of flow, status of the account -> its ends, from the earliest moment of the stop to the latest."""


def move_on(world: World) -> bool:
    """What comes next by itself; each worker dies once, before it could ask. Whether there was anything."""
    if world.react(0) or world.react(1):
        return True
    if world.jobs:
        movement = world.states[UUID(world.jobs[0].payload["movement_id"])]
        assert isinstance(movement, Movement)
        world.run_job(0, answer="died" if movement.status == "initiated" else "heard")
        return True
    for order in world.bank.values():
        if order.status == "accepted":
            turn(world, order, "settled")
            return True
    return False


def stopped_after(steps: int, kind: str, status: str) -> World | None:
    """What becomes of a flow whose account is stopped after so many steps; None when it is over then."""
    world = beginning()
    world.submit(REQUESTS[kind])
    for _ in range(steps):
        if not move_on(world):
            return None
    world.submit(ChangeAccountStatus(INVESTOR, status))
    while move_on(world):
        check(world)
    check_sendings(world)
    return world


@pytest.mark.parametrize(("kind", "status"), list(ENDS))
def test_what_is_not_sent_when_an_account_is_stopped_is_undone_and_what_is_sent_goes_on(
    kind: str, status: str
) -> None:
    ends: list[str] = []
    steps = 0
    while (world := stopped_after(steps, kind, status)) is not None:
        steps += 1
        (flow,) = world.flows
        end = f"{flow.status} {flow.step}".strip()
        if end not in ends[-1:]:
            ends.append(end)
        if flow.status == "failed":
            investor = world.states[INVESTOR]
            assert isinstance(investor, Account)
            assert flow.reason == f"account_{status}"
            assert (investor.balance, investor.held) == (200, 0)
            assert world.fund(FUND).seats_left == 1
            was_paid_in = (kind, flow.step) == ("investment", "deposit")
            asked = [world.states[id_].instructed.kind for id_ in world.bank]  # type: ignore[union-attr]
            assert asked == (["withdrawal", "refund"] if was_paid_in else [])
    assert ends == ENDS[kind, status]
