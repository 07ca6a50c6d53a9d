"""What the bank keeps, in a file of SQLite: movements, what was booked, and webhooks to be sent."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from api.sandbox.records import (
    SEQUENCES,
    TYPES,
    Booked,
    Fate,
    Instruction,
    Movement,
    Webhook,
    written,
)

_TABLES = """
CREATE TABLE IF NOT EXISTS movements (
    number      INTEGER PRIMARY KEY,
    key         TEXT NOT NULL UNIQUE,
    movement_id TEXT NOT NULL,
    kind        TEXT NOT NULL,
    direction   TEXT NOT NULL,
    amount      INTEGER NOT NULL,
    currency    TEXT NOT NULL,
    account     TEXT NOT NULL,
    reference   TEXT NOT NULL,
    status      TEXT NOT NULL,
    reason      TEXT,
    sequence    INTEGER NOT NULL,
    fate        TEXT NOT NULL,
    due_at      REAL
);
CREATE INDEX IF NOT EXISTS movements_id ON movements (movement_id, number);
CREATE INDEX IF NOT EXISTS movements_due ON movements (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS movements_account ON movements (account);
CREATE TABLE IF NOT EXISTS history (
    id INTEGER PRIMARY KEY, number INTEGER NOT NULL, status TEXT NOT NULL, at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS history_number ON history (number);
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY, number INTEGER NOT NULL, at REAL NOT NULL, currency TEXT NOT NULL,
    amount INTEGER NOT NULL, is_reversal INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_at ON entries (currency, at);
CREATE INDEX IF NOT EXISTS entries_number ON entries (number);
CREATE TABLE IF NOT EXISTS webhooks (
    id TEXT PRIMARY KEY, body BLOB NOT NULL, copies INTEGER NOT NULL, after TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS webhooks_after ON webhooks (after) WHERE after IS NOT NULL;
"""


class Book:
    """Of one thread. `post` hears of webhooks as they come to be sendable; `clock` is in seconds since
    the epoch."""

    def __init__(
        self, file: Path | None, post: Callable[[Webhook], None], clock: Callable[[], float]
    ) -> None:
        self._db = sqlite3.connect(
            file or ":memory:", isolation_level=None, cached_statements=256, check_same_thread=False
        )
        self._db.execute("PRAGMA journal_mode = WAL")
        # A process that is killed loses nothing so; a machine without power might.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_TABLES)
        self.tells = False
        """Whether anybody hears of what becomes of movements."""
        self._post = post
        self._clock = clock
        self._ready: list[Webhook] = []

    def close(self) -> None:
        self._db.close()

    def waiting_webhooks(self) -> list[Webhook]:
        """Those that an earlier run left behind."""
        rows = self._db.execute("SELECT id, body, copies FROM webhooks WHERE after IS NULL")
        return [Webhook(*row) for row in rows]

    def by_key(self, key: str) -> Movement | None:
        return self._movement("key = ?", key)

    def by_id(self, movement_id: str) -> Movement | None:
        """The last one, should it have been taken on more than once."""
        return self._movement("movement_id = ? ORDER BY number DESC LIMIT 1", movement_id)

    def take_on(self, key: str, asked: Instruction, fate: Fate, settle_after_s: float) -> Movement:
        """The movement as it begins; it may have ended by the time that this returns."""
        now = self._clock()
        with self._transaction():
            columns = (*msgspec.structs.astuple(asked), msgspec.json.encode(fate).decode())
            found = self._db.execute(
                "INSERT INTO movements (key, movement_id, kind, direction, amount, currency, account,"
                " reference, fate, status, sequence) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'CREATED', 1)"
                " RETURNING *",
                (key, str(asked.movement_id), *columns[1:]),
            ).fetchone()
            created = Movement(*found)
            self._note(created.number, "CREATED", now)
            if settle_after_s > 0 or fate.never_settles:
                due_at = None if fate.never_settles else now + settle_after_s
                self._move(created, fate, "IN_PROGRESS", now, due_at=due_at)
            else:
                self._settle(created, fate, now)
        return created

    def cancel(self, movement: Movement) -> None:
        with self._transaction():
            fate = msgspec.json.decode(movement.fate, type=Fate)
            self._move(movement, fate, "CANCELLED", self._clock())

    def next_due_at(self) -> float | None:
        (due_at,) = self._db.execute(
            "SELECT min(due_at) FROM movements WHERE due_at IS NOT NULL"
        ).fetchone()
        return due_at  # type: ignore[no-any-return]

    def move_due(self) -> None:
        """Take each movement on whose time has come."""
        now = self._clock()
        with self._transaction():
            due = self._db.execute(
                "SELECT * FROM movements WHERE due_at <= ? ORDER BY due_at LIMIT 500", (now,)
            ).fetchall()
            for row in due:
                movement = Movement(*row)
                fate = msgspec.json.decode(movement.fate, type=Fate)
                if movement.status == "COMPLETED":
                    self._give_back(movement, fate, now)
                else:
                    self._settle(movement, fate, now)

    def delivered(self, webhook_id: str) -> None:
        """Forget a webhook, and let those go that had to wait for it."""
        with self._transaction():
            self._db.execute("DELETE FROM webhooks WHERE id = ?", (webhook_id,))
            rows = self._db.execute(
                "UPDATE webhooks SET after = NULL WHERE after = ? RETURNING id, body, copies",
                (webhook_id,),
            )
            self._ready += [Webhook(*row) for row in rows]

    def accepted(self) -> dict[str, int]:
        """How often each movement was taken on."""
        return dict(
            self._db.execute("SELECT movement_id, count(*) FROM movements GROUP BY movement_id")
        )

    def history(self, number: int) -> list[dict[str, str]]:
        rows = self._db.execute(
            "SELECT status, at FROM history WHERE number = ? ORDER BY id", (number,)
        )
        return [{"status": status, "at": written(at)} for status, at in rows]

    def balances(self, account: str) -> dict[str, int] | None:
        """Of an outside account, by what was moved from and to it; None for one never heard of."""
        rows = self._db.execute(
            "SELECT movements.currency, -coalesce(sum(entries.amount), 0) FROM movements"
            " LEFT JOIN entries USING (number) WHERE account = ? GROUP BY 1",
            (account,),
        ).fetchall()
        return dict(rows) or None

    def currencies(self) -> list[str]:
        return [
            row[0] for row in self._db.execute("SELECT DISTINCT currency FROM entries ORDER BY 1")
        ]

    def booked(self, currency: str, begin: float, end: float) -> tuple[int, list[Booked]]:
        """The balance at the begin, in minor units, and what was booked from then until before the end."""
        (opening,) = self._db.execute(
            "SELECT coalesce(sum(amount), 0) FROM entries WHERE currency = ? AND at < ?",
            (currency, begin),
        ).fetchone()
        rows = self._db.execute(
            "SELECT at, entries.amount, is_reversal, number, movement_id, account, reference"
            " FROM entries JOIN movements USING (number)"
            " WHERE entries.currency = ? AND at >= ? AND at < ? ORDER BY at, id",
            (currency, begin, end),
        )
        return opening, [Booked(at, amount, bool(rev), *rest) for at, amount, rev, *rest in rows]

    def _movement(self, where: str, value: str) -> Movement | None:
        row = self._db.execute(f"SELECT * FROM movements WHERE {where}", (value,)).fetchone()
        return Movement(*row) if row else None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Webhooks are handed on once what they tell of is kept."""
        self._ready = []
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        for webhook in self._ready:
            self._post(webhook)

    def _settle(self, movement: Movement, fate: Fate, now: float) -> None:
        if fate.fails_because:
            self._move(movement, fate, "FAILED", now, reason=fate.fails_because)
            return
        self._enter(movement, now, 1)
        if not fate.returned_because:
            self._move(movement, fate, "COMPLETED", now)
        elif fate.returned_after_s > 0:
            self._move(movement, fate, "COMPLETED", now, due_at=now + fate.returned_after_s)
        else:
            settled = self._move(movement, fate, "COMPLETED", now)
            self._give_back(movement, fate, now, after=settled)

    def _give_back(
        self, movement: Movement, fate: Fate, now: float, after: str | None = None
    ) -> None:
        self._enter(movement, now, -1)
        self._move(movement, fate, "RETURNED", now, reason=fate.returned_because, after=after)

    def _enter(self, movement: Movement, now: float, sign: int) -> None:
        amount = sign * (movement.amount if movement.direction == "in" else -movement.amount)
        self._db.execute(
            "INSERT INTO entries (number, at, currency, amount, is_reversal) VALUES (?, ?, ?, ?, ?)",
            (movement.number, now, movement.currency, amount, sign < 0),
        )

    def _note(self, number: int, status: str, now: float) -> None:
        self._db.execute(
            "INSERT INTO history (number, status, at) VALUES (?, ?, ?)", (number, status, now)
        )

    def _move(
        self,
        movement: Movement,
        fate: Fate,
        status: str,
        now: float,
        *,
        reason: str | None = None,
        due_at: float | None = None,
        after: str | None = None,
    ) -> str | None:
        """Put a movement into a status and say so; the id of the webhook that does."""
        self._db.execute(
            "UPDATE movements SET status = ?, sequence = ?, reason = ?, due_at = ? WHERE number = ?",
            (status, SEQUENCES[status], reason, due_at, movement.number),
        )
        self._note(movement.number, status, now)
        if fate.copies == 0 or not self.tells:
            return None
        if fate.out_of_order and status == "IN_PROGRESS":
            return None  # it is told of when there is newer news
        told = self._say(movement, status, reason, now, fate.copies, after)
        if fate.out_of_order and SEQUENCES[status] == 3:
            self._say(movement, "IN_PROGRESS", None, now, fate.copies, told)
        return told

    def _say(
        self,
        movement: Movement,
        status: str,
        reason: str | None,
        now: float,
        copies: int,
        after: str | None,
    ) -> str:
        body = msgspec.json.encode(
            {
                "type": TYPES[status],
                "timestamp": written(now),
                "data": {
                    "movement_id": movement.movement_id,
                    "bank_reference": movement.bank_reference,
                    "status": status,
                    "reason": reason,
                    "sequence": SEQUENCES[status],
                },
            }
        )
        webhook_id = f"msg_{uuid.uuid4().hex}"
        self._db.execute(
            "INSERT INTO webhooks VALUES (?, ?, ?, ?)", (webhook_id, body, copies, after)
        )
        if after is None:
            self._ready.append(Webhook(webhook_id, body, copies))
        return webhook_id
