"""The ledger as a few dictionaries: what each command must answer, worked out without the product's code.

Only commands and the final comparison use the product's types.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from application.ledger.outcomes import Command
from domain.accounts import ChangeAccountStatus, OpenAccount
from domain.transfers import (
    ExpirePending,
    PostPending,
    PostTransfer,
    ReverseTransfer,
    VoidPending,
)

DECIMALS = {"EUR": 2, "JPY": 0}
HOUSE_TYPES = {"clearing", "fee", "suspense", "cash"}
MAY_BECOME = {
    "active": {"inactive", "frozen", "suspended", "closed"},
    "inactive": {"active", "suspended", "closed"},
    "frozen": {"active", "suspended", "closed"},
    "suspended": {"active", "closed"},
    "closed": set(),
}


@dataclass(frozen=True)
class Seen:
    """An account as an answer shows it."""

    id: UUID
    version: int
    status: str
    balance: int
    held: int


@dataclass(frozen=True)
class Yes:
    """An accepted command's answer."""

    id: UUID
    position: int
    at: datetime
    accounts: tuple[Seen, ...]
    replayed: bool = False


Expected = Yes | str
"""What a command must be answered: a yes, or the reason of the no."""


class No(Exception):  # noqa: N818 - an answer
    """Carries the reason."""


@dataclass
class ModelAccount:
    id: UUID
    type: str
    currency: str
    limit: int
    status: str = "active"
    balance: int = 0
    held: int = 0
    version: int = 1

    def seen(self) -> Seen:
        return Seen(self.id, self.version, self.status, self.balance, self.held)

    def floor(self) -> int | None:
        """What the balance less holds may not fall below."""
        return None if self.type in HOUSE_TYPES else -self.limit


@dataclass
class ModelTransfer:
    id: UUID
    status: str
    source: UUID
    destination: UUID
    amount: int
    currency: str
    expires_at: datetime | None = None
    is_reversal: bool = False
    went_back: int = 0
    version: int = 1


@dataclass
class Model:
    now: datetime
    position: int = 0
    accounts: dict[UUID, ModelAccount] = field(default_factory=dict)
    transfers: dict[UUID, ModelTransfer] = field(default_factory=dict)
    first: dict[UUID, tuple[Command, Yes]] = field(default_factory=dict)
    """Each stream's first command and its answer."""

    def submit(self, commands: list[Command], *, linked: bool) -> list[Expected]:
        """The answers to a submission, and its effects."""
        before = deepcopy(self.__dict__)
        answers = [self._answer(command) for command in commands]
        if linked:
            for number, answer in enumerate(answers):
                if isinstance(answer, str):
                    self.__dict__.update(before)
                    others: list[Expected] = ["linked_refused"] * len(commands)
                    others[number] = answer
                    return others
        return answers

    def _answer(self, command: Command) -> Expected:
        before = deepcopy(self.__dict__)
        try:
            return self._take(command)
        except No as no:
            self.__dict__.update(before)
            return str(no)

    def _take(self, command: Command) -> Yes:
        match command:
            case OpenAccount():
                return self._repeated(command.account_id, command) or self._open(command)
            case PostTransfer():
                plain = replace(command, conditions=())
                return self._repeated(command.transfer_id, plain) or self._transfer(command)
            case ReverseTransfer():
                plain_reversal = replace(command, expected_versions=None)
                return self._repeated(command.reversal_id, plain_reversal) or self._reverse(command)
            case ChangeAccountStatus():
                return self._change_status(command)
            case PostPending():
                return self._post(command)
            case VoidPending():
                return self._end(command.transfer_id, "voided", command.expected_versions)
            case ExpirePending():
                return self._end(command.transfer_id, "expired", None)
            case _:
                raise NotImplementedError(command)

    def _repeated(self, id_: UUID, command: Command) -> Yes | None:
        if id_ not in self.first:
            return None
        earlier, answer = self.first[id_]
        if command != earlier:
            raise No("id_reused")
        return Yes(answer.id, answer.position, answer.at, answer.accounts, replayed=True)

    def _yes(self, id_: UUID, events: int, *accounts: ModelAccount) -> Yes:
        self.position += events
        return Yes(id_, self.position, self.now, tuple(account.seen() for account in accounts))

    def _open(self, command: OpenAccount) -> Yes:
        if command.credit_limit and command.type not in {"credit", "loan"}:
            raise No("credit_limit_not_allowed")
        account = ModelAccount(
            command.account_id, command.type, command.currency, command.credit_limit
        )
        self.accounts[account.id] = account
        answer = self._yes(account.id, 1)
        self.first[account.id] = command, answer
        return answer

    def _change_status(self, command: ChangeAccountStatus) -> Yes:
        account = self._account(command.account_id)
        self._must_have(account.version, command.expected_versions)
        if command.status not in MAY_BECOME[account.status]:
            raise No("invalid_transition")
        if command.status == "closed" and account.held:
            raise No("holds_remain")
        if command.status == "closed" and account.balance:
            raise No("balance_not_zero")
        account.status = command.status
        account.version += 1
        return self._yes(account.id, 1)

    def _transfer(self, command: PostTransfer) -> Yes:
        if command.amount <= 0:
            raise No("negative_amount")
        if command.source_id == command.destination_id:
            raise No("same_account")
        source, destination = (
            self._account(command.source_id),
            self._account(command.destination_id),
        )
        if not source.currency == command.currency == destination.currency:
            raise No("currency_mismatch")
        for condition in command.conditions:
            account = source if condition.account_id == source.id else destination
            if condition.version is not None and account.version != condition.version:
                raise No("condition_failed")
            if (least := condition.balance_at_least) is not None and account.balance < least:
                raise No("condition_failed")
        amount = command.amount
        floor = source.floor()
        if command.up_to and floor is not None:
            self._may_give(source, 0)
            amount = min(amount, source.balance - source.held - floor)
            if amount <= 0:
                raise No("insufficient_funds")
        self._may_give(source, amount)
        self._may_take(destination)
        transfer = ModelTransfer(
            command.transfer_id, "posted", source.id, destination.id, amount, command.currency
        )
        self.transfers[transfer.id] = transfer
        if command.pending:
            transfer.status = "pending"
            if command.expires_in_s:
                transfer.expires_at = self.now + timedelta(seconds=command.expires_in_s)
            source.held += amount
            source.version += 1
            answer = self._yes(transfer.id, 2, source, destination)
        else:
            self._move(source, destination, amount)
            answer = self._yes(transfer.id, 3, source, destination)
        self.first[transfer.id] = replace(command, conditions=()), answer
        return answer

    def _post(self, command: PostPending) -> Yes:
        transfer = self._pending(command.transfer_id, command.expected_versions)
        if transfer.expires_at is not None and self.now >= transfer.expires_at:
            raise No("transfer_expired")
        amount = self._part(command.amount, transfer.amount)
        if amount > transfer.amount:
            raise No("amount_exceeds_pending")
        source, destination = self.accounts[transfer.source], self.accounts[transfer.destination]
        self._must_be(source, {"active"})
        self._may_take(destination)
        source.held -= transfer.amount
        self._move(source, destination, amount)
        transfer.status, transfer.amount = "posted", amount
        transfer.version += 1
        return self._yes(transfer.id, 3, source, destination)

    def _end(self, transfer_id: UUID, status: str, expected: tuple[int, ...] | None) -> Yes:
        transfer = self._pending(transfer_id, expected)
        due = transfer.expires_at is not None and self.now >= transfer.expires_at
        if status == "expired" and not due:
            raise No("transfer_not_due")
        source, destination = self.accounts[transfer.source], self.accounts[transfer.destination]
        source.held -= transfer.amount
        source.version += 1
        transfer.status = status
        transfer.version += 1
        return self._yes(transfer.id, 2, source, destination)

    def _reverse(self, command: ReverseTransfer) -> Yes:
        transfer = self.transfers.get(command.transfer_id)
        if transfer is None:
            raise No("transfer_not_found")
        self._must_have(transfer.version, command.expected_versions)
        if transfer.status != "posted":
            raise No("transfer_not_posted")
        if transfer.is_reversal:
            raise No("not_reversible")
        left = transfer.amount - transfer.went_back
        if left == 0:
            raise No("already_reversed")
        amount = self._part(command.amount, left)
        if amount > left:
            raise No("amount_exceeds_posted")
        giver, taker = self.accounts[transfer.destination], self.accounts[transfer.source]
        self._may_give(giver, amount)
        self._may_take(taker)
        self._move(giver, taker, amount)
        transfer.went_back += amount
        transfer.version += 1
        self.transfers[command.reversal_id] = ModelTransfer(
            command.reversal_id,
            "posted",
            giver.id,
            taker.id,
            amount,
            transfer.currency,
            is_reversal=True,
        )
        answer = self._yes(command.reversal_id, 4, giver, taker)
        self.first[command.reversal_id] = replace(command, expected_versions=None), answer
        return answer

    def _account(self, id_: UUID) -> ModelAccount:
        if id_ not in self.accounts:
            raise No("account_not_found")
        return self.accounts[id_]

    def _pending(self, id_: UUID, expected: tuple[int, ...] | None) -> ModelTransfer:
        if id_ not in self.transfers:
            raise No("transfer_not_found")
        self._must_have(self.transfers[id_].version, expected)
        if self.transfers[id_].status != "pending":
            raise No("transfer_not_pending")
        return self.transfers[id_]

    def _must_have(self, version: int, expected: tuple[int, ...] | None) -> None:
        if expected is not None and version not in expected:
            raise No("precondition_failed")

    def _part(self, text: str | None, whole: int) -> int:
        return whole if text is None else int(text.replace(".", ""))

    def _may_give(self, account: ModelAccount, amount: int) -> None:
        self._must_be(account, {"active"})
        floor = account.floor()
        if floor is not None and account.balance - account.held - amount < floor:
            raise No("insufficient_funds")

    def _may_take(self, account: ModelAccount) -> None:
        self._must_be(account, {"active", "frozen"})

    def _must_be(self, account: ModelAccount, statuses: set[str]) -> None:
        if account.status not in statuses:
            raise No(f"account_{account.status}")

    def _move(self, source: ModelAccount, destination: ModelAccount, amount: int) -> None:
        source.balance -= amount
        destination.balance += amount
        source.version += 1
        destination.version += 1
