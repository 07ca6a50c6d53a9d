"""How connections to the database are made that stay open for long: they notice when it has vanished."""

from __future__ import annotations

from typing import Any

CONNECTION: dict[str, Any] = {
    "connect_timeout": 5,
    # The network's silence counts as a lost connection.
    "tcp_user_timeout": 15_000,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
}
"""Options for `psycopg.connect` and for pools."""
