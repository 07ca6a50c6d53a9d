"""What is kept beside the log in its own transactions: answers, deadlines, access, snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection

from application.identity import sessions
from application.ledger import reading
from application.ledger.outcomes import Answer, Receipt
from domain.accounts import Account
from domain.catalogue import AggregateState
from domain.credit_applications import CreditApplication
from domain.transfers import Transfer
from domain.users import ROLES, User


def keep_answers(
    conn: Connection[Any], answers: Sequence[tuple[Receipt, Answer]], now: datetime
) -> None:
    """Store what requests with an Idempotency-Key were answered."""
    conn.execute(
        "INSERT INTO idempotency_keys"
        " (caller, key, fingerprint, status, body, position, answered_at)"
        " SELECT *, %s FROM unnest(%s::text[], %s::text[], %s::bytea[], %s::smallint[],"
        " %s::bytea[], %s::bigint[])",
        (
            now,
            [receipt.caller for receipt, _ in answers],
            [receipt.key for receipt, _ in answers],
            [receipt.fingerprint for receipt, _ in answers],
            [answer.status for _, answer in answers],
            [answer.body for _, answer in answers],
            [answer.position for _, answer in answers],
        ),
        prepare=True,
    )


def keep_deadlines(conn: Connection[Any], transfers: Sequence[Transfer]) -> None:
    """Note when pending transfers expire, and forget those that no longer can."""
    due = [t for t in transfers if t.status == "pending"]
    over = [t.id for t in transfers if t.status != "pending"]
    if due:
        conn.execute(
            "INSERT INTO deadlines (transfer_id, due_at)"
            " SELECT * FROM unnest(%s::uuid[], %s::timestamptz[]) ON CONFLICT DO NOTHING",
            ([t.id for t in due], [t.request.expires_at for t in due]),  # type: ignore[union-attr]
        )
    if over:
        conn.execute("DELETE FROM deadlines WHERE transfer_id = ANY(%s)", (over,))


def keep_users(
    conn: Connection[Any], changes: Sequence[tuple[AggregateState | None, User]], now: datetime
) -> None:
    """Keep who may come in, of users before and after; end the sessions of those who may no longer do
    what their tokens say; and of those that were erased, forget all that there is."""
    access = False
    for before, user in changes:
        if (
            isinstance(before, User)
            # Not only what is different: a suspension may be over in the same batch.
            and (before.role, before.status, before.barred) == (user.role, user.status, user.barred)
            and not user.is_erased
        ):
            continue
        # Of somebody new who is let in, nobody has to hear: that is what is taken of the unknown.
        access = access or before is not None or user.status != "active"
        conn.execute(
            "INSERT INTO user_access (user_id, role, status) VALUES (%s, %s, %s)"
            " ON CONFLICT (user_id) DO UPDATE SET role = excluded.role, status = excluded.status",
            (user.id, user.role, user.status),
        )
        if before is not None:
            # After the row above is locked: from then on nobody begins a session as the user was.
            sessions.end_all_sync(conn, user.id, now)
        if isinstance(before, User) and before.role != user.role:
            conn.execute(
                "UPDATE api_keys SET revoked_at = %s WHERE user_id = %s AND revoked_at IS NULL",
                (now, user.id),
            )
        if user.is_erased:
            conn.execute(
                "DELETE FROM idempotency_keys WHERE caller = ANY(%s) OR caller IN"
                " (SELECT 'public:' || encode(email_index, 'hex') FROM user_emails WHERE user_id = %s)",
                ([f"{role}:{user.id}" for role in ROLES], user.id),
            )
            for table, column in _PERSONAL:
                conn.execute(f"DELETE FROM {table} WHERE {column} = %s".encode(), (user.id,))
    if access:
        conn.execute("NOTIFY daybook_access")


_PERSONAL = (
    ("person_keys", "person_id"),
    ("user_emails", "user_id"),
    ("credentials", "user_id"),
    ("sessions", "user_id"),
    ("api_keys", "user_id"),
    ("outgoing_mail", "person_id"),
    ("webhook_endpoints", "owner_id"),
)
"""Table, column of the person: what an erasure deletes."""


def keep_applicants(conn: Connection[Any], erased: Sequence[CreditApplication]) -> None:
    """Forget who has applied without being a user."""
    ids = [each.id for each in erased]
    for table, column in _OF_APPLICANTS:
        conn.execute(f"DELETE FROM {table} WHERE {column} = ANY(%s)".encode(), (ids,))


_OF_APPLICANTS = (("person_keys", "person_id"), ("outgoing_mail", "person_id"))
"""As `_PERSONAL`: the person is the application."""


def keep_snapshots(conn: Connection[Any], accounts: Sequence[Account]) -> None:
    """Store states to start cold loads from."""
    conn.execute(
        "INSERT INTO snapshots (originator_id, version, shape, state)"
        " SELECT id, version, %s, state FROM unnest(%s::uuid[], %s::bigint[], %s::bytea[])"
        " AS taken (id, version, state)"
        " ON CONFLICT (originator_id) DO UPDATE"
        " SET version = excluded.version, shape = excluded.shape, state = excluded.state",
        (
            reading.SNAPSHOT_SHAPE,
            [a.id for a in accounts],
            [a.version for a in accounts],
            [reading.encode_snapshot(a) for a in accounts],
        ),
        prepare=True,
    )
