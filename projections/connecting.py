"""Connections of the read side that stay open for long: they notice when the other side has vanished."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import AsyncConnection, Connection

_KEEPALIVE: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}

# The server lets go of a vanished client's locks as soon as the client would notice a vanished server.
_SESSION = (
    "SET timezone TO 'UTC'; SET tcp_keepalives_idle TO 5; SET tcp_keepalives_interval TO 2;"
    " SET tcp_keepalives_count TO 3"
)


def connect(conninfo: str, name: str) -> Connection[Any]:
    """A connection in autocommit mode that writes read models.

    Its commits don't wait for the disk: rows and checkpoint are lost together or not at all, and
    what a crash of the server takes away is projected again from the log. It must be a session of
    its own (no transaction pooling): it holds locks and listens.
    """
    conn = psycopg.connect(conninfo, autocommit=True, application_name=name, **_KEEPALIVE)
    conn.execute(f"{_SESSION}; SET synchronous_commit TO off".encode())
    return conn


async def connect_async(conninfo: str, name: str) -> AsyncConnection[Any]:
    """A connection in autocommit mode that listens. It must be a session of its own."""
    conn = await AsyncConnection.connect(
        conninfo, autocommit=True, application_name=name, **_KEEPALIVE
    )
    try:
        await conn.execute(_SESSION.encode())
    except BaseException:  # being cancelled too: nobody else has it yet who would close it
        await conn.close()
        raise
    return conn
