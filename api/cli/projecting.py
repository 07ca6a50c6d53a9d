"""`daybook project`: keeps the read models up to date."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from api import databases, logs
from api.local.signals import StopSignals
from api.settings import Settings, load_settings
from projections.catalogue import READ_MODELS, ReadModel
from projections.rebuilder import Rebuilder
from projections.runner import Runner

_log = logging.getLogger("daybook.up")


def project() -> None:
    """Keep the read models up to date, and rebuild them when asked to, until SIGTERM or Ctrl-C.

    A second one stands by.
    """
    settings = load_settings()
    with (
        logs.running("projections", settings),
        StopSignals(),
        suppress(KeyboardInterrupt),
        databases.ready_database(settings, notices(settings)) as conninfo,
    ):
        keep_up(conninfo, READ_MODELS, partial(logs.configure, "projections", settings))


def keep_up(
    conninfo: str, models: Sequence[ReadModel], prepare: Callable[[], None] | None = None
) -> None:
    """Run read models and what is asked of their rebuilds, until SIGTERM or Ctrl-C."""
    logging.getLogger("daybook").setLevel(load_settings().LOG_LEVEL)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    rebuilder = Rebuilder(conninfo, models, prepare)
    rebuilds = threading.Thread(target=rebuilder.run, args=(stop,), name="rebuilds")
    rebuilds.start()
    try:
        Runner(conninfo, models).run(stop)
    finally:
        stop.set()
        rebuilds.join()


def notices(settings: Settings) -> Callable[[str], None]:
    """Where a role's notices of its own Postgres go."""
    return databases.to_stderr if settings.log_format == "text" else partial(_log.info, "%s")
