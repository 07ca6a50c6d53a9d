"""The states that a batch of commands is decided on: the cache below, the batch's own changes above."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar
from uuid import UUID

from application.event_store.chain import GENESIS
from domain.accounts import Account
from domain.catalogue import AggregateState
from domain.transfers import Transfer

S = TypeVar("S", Account, Transfer)


class StateCache:
    """States as of one position of the log, the least recently changed ones dropped first.

    Accounts and transfers have room of their own, so that a flood of transfers, of which few are
    looked at again, does not push the accounts out.
    """

    position: int
    """The states are true as of here."""
    hash: bytes
    """The log's hash at that position: in a log that has another one there, nothing is true."""

    def __init__(self, max_accounts: int, max_transfers: int) -> None:
        self.position = 0
        self.hash = GENESIS
        self._rooms: tuple[tuple[dict[UUID, AggregateState], int], ...] = (
            ({}, max_accounts),
            ({}, max_transfers),
        )

    def get(self, stream_id: UUID) -> AggregateState | None:
        (accounts, _), (others, _) = self._rooms
        return accounts.get(stream_id) or others.get(stream_id)

    def __contains__(self, stream_id: UUID) -> bool:
        return any(stream_id in room for room, _ in self._rooms)

    def __len__(self) -> int:
        return sum(len(room) for room, _ in self._rooms)

    def put(self, states: Iterable[AggregateState], position: int, hash_: bytes) -> None:
        """Keep the newest state of each stream as of a position; drop the oldest beyond the limits."""
        self.position, self.hash = position, hash_
        (accounts, _), (others, _) = self._rooms
        for state in states:
            room = accounts if type(state) is Account else others
            room.pop(state.id, None)
            room[state.id] = state
        for room, limit in self._rooms:
            while len(room) > limit:
                del room[next(iter(room))]

    def clear(self, position: int, hash_: bytes) -> None:
        """Forget all states; what is put from now on is true as of `position`."""
        self.position, self.hash = position, hash_
        for room, _ in self._rooms:
            room.clear()


class Book:
    """What a batch sees. Changes stay here until its transaction has committed."""

    def __init__(self, cache: StateCache) -> None:
        self._cache = cache
        self.changes: dict[UUID, AggregateState] = {}
        self.loaded: dict[UUID, AggregateState | None] = {}
        """Read from the log for this batch; None: there is no such stream."""

    def get(self, stream_id: UUID) -> AggregateState | None:
        """The state of a stream, None when it is unknown so far or does not exist."""
        return (
            self.changes.get(stream_id) or self._cache.get(stream_id) or self.loaded.get(stream_id)
        )

    def is_known(self, stream_id: UUID) -> bool:
        """Whether `get` is sure, also of a stream's absence."""
        return stream_id in self.changes or stream_id in self._cache or stream_id in self.loaded

    def account(self, stream_id: UUID) -> Account | None:
        state = self.get(stream_id)
        return state if type(state) is Account else None

    def transfer(self, stream_id: UUID) -> Transfer | None:
        state = self.get(stream_id)
        return state if type(state) is Transfer else None
