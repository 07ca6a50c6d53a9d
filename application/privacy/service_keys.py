"""Keys of the service itself, by name: made when first asked for, the same for all processes from then on."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from application.privacy.master_keys import MasterKeys, Wrapped
from application.privacy.sealing import new_key

PREFIX = "service:"
"""Wrapped keys are bound to this and their name."""


def get_or_make(conn: Connection[Any], masters: MasterKeys, name: str) -> bytes:
    """The 32 bytes of the key with this name. Raises `MasterKeyMissingError`, `SealBrokenError`."""
    kept = _find(conn, name)
    if kept is None:
        conn.execute(
            "INSERT INTO service_keys (name, master_key_id, wrapped) VALUES (%s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            (name, *masters.wrap(new_key(), f"{PREFIX}{name}")),
        )
        kept = _find(conn, name)  # of whoever was first
        assert kept is not None, "keys of the service are never deleted"
    return masters.unwrap(kept, f"{PREFIX}{name}")


def _find(conn: Connection[Any], name: str) -> Wrapped | None:
    row = conn.execute(
        "SELECT master_key_id, wrapped FROM service_keys WHERE name = %s", (name,)
    ).fetchone()
    return None if row is None else Wrapped(*row)
