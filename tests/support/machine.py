"""A ledger under any sequence of commands, held against the model after every step.

Subclass it to look at more: `look` is called with a connection after each step.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from application.event_store.chain import COLUMNS, GENESIS, Break, Row, first_break
from application.ledger import Accepted, Ledger, Outcome, reading
from application.ledger.outcomes import Command
from domain.accounts import Account, ChangeAccountStatus, OpenAccount
from domain.transfers import (
    Condition,
    ExpirePending,
    PostPending,
    PostTransfer,
    ReverseTransfer,
    Transfer,
    VoidPending,
)
from tests.conftest import Database
from tests.support.ledgers import submission
from tests.support.log import assert_sound, busy, head, make_empty
from tests.support.model import DECIMALS, Expected, Model, Seen, Yes

START = datetime(2100, 1, 1, tzinfo=UTC)
"""Later than any clock, so that ledger time stands still until a rule moves it."""

NOBODY = UUID(int=0)

numbers = st.integers(0, 99)
amounts = st.integers(0, 60)
writers = st.integers(0, 2)

KINDS = {
    "transfer": 5, "hold": 5, "up to": 1, "conditional": 1, "post": 3, "void": 1, "expire": 1,
    "reverse": 3, "status": 1, "reopen": 2, "again": 3, "altered": 1,
}  # fmt: skip
"""What to try, and how often."""
Intent = tuple[str, int, int, int, bool, bool]
intents: st.SearchStrategy[Intent] = st.tuples(
    st.sampled_from([kind for kind, weight in KINDS.items() for _ in range(weight)]),
    numbers,
    numbers,
    amounts,
    st.booleans(),
    st.booleans(),
)


class LedgerMachine(RuleBasedStateMachine):
    """Set `database` before use."""

    database: ClassVar[Database]

    def __init__(self) -> None:
        super().__init__()
        self.admin = self.database.connect(superuser=True)
        make_empty(self.admin, START)
        self.conn = self.database.connect()
        self.ledgers = [
            Ledger(self.database.url),
            Ledger(self.database.url, cache_accounts=2, cache_transfers=1),
            Ledger(self.database.url),
        ]
        self.model = Model(START)
        self.last_id = 0
        self.sent: list[tuple[list[Command], bool]] = []
        self.verified = 0, GENESIS

    def look(self, conn: psycopg.Connection[Any]) -> None:
        """For subclasses: called after each step."""

    # Rules.
    @initialize(second_currency=st.booleans())
    def open_the_first_accounts(self, second_currency: bool) -> None:
        commands: list[Command] = [
            OpenAccount(self.new_id(), "house", "cash", "EUR"),
            OpenAccount(self.new_id(), "shop", "checking", "EUR"),
            OpenAccount(self.new_id(), "card", "credit", "EUR", credit_limit=30),
        ]
        if second_currency:
            commands += [
                OpenAccount(self.new_id(), "till", "cash", "JPY"),
                OpenAccount(self.new_id(), "shop", "merchant", "JPY"),
            ]
        self.send(0, commands, linked=True)
        house, shop, *_ = self.model.accounts
        self.send(0, [PostTransfer(self.new_id(), house, shop, 80, "EUR")])

    @rule(
        writer=writers,
        type_=st.sampled_from(["checking", "fee", "loan"]),
        limit=st.sampled_from([0, 0, 25]),
    )
    def open_account(self, writer: int, type_: str, limit: int) -> None:
        if len(self.model.accounts) < 8:
            self.send(writer, [OpenAccount(self.new_id(), "more", type_, "EUR", None, limit)])

    @rule(writer=writers, intent=intents)
    def send_one(self, writer: int, intent: Intent) -> None:
        self.send(writer, [self.command(intent)])

    @rule(writer=writers, several=st.lists(intents, min_size=2, max_size=4), linked=st.booleans())
    def send_several(self, writer: int, several: list[Intent], linked: bool) -> None:
        self.send(writer, [self.command(intent) for intent in several], linked=linked)

    @rule(
        writer=writers,
        groups=st.lists(st.lists(intents, min_size=1, max_size=3), min_size=2, max_size=4),
    )
    def send_several_at_once(self, writer: int, groups: list[list[Intent]]) -> None:
        """Linked batches that share a transaction, all but the first of them."""
        batches = [[self.command(intent) for intent in group] for group in groups]
        expected = [self.model.submit(batch, linked=True) for batch in batches]
        with busy(self.admin):
            futures = [
                self.ledgers[writer].submit(submission(*batch, linked=True)) for batch in batches
            ]
        outcomes = [future.result(30).outcomes for future in futures]
        assert [[told(outcome) for outcome in each] for each in outcomes] == expected

    @rule(writer=writers, number=numbers)
    def send_again(self, writer: int, number: int) -> None:
        """A whole submission that was sent before, whatever came of it."""
        latest = self.sent[-12:]
        commands, linked = latest[number % len(latest)]
        self.send(writer, commands, linked=linked)

    @rule(seconds=st.sampled_from([1, 30, 61]))
    def let_time_pass(self, seconds: int) -> None:
        self.model.now += timedelta(seconds=seconds)
        self.admin.execute("UPDATE ledger_head SET recorded_at = %s", (self.model.now,))

    # What must be the case after each of them.
    @invariant()
    def the_chain_goes_on_without_a_gap(self) -> None:
        position, hash_ = self.verified
        rows = self.conn.execute(
            f"SELECT {COLUMNS} FROM events WHERE notification_id > %s"
            " ORDER BY notification_id".encode(),
            (position,),
        )
        end = first_break(map(Row._make, rows), position, hash_)
        assert not isinstance(end, Break), end
        assert end == head(self.conn)
        assert end[0] == self.model.position
        self.verified = end

    @invariant()
    def each_state_in_the_log_is_the_models(self) -> None:
        ids = [*self.model.accounts, *self.model.transfers]
        states = reading.load(self.conn, ids)
        for account in self.model.accounts.values():
            state = states[account.id]
            assert isinstance(state, Account)
            assert seen(state) == account.seen()
        for transfer in self.model.transfers.values():
            there = states[transfer.id]
            assert isinstance(there, Transfer)
            assert (there.version, there.status) == (transfer.version, transfer.status)
            assert (there.amount, there.reversed) == (transfer.amount, transfer.went_back)

    @invariant()
    def nothing_is_made_or_lost_and_no_floor_is_broken(self) -> None:
        for currency in DECIMALS:
            accounts = [a for a in self.model.accounts.values() if a.currency == currency]
            assert sum(account.balance for account in accounts) == 0
            for account in accounts:
                floor = account.floor()
                assert floor is None or account.balance - account.held >= floor

    @invariant()
    def each_deadline_is_that_of_a_pending_transfer(self) -> None:
        due = dict(self.conn.execute("SELECT transfer_id, due_at FROM deadlines").fetchall())
        assert due == {
            transfer.id: transfer.expires_at
            for transfer in self.model.transfers.values()
            if transfer.status == "pending" and transfer.expires_at is not None
        }

    @invariant()
    def and_more(self) -> None:
        self.look(self.conn)

    def teardown(self) -> None:
        for ledger in self.ledgers:
            ledger.close()
        assert_sound(self.conn)
        self.conn.close()
        self.admin.close()

    # How the rules work.
    def send(self, writer: int, commands: list[Command], *, linked: bool = False) -> None:
        expected = self.model.submit(commands, linked=linked)
        future = self.ledgers[writer].submit(submission(*commands, linked=linked))
        outcomes = future.result(30).outcomes
        assert [told(outcome) for outcome in outcomes] == expected
        self.sent.append((commands, linked))

    def command(self, intent: Intent) -> Command:
        kind, one, other, amount, flag, twist = intent
        source = self.account(one, [*self.model.accounts])
        currency = self.model.accounts[source].currency if source != NOBODY else "EUR"
        others = [
            a.id for a in self.model.accounts.values() if a.currency == currency and a.id != source
        ]
        destination = self.account(other, [*self.model.accounts] if other > 90 else others)
        transfer = self.transfer(one)
        part = None if flag else text(amount, self.model.transfers.get(transfer))
        plain = PostTransfer(self.new_id(), source, destination, amount, currency)
        # What it is now: a command before it in the same batch may change that.
        expected = self.versions(source if kind == "status" else transfer, other) if twist else None
        match kind:
            case "transfer":
                return plain
            case "hold":
                return replace(plain, pending=True, expires_in_s=60 if flag else 0, up_to=twist)
            case "up to":
                return replace(plain, up_to=True)
            case "conditional":
                wanted = (
                    Condition(source, version=one % 10)
                    if flag
                    else Condition(source, balance_at_least=amount)
                )
                return replace(plain, conditions=(wanted,))
            case "post":
                return PostPending(transfer, part, expected_versions=expected)
            case "void":
                return VoidPending(transfer, "changed my mind", expected)
            case "expire":
                return ExpirePending(transfer)
            case "reverse":
                return ReverseTransfer(transfer, self.new_id(), part, "sent back", expected)
            case "again":
                return self.repeatable(one)
            case "altered":
                return altered(self.repeatable(one))
            case "reopen":
                return ChangeAccountStatus(source, "active")
            case _:
                statuses = ["frozen", "inactive", "suspended", "closed", "closed"]
                status = statuses[amount % 5]
                return ChangeAccountStatus(source, status, expected_versions=expected)

    def versions(self, id_: UUID, number: int) -> tuple[int, ...]:
        """The version that an aggregate has now, in a list or by itself; now and then only others."""
        there = self.model.accounts.get(id_) or self.model.transfers.get(id_)
        version = there.version if there is not None else 1
        return ((version,), (version + 7, version), (version,), (version + 1,))[number % 4]

    def account(self, number: int, accounts: list[UUID]) -> UUID:
        """One of the accounts; now and then one that does not exist."""
        return NOBODY if number in {13, 97} else accounts[number % len(accounts)]

    def transfer(self, number: int) -> UUID:
        """One of the latest transfers; now and then one that does not exist."""
        latest = [*self.model.transfers][-6:]
        return NOBODY if number in {13, 97} else latest[number % len(latest)]

    def repeatable(self, number: int) -> Command:
        """One of the latest commands that were accepted under ids of their own."""
        latest = [command for command, _ in self.model.first.values()][-12:]
        return latest[number % len(latest)]

    def new_id(self) -> UUID:
        self.last_id += 1
        return UUID(int=self.last_id)


def altered(command: Command) -> Command:
    """The same id with other content, where the command has an id of its own."""
    match command:
        case PostTransfer():
            return replace(command, amount=command.amount + 1)
        case OpenAccount():
            return replace(command, name=command.name + "!")
        case ReverseTransfer():
            return replace(command, reason=command.reason + "!")
        case _:
            return command


def text(amount: int, transfer: Any) -> str:
    """A positive amount as a decimal string of the transfer's currency."""
    minor = amount + 1
    if transfer is not None and DECIMALS[transfer.currency] == 0:
        return str(minor)
    return f"{minor // 100}.{minor % 100:02}"


def seen(account: Account) -> Seen:
    return Seen(account.id, account.version, account.status, account.balance, account.held)


def told(outcome: Outcome) -> Expected:
    """An answer in the model's words."""
    if not isinstance(outcome, Accepted):
        return outcome.reason
    accounts = tuple(seen(account) for account in outcome.accounts)
    return Yes(outcome.id, outcome.position, outcome.recorded_at, accounts, outcome.replayed)
