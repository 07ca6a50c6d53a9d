"""A sheet: what one decision about several accounts comes to, each posting seeing the ones before it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from domain import accounts, transfers
from domain.accounts import Account
from domain.events import Event
from domain.house import HouseType, check_is_house, house_account, opening
from domain.refusals import Refusal
from domain.transfers import (
    Decided,
    PostPending,
    PostTransfer,
    ReverseTransfer,
    Transfer,
    VoidPending,
)

Lookup = Callable[[UUID], object]
"""An aggregate's state by its id, None when there is none."""


class Sheet:
    """Events in the order in which they will be appended, and accounts and transfers as these leave them.

    Postings raise `Refusal` and then leave nothing on the sheet.
    """

    def __init__(self, lookup: Lookup, now: datetime) -> None:
        self._lookup = lookup
        self.now = now
        self._events: list[tuple[UUID, Event]] = []
        self._accounts: dict[UUID, Account] = {}
        self._transfers: dict[UUID, Transfer] = {}

    @property
    def decided(self) -> Decided:
        return tuple(self._events)

    def account(self, account_id: UUID) -> Account | None:
        if account_id in self._accounts:
            return self._accounts[account_id]
        state = self._lookup(account_id)
        return state if isinstance(state, Account) else None

    def transfer(self, transfer_id: UUID) -> Transfer | None:
        if transfer_id in self._transfers:
            return self._transfers[transfer_id]
        state = self._lookup(transfer_id)
        return state if isinstance(state, Transfer) else None

    def add(self, stream_id: UUID, *events: Event) -> None:
        """Events of other aggregates, which the sheet does not follow."""
        self._events.extend((stream_id, event) for event in events)

    def house(self, type_: HouseType, currency: str) -> UUID:
        """The house's account, opened if this is the first time that it is needed."""
        account_id = house_account(type_, currency)
        account = self.account(account_id)
        if account is None:
            self._take(((account_id, opening(type_, currency)),))
        else:
            check_is_house(account, type_)
        return account_id

    def open(self, account_id: UUID, opened: accounts.Opened) -> None:
        """An account that the postings after it may move money of. Refuses `id_reused`."""
        if self.account(account_id) is not None:
            raise Refusal("id_reused", id=account_id)
        self._take(((account_id, opened),))

    def post(self, command: PostTransfer) -> None:
        """Move money, or hold it. Refuses as `transfers.post_transfer`, and an id that is taken."""
        if self.transfer(command.transfer_id) is not None:
            raise Refusal("id_reused", id=command.transfer_id)
        source, destination = self.account(command.source_id), self.account(command.destination_id)
        self._take(transfers.post_transfer(command, source, destination, self.now))

    def capture(self, transfer_id: UUID) -> None:
        """Post what is held. Refuses as `transfers.post_pending`."""
        transfer, source, destination = self._of(transfer_id)
        command = PostPending(transfer_id)
        self._take(transfers.post_pending(command, transfer, source, destination, self.now))

    def void(self, transfer_id: UUID, reason: str) -> None:
        """Let go of what is held. Refuses as `transfers.void_pending`."""
        transfer, source, destination = self._of(transfer_id)
        command = VoidPending(transfer_id, reason)
        self._take(transfers.void_pending(command, transfer, source, destination))

    def reverse(self, transfer_id: UUID, reversal_id: UUID, reason: str) -> None:
        """Send back what was posted. Refuses as `transfers.reverse_transfer`."""
        if self.transfer(reversal_id) is not None:
            raise Refusal("id_reused", id=reversal_id)
        transfer, source, destination = self._of(transfer_id)
        command = ReverseTransfer(transfer_id, reversal_id, reason=reason)
        self._take(transfers.reverse_transfer(command, transfer, source, destination))

    def _of(self, transfer_id: UUID) -> tuple[Transfer, Account, Account]:
        transfer = self.transfer(transfer_id)
        if transfer is None:
            raise Refusal("transfer_not_found", transfer_id=transfer_id)
        source = self.account(transfer.request.source_id)
        destination = self.account(transfer.request.destination_id)
        assert source is not None, "a transfer's accounts are there before it"
        assert destination is not None, "a transfer's accounts are there before it"
        return transfer, source, destination

    def _take(self, decided: Decided) -> None:
        for stream_id, event in decided:
            self._events.append((stream_id, event))
            if event.topic.startswith("account."):
                before = self.account(stream_id)
                self._accounts[stream_id] = accounts.evolve(before, event, stream_id)
            else:
                there = self.transfer(stream_id)
                self._transfers[stream_id] = transfers.evolve(there, event, stream_id)
