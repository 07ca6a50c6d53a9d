"""The yardstick of bulk posting: the same rows by a bare COPY into the same kind of table."""

from __future__ import annotations

import time
from typing import Any

import psycopg
from psycopg import Connection, sql

from application.event_store.chain import COLUMNS

_ROWS_A_TRANSACTION = 3_000
"""The events of a batch of 1,000 transfers."""

_READ = sql.SQL(
    "COPY (SELECT {} FROM events WHERE notification_id > {} AND notification_id <= {}"
    " ORDER BY notification_id) TO STDOUT (FORMAT BINARY)"
)
_WRITE = f"COPY copied ({COLUMNS}) FROM STDIN (FORMAT BINARY)"


class Copier:
    """Copies what was added to the log since its last round into a table `copied` beside it."""

    def __init__(self, admin_url: str) -> None:
        self._conn: Connection[Any] = psycopg.connect(admin_url, autocommit=True)
        self._conn.execute("CREATE TABLE copied (LIKE events INCLUDING ALL)")
        self._copied = 0
        self.copy()  # what is in the log already, so that both tables hold the same

    def close(self) -> None:
        self._conn.close()

    def copy(self) -> float:
        """One round: rows per second. The rows are read and kept in memory beforehand."""
        blobs, rows = self._read()
        start = time.perf_counter()
        for blob in blobs:
            with self._conn.cursor().copy(_WRITE) as copy:
                copy.write(blob)
        return rows / (time.perf_counter() - start)

    def _read(self) -> tuple[list[bytes], int]:
        row = self._conn.execute("SELECT position FROM ledger_head").fetchone()
        assert row is not None
        head, first = row[0], self._copied
        blobs = []
        for start in range(first, head, _ROWS_A_TRANSACTION):
            end = min(start + _ROWS_A_TRANSACTION, head)
            query = _READ.format(sql.SQL(COLUMNS), sql.Literal(start), sql.Literal(end))
            with self._conn.cursor().copy(query) as copy:
                blobs.append(b"".join(bytes(block) for block in copy))
        self._copied = head
        return blobs, head - first
