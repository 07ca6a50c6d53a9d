"""The stack of docker-compose.yml without containers: its commands and settings, process by process.

Names of services become addresses of this machine; all else is what compose would start.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from api.local import cluster
from api.local.postgres import EmbeddedPostgres
from tests.deploy import made_up
from tests.deploy.composing import composed
from tests.support.folders import data_folder
from tests.support.processes import PATIENCE_S, ROOT, Daybook, free_port
from tests.support.redis import RedisServer

_TRUSTED_AS_IN_THE_IMAGE = """\
local postgres postgres trust
local all      all      scram-sha-256
"""
"""A password is asked for, as by the image's Postgres over the network."""


class Served:
    """A Postgres, a Redis and a migrated database; roles are started by the tests."""

    def __init__(
        self, variables: dict[str, str], sockets: str, redis: RedisServer, folder: Path
    ) -> None:
        self.variables = variables
        self.services: dict[str, Any] = composed(variables)["services"]
        self._sockets = sockets
        self._owner_url = f"postgresql://postgres@/postgres?host={quote(sockets, safe='')}"
        # The balancer tells the servers apart that share a name; here the first is meant.
        self.ports = free_ports(2)
        bank, bureau = free_ports(2)
        self._places = {
            "redis:6379": redis.url.removeprefix("redis://").partition("/")[0],
            "api:8000": f"127.0.0.1:{self.ports[0]}",
            "sandbox:8010": f"127.0.0.1:{bank}",
            "8010": bank,
            "sandbox-bureau:8011": f"127.0.0.1:{bureau}",
            "8011": bureau,
            "0.0.0.0": "127.0.0.1",
            "/var/lib/daybook": str(folder),
        }

    def settings(self, service: str, **more: str) -> dict[str, str]:
        """What compose gives to a service, with addresses of this machine."""
        given: dict[str, str] = self.services[service]["environment"]
        return {name: self._here(value) for name, value in given.items()} | more

    def run(self, service: str, **more: str) -> Daybook:
        """The process of a service, to be started."""
        command: list[str] = self.services[service]["command"]
        here = [self._here(word) for word in command]
        return Daybook(*here, settings=self.settings(service, **more))

    def finish(self, service: str) -> str:
        """Run a service that ends by itself; answers what it said. It must succeed."""
        with self.run(service) as process:
            process.wait_for(lambda: process.status() == 0)
            return process.output

    def prepare_database(self) -> None:
        """What the image does to an empty volume: the owner's password, then our script."""
        with psycopg.connect(self._owner_url, autocommit=True) as conn:
            password = sql.Literal(self.variables["POSTGRES_PASSWORD"])
            conn.execute(sql.SQL("ALTER ROLE postgres PASSWORD {}").format(password))
        given: dict[str, str] = self.services["database"]["environment"]
        where = {
            "PATH": f"{cluster.programs()}:{os.environ['PATH']}",
            "PGHOST": self._sockets,
            "PGPASSWORD": given["POSTGRES_PASSWORD"],
        }
        script = ROOT / "deploy" / "compose" / "init.sh"
        subprocess.run(["sh", script], env=given | where, check=True, timeout=PATIENCE_S)

    def _here(self, value: str) -> str:
        """A setting or an argument with what is elsewhere in a container."""
        user, at, name = value.partition("@database:5432/")
        if at:
            return f"{user}@/{name}?host={quote(self._sockets, safe='')}"
        for there, here in self._places.items():
            value = re.sub(rf"(?<![\w.]){re.escape(there)}(?![\w.])", here, value)
        return value


@contextmanager
def served() -> Iterator[Served]:
    """The stack's servers, and a database that its migration job has brought to this version."""
    with data_folder() as folder, ExitStack() as stack:
        folder.chmod(0o755)  # where root runs the tests, Postgres is another user
        rules = folder / "pg_hba.conf"
        rules.write_text(_TRUSTED_AS_IN_THE_IMAGE)
        settings = {"fsync": "off", "shared_buffers": "64MB", "hba_file": str(rules)}
        server = stack.enter_context(EmbeddedPostgres(folder / "database", settings=settings))
        sockets = str(conninfo_to_dict(server.url())["host"])
        data = folder / "data"
        data.mkdir()
        variables = made_up.with_sandbox()
        service = composed(variables)["services"]["redis"]
        _, _, *options = service["command"]
        script = str(ROOT / "deploy" / "compose" / "redis.sh")
        redis = RedisServer(*options, start=("sh", script), environment=service["environment"])
        stack.enter_context(redis)
        made = Served(variables, sockets, redis, data)
        made.prepare_database()
        made.finish("migrate")
        yield made


def free_ports(how_many: int) -> list[str]:
    ports: set[int] = set()
    while len(ports) < how_many:
        ports.add(free_port())
    return [str(port) for port in ports]
