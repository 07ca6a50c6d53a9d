"""The states that a batch of commands is decided on: the cache below, the batch's own changes above."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from typing import TypeVar
from uuid import UUID

from application.event_store.chain import GENESIS
from domain.accounts import Account
from domain.catalogue import AggregateState
from domain.transfers import Transfer
from domain.users import User

S = TypeVar("S", Account, Transfer)


_SLACK = 8
"""A full room is emptied by this fraction at once: dropping one by one would walk over the gaps that
the ones before have left."""


class StateCache:
    """States as of one position of the log, the least recently changed ones dropped first.

    Accounts and transfers have room of their own, so that a flood of transfers, of which few are
    looked at again, does not push the accounts out. Keys are the ids as integers, whose hash costs a
    tenth of a UUID's.
    """

    position: int
    """The states are true as of here."""
    hash: bytes
    """The log's hash at that position: in a log that has another one there, nothing is true."""

    def __init__(self, max_accounts: int, max_transfers: int) -> None:
        self.position = 0
        self.hash = GENESIS
        self._accounts: dict[int, AggregateState] = {}
        self._others: dict[int, AggregateState] = {}
        self._rooms = ((self._accounts, max_accounts), (self._others, max_transfers))

    def get(self, stream_id: UUID) -> AggregateState | None:
        key = stream_id.int
        return self._accounts.get(key) or self._others.get(key)

    def __len__(self) -> int:
        return len(self._accounts) + len(self._others)

    def put(self, states: Iterable[AggregateState], position: int, hash_: bytes) -> None:
        """Keep the newest state of each stream as of a position; drop the oldest beyond the limits."""
        self.position, self.hash = position, hash_
        accounts, others = self._accounts, self._others
        for state in states:
            room = accounts if type(state) is Account else others
            key = state.id.int
            room.pop(key, None)
            room[key] = state
        for room, limit in self._rooms:
            if len(room) > limit:
                for key in list(islice(room, len(room) - limit + limit // _SLACK)):
                    del room[key]

    def forget(self, stream_id: UUID) -> None:
        """Drop one state; it is loaded again when it is asked for."""
        for room, _ in self._rooms:
            room.pop(stream_id.int, None)

    def clear(self, position: int, hash_: bytes) -> None:
        """Forget all states; what is put from now on is true as of `position`."""
        self.position, self.hash = position, hash_
        self._accounts.clear()
        self._others.clear()


class Book:
    """What a batch sees. Changes stay here until its transaction has committed."""

    def __init__(self, cache: StateCache) -> None:
        self._cache = cache
        self._states: dict[int, AggregateState] = {}
        self._loaded: dict[int, AggregateState | None] = {}
        self._changes: dict[int, AggregateState] = {}

    def get(self, stream_id: UUID) -> AggregateState | None:
        """The state of a stream, None when it is unknown so far or does not exist."""
        state = self._states.get(stream_id.int)
        if state is None:
            state = self._cache.get(stream_id)
            if state is not None:
                self._states[stream_id.int] = state
        return state

    def is_known(self, stream_id: UUID) -> bool:
        """Whether `get` is sure, also of a stream's absence."""
        return self.get(stream_id) is not None or stream_id.int in self._loaded

    def account(self, stream_id: UUID) -> Account | None:
        state = self.get(stream_id)
        return state if type(state) is Account else None

    def transfer(self, stream_id: UUID) -> Transfer | None:
        state = self.get(stream_id)
        return state if type(state) is Transfer else None

    def user(self, stream_id: UUID) -> User | None:
        state = self.get(stream_id)
        return state if type(state) is User else None

    def add_loaded(self, states: Mapping[UUID, AggregateState | None]) -> None:
        """Take in what was read from the log for this batch; None: there is no such stream."""
        for stream_id, state in states.items():
            self._loaded[stream_id.int] = state
            if state is not None:
                self._states[stream_id.int] = state

    def change(self, state: AggregateState) -> None:
        """A decided event has led to this state."""
        key = state.id.int
        self._states[key] = self._changes[key] = state

    def mark(self) -> dict[int, AggregateState]:
        """The changes so far, to go back to."""
        return dict(self._changes)

    def go_back(self, mark: dict[int, AggregateState]) -> None:
        """Forget the changes since a mark."""
        for key in self._changes:
            before = mark.get(key) or self._loaded.get(key)
            if before is not None:
                self._states[key] = before
            else:  # from the cache, when it is asked for again
                del self._states[key]
        self._changes = mark

    def changed(self) -> Collection[AggregateState]:
        """The states that this batch has led to."""
        return self._changes.values()

    def before(self, stream_id: UUID) -> AggregateState | None:
        """The state before this batch."""
        return self._cache.get(stream_id) or self._loaded.get(stream_id.int)

    def to_cache(self, position: int, hash_: bytes) -> None:
        """The batch is in the log, whose end is now here: keep all that is known."""
        loaded = [state for state in self._loaded.values() if state is not None]
        self._cache.put([*loaded, *self._changes.values()], position, hash_)
