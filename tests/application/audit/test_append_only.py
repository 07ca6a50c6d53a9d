"""What proves the log only grows, like the log itself: the database refuses the rest, whoever asks."""

from __future__ import annotations

from typing import LiteralString

import pytest
from psycopg import errors

from tests.application.audit.conftest import Audited

CHANGES: list[LiteralString] = [
    "UPDATE events SET state = '{}'",
    "DELETE FROM events",
    "TRUNCATE events",
    "UPDATE audit_checkpoints SET note = ''",
    "DELETE FROM audit_checkpoints",
    "TRUNCATE audit_checkpoints",
    "UPDATE audit_nodes SET hash = sha256(hash)",
    "DELETE FROM audit_nodes WHERE false",
    "TRUNCATE audit_nodes",
    "INSERT INTO audit_checkpoints SELECT * FROM audit_checkpoints"
    " ON CONFLICT (position) DO UPDATE SET note = ''",
]


@pytest.mark.parametrize("change", CHANGES)
def test_nobody_changes_what_was_written(change: LiteralString, audited: Audited) -> None:
    audited.sign()
    with audited.database.connect() as conn, pytest.raises(errors.InsufficientPrivilege):
        conn.execute(change)
    with pytest.raises(errors.IntegrityConstraintViolation, match="append-only"):
        audited.conn.execute(change)
    assert audited.verify().checkpoints == 1


@pytest.mark.parametrize(
    "row", [(9, 0, bytes(32)), (63, 0, bytes(32)), (10, -1, bytes(32)), (10, 0, bytes(31))]
)
def test_a_row_that_can_be_no_node_is_refused(
    row: tuple[int, int, bytes], audited: Audited
) -> None:
    with audited.database.connect() as conn, pytest.raises(errors.CheckViolation):
        conn.execute("INSERT INTO audit_nodes (level, index, hash) VALUES (%s, %s, %s)", row)
