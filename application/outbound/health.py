"""How services did last, in a table, so that every process can tell, not only the one that called."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Literal

import psycopg
from msgspec import Struct
from psycopg import Connection
from psycopg.rows import class_row

_log = logging.getLogger("daybook.outbound")


class ServiceHealth(Struct, frozen=True):
    """`state` is of the circuit; `failures` is how many count against the service; `error` the last."""

    service: str
    state: Literal["closed", "open", "half_open"]
    failures: int
    changed_at: datetime
    error: str | None = None


READ = "SELECT service, state, failures, changed_at, error FROM service_health ORDER BY service"
"""Its rows are those of `ServiceHealth`, in order."""

_KEEP = """
INSERT INTO service_health AS known (service, state, failures, changed_at, error)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (service) DO UPDATE SET state = excluded.state, failures = excluded.failures,
    changed_at = excluded.changed_at, error = excluded.error
WHERE known.changed_at <= excluded.changed_at
  AND (known.state, known.failures, known.error)
      IS DISTINCT FROM (excluded.state, excluded.failures, excluded.error)
"""


def keep(conn: Connection, health: ServiceHealth) -> None:
    """Write it down, unless it is known already or something newer is."""
    row = (health.service, health.state, health.failures, health.changed_at, health.error)
    conn.execute(_KEEP, row)


def service_health(conn: Connection) -> list[ServiceHealth]:
    """How each service did that was ever called."""
    with conn.cursor(row_factory=class_row(ServiceHealth)) as cursor:
        return cursor.execute(READ).fetchall()


class HealthKeeper:
    """Writes down what `Breakers` tells, on a connection of its own: changes are rare."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo

    def __call__(self, health: ServiceHealth) -> None:
        """A database that is away is logged only: the call that is under way matters more."""
        try:
            with Connection.connect(self._conninfo, autocommit=True, connect_timeout=2) as conn:
                keep(conn, health)
        except psycopg.Error as error:
            _log.warning("the state of %s could not be written down: %s", health.service, error)
