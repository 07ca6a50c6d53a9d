"""`daybook up` and `serve`: all of it on this machine, or its API by itself."""

from __future__ import annotations

import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated

import typer

from api import databases, demo, logs, secrets
from api.cli.projecting import notices
from api.local import sandboxes
from api.local.errors import LocalServerError
from api.local.postgres import EmbeddedPostgres
from api.local.sandboxes import Sandbox
from api.local.signals import StopSignals
from api.local.supervisor import Child, Supervisor
from api.settings import Settings, load_settings
from api.starting import check_address, is_loopback
from application.people.vault import Vault

_log = logging.getLogger("daybook.up")

_POLL_S = 0.1


def up(
    demo_data: Annotated[
        bool,
        typer.Option(
            "--demo/--no-demo",
            help="Fill an empty ledger with demo users and accounts; never one on DATABASE_URL, in"
            " production, or that other machines reach.",
        ),
    ] = True,
) -> None:
    """Run everything here: Postgres, migrations, API, projections, worker, a bank to try, until Ctrl-C.

    PORT (8000) and DATA_DIR (var) in the environment move it; DATABASE_URL uses another Postgres.
    """
    settings = load_settings()
    # Unless told: whoever starts all of it by one command reads the lines.
    settings = settings.model_copy(update={"LOG_FORMAT": settings.LOG_FORMAT or "text"})
    check_address(settings)
    demo_data = demo_data and is_for_looking_around(settings)
    with logs.running("up", settings), StopSignals() as signals:
        try:
            status = _up(settings, signals, demo_data=demo_data)
        except KeyboardInterrupt:
            status = 0
    typer.echo("Daybook has stopped.")
    raise typer.Exit(status)


def is_for_looking_around(settings: Settings) -> bool:
    """Whether sample users, whose passwords everybody knows, do no harm: nobody else gets at it."""
    return (
        settings.DATABASE_URL is None and not settings.is_production and is_loopback(settings.HOST)
    )


def _up(settings: Settings, signals: StopSignals, *, demo_data: bool) -> int:
    if settings.DATABASE_URL is not None:
        _prepare(settings, settings.DATABASE_URL, settings.admin_url or "", demo_data=demo_data)
        return _supervise(settings, settings.DATABASE_URL, signals, None, demo_data=demo_data)
    with EmbeddedPostgres(settings.DATA_DIR, notice=_teller(settings, logging.INFO)) as server:
        if server.adopted:
            raise LocalServerError(
                f"another daybook runs on {settings.DATA_DIR}: use that one, wait until it has "
                "ended, or set DATA_DIR to another folder"
            )
        _prepare(settings, server.url(), server.url(superuser=True), demo_data=demo_data)
        return _supervise(settings, server.url(), signals, server, demo_data=demo_data)


def _prepare(settings: Settings, conninfo: str, admin_url: str, *, demo_data: bool) -> None:
    tell = _teller(settings, logging.INFO)
    for migration in databases.migrate(admin_url):
        tell(f"migrated: {migration.number:04}_{migration.name}")
    if demo_data:
        with databases.make_ledger(settings, conninfo) as ledger:
            demo.fill_if_new(ledger, conninfo, tell)
            vault = Vault.open(conninfo, secrets.master_keys(settings))
            demo.add_users(ledger, conninfo, vault, databases.make_hasher(settings))


def _supervise(
    settings: Settings,
    conninfo: str,
    signals: StopSignals,
    server: EmbeddedPostgres | None,
    *,
    demo_data: bool,
) -> int:
    # -P: a folder `api` where the person happens to be is not this one.
    program = [sys.executable, "-P", "-m", "api.cli"]
    environment = {"DATABASE_URL": conninfo, "LOG_FORMAT": settings.log_format}
    children = []
    services = sandboxes.needed(settings) if is_for_looking_around(settings) else []
    for one in services:
        environment |= one.settings
        name = f"sandbox {one.name}"
        children.append(Child(name, [*program, *one.command], environment=one.secrets))
    children += [
        Child("projections", [*program, "project"], environment=environment),
        Child("worker", [*program, "worker"], environment=environment),
        Child("api", [*program, "serve"], environment=environment),
    ]
    welcome = (settings, signals, _welcome(settings, services, demo_data=demo_data))
    threading.Thread(target=_say_when_ready, args=welcome, daemon=True).start()
    watched = [server] if server is not None else []
    tell = _teller(settings, logging.WARNING)
    return Supervisor(children, watched=watched, notice=tell).run(signals)


def _say_when_ready(settings: Settings, signals: StopSignals, welcome: str) -> None:
    """Greet once the API answers, so that the commands shown work at once."""
    while not signals.requested:
        try:
            with socket.create_connection((settings.HOST, settings.PORT), timeout=1):
                _say(welcome)
                return
        except OSError:
            time.sleep(_POLL_S)


def _welcome(settings: Settings, services: Sequence[Sandbox], *, demo_data: bool) -> str:
    host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
    url = f"http://{host}:{settings.PORT}"
    kept = "your database" if settings.DATABASE_URL is not None else f"{settings.DATA_DIR}/"
    return f"""
Daybook runs at {url}
The API's description: {url}/docs{
        "".join(
            f'''
A {one.name} to try it with: {one.url}/docs, its token in {one.header}'''
            for one in services
        )
    }

{_first_steps(url, demo_data=demo_data)}

Ctrl-C stops it; the data stay in {kept} for the next time.
"""


def _first_steps(url: str, *, demo_data: bool) -> str:
    if not demo_data:
        return """The first administrator is made here, and asked for a password:
  daybook users create you@example.com --name 'Your Name' --role admin"""
    post = f"curl -H @auth.txt -H 'Content-Type: application/json' -X POST {url}/api"
    return f"""Try, in another terminal (the README lists the sample users):
  {demo.login_command(url)}
  curl -H @auth.txt '{url}/api/accounts?limit=3'
  {post}/transfers -d '{demo.EXAMPLE_TRANSFER}'
  {post}/investments -d '{demo.EXAMPLE_INVESTMENT}'
  curl -H @auth.txt '{url}/api/investments?limit=1'"""


def serve_api() -> None:
    """Serve the API on a migrated database, until SIGTERM or Ctrl-C."""
    from api.server import serve  # its framework takes long to load, and `up` has no use for it

    settings = load_settings()
    check_address(settings)
    # uvicorn repeats the signal that stopped it, which would end this process before its cleaning up.
    with (
        logs.running("api", settings),
        StopSignals(),
        suppress(KeyboardInterrupt),
        databases.ready_database(settings, notices(settings)) as conninfo,
    ):
        serve(settings, conninfo)


def _teller(settings: Settings, level: int) -> Callable[[str], None]:
    """Where the notices of `daybook up` go: to its output for people, to the log for programs."""
    if settings.log_format == "text":
        return _say
    return partial(_log.log, level, "%s")


def _say(text: str) -> None:
    typer.echo(text)
    sys.stdout.flush()
