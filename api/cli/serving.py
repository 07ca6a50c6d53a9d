"""`daybook up`, `serve` and `project`: all of it on this machine, or its roles one by one."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import Annotated

import typer

from api import demo, wiring
from api.local.errors import LocalServerError
from api.local.postgres import EmbeddedPostgres
from api.local.signals import StopSignals
from api.local.supervisor import Child, Supervisor
from api.server import check_address, serve
from api.settings import Settings, load_settings
from projections.rebuilder import Rebuilder
from projections.runner import Runner

_POLL_S = 0.1


def add_to(app: typer.Typer) -> None:
    app.command()(up)
    app.command("serve")(serve_api)
    app.command()(project)


def up(
    demo_data: Annotated[
        bool, typer.Option("--demo/--no-demo", help="Open demo accounts in an empty ledger.")
    ] = True,
) -> None:
    """Run everything here: Postgres, migrations, API and projections, until Ctrl-C.

    PORT (8000) and DATA_DIR (var) in the environment move it; DATABASE_URL uses another Postgres.
    """
    settings = load_settings()
    check_address(settings.HOST, settings.PORT)
    with StopSignals() as signals:
        try:
            status = _up(settings, signals, demo_data=demo_data)
        except KeyboardInterrupt:
            status = 0
    typer.echo("Daybook has stopped.")
    raise typer.Exit(status)


def _up(settings: Settings, signals: StopSignals, *, demo_data: bool) -> int:
    if settings.DATABASE_URL is not None:
        _prepare(settings, settings.DATABASE_URL, settings.admin_url or "", demo_data=demo_data)
        return _supervise(settings, settings.DATABASE_URL, signals, None, demo_data=demo_data)
    with EmbeddedPostgres(settings.DATA_DIR, notice=_say) as server:
        if server.adopted:
            raise LocalServerError(
                f"another daybook runs on {settings.DATA_DIR}: use that one, wait until it has "
                "ended, or set DATA_DIR to another folder"
            )
        _prepare(settings, server.url(), server.url(superuser=True), demo_data=demo_data)
        return _supervise(settings, server.url(), signals, server, demo_data=demo_data)


def _prepare(settings: Settings, conninfo: str, admin_url: str, *, demo_data: bool) -> None:
    for migration in wiring.migrate(admin_url):
        _say(f"migrated: {migration.number:04}_{migration.name}")
    if demo_data:
        with wiring.make_ledger(settings, conninfo) as ledger:
            demo.fill_if_new(ledger, conninfo, _say)


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
    environment = {"DATABASE_URL": conninfo}
    children = [
        Child("projections", [*program, "project"], environment=environment),
        Child("api", [*program, "serve"], environment=environment),
    ]
    welcome = (settings, signals, _welcome(settings, demo_data=demo_data))
    threading.Thread(target=_say_when_ready, args=welcome, daemon=True).start()
    watched = [server] if server is not None else []
    return Supervisor(children, watched=watched, notice=_say).run(signals)


def _say_when_ready(settings: Settings, signals: StopSignals, welcome: str) -> None:
    """Greet once the API answers, so that the commands shown work at once."""
    while not signals.requested:
        try:
            with socket.create_connection((settings.HOST, settings.PORT), timeout=1):
                _say(welcome)
                return
        except OSError:
            time.sleep(_POLL_S)


def _welcome(settings: Settings, *, demo_data: bool) -> str:
    host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
    url = f"http://{host}:{settings.PORT}"
    kept = "your database" if settings.DATABASE_URL is not None else f"{settings.DATA_DIR}/"
    post = f"curl -X POST {url}/api/transfers -H 'Content-Type: application/json' -d"
    example = f"\n  {post} '{demo.EXAMPLE_TRANSFER}'" if demo_data else ""
    return f"""
Daybook runs at {url}  (this machine only: there is no authentication yet)
The API's description: {url}/docs

Try, in another terminal:
  curl {url}/api/trial-balance
  curl '{url}/api/accounts?limit=3'{example}

Ctrl-C stops it; the data stay in {kept} for the next time.
"""


def serve_api() -> None:
    """Serve the API on a migrated database, until SIGTERM or Ctrl-C."""
    settings = load_settings()
    check_address(settings.HOST, settings.PORT)
    # uvicorn repeats the signal that stopped it, which would end this process before its cleaning up.
    with StopSignals(), suppress(KeyboardInterrupt), wiring.ready_database(settings) as conninfo:
        serve(settings, conninfo)


def project() -> None:
    """Keep the read models up to date, and rebuild them when asked to, until SIGTERM or Ctrl-C.

    A second one stands by.
    """
    settings = load_settings()
    logging.getLogger("daybook").setLevel(settings.LOG_LEVEL)
    stop = threading.Event()
    with StopSignals(), suppress(KeyboardInterrupt), wiring.ready_database(settings) as conninfo:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        rebuilds = threading.Thread(target=Rebuilder(conninfo).run, args=(stop,), name="rebuilds")
        rebuilds.start()
        try:
            Runner(conninfo).run(stop)
        finally:
            stop.set()
            rebuilds.join()


def _say(text: str) -> None:
    typer.echo(text)
    sys.stdout.flush()
