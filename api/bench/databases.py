"""The databases that the benchmark measures on, all on one embedded Postgres of its own."""

from __future__ import annotations

from itertools import count

import psycopg

from api.local.postgres import EmbeddedPostgres
from migrations import runner


class Databases:
    """Makes databases on `server`, which runs with the product's own settings: fsync is on."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._numbers = count(1)

    def migrated(self) -> str:
        """The URL of a new, migrated database for the application's role."""
        name = self._create()
        with psycopg.connect(self._server.url(name, superuser=True)) as conn:
            runner.up(conn)
        return self._server.url(name)

    def empty(self) -> str:
        """The URL of a new database for a role that may make its own tables there."""
        return self._server.url(self._create(), superuser=True)

    def admin_url(self, url: str) -> str:
        """The same database as a role that may make tables beside the application's."""
        name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
        return self._server.url(str(name), superuser=True)

    def settle(self) -> None:
        """Have the server write out what was measured before, so that the next row does not pay for it."""
        with psycopg.connect(self._server.url("postgres", superuser=True), autocommit=True) as conn:
            conn.execute("CHECKPOINT")

    def _create(self) -> str:
        name = f"bench_{next(self._numbers)}"
        url = self._server.url("postgres", superuser=True)
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute(f"CREATE DATABASE {name}".encode())
        return name
