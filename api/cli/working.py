"""`daybook worker`: drives what takes days, and does the jobs that it asks for."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import suppress

from api import databases, logs, starting
from api.local.signals import StopSignals
from api.settings import load_settings
from api.workers import running_worker

_log = logging.getLogger("daybook.worker")


def worker() -> None:
    """Drive processes, fire deadlines and run jobs, until SIGTERM or Ctrl-C.

    Any number may run, on any number of machines: a flow is driven by one of them, and a job is run by
    one of them.
    """
    settings = load_settings()
    starting.require_fit_services(settings)
    starting.require_sound_tables()
    with (
        logs.running("worker", settings),
        StopSignals(),
        suppress(KeyboardInterrupt),
        databases.ready_database(settings, databases.to_stderr) as conninfo,
    ):
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if settings.BANK_URL is None:
            _log.warning(
                "there is no BANK_URL: what banks are to be asked waits for a worker with one"
            )
        if settings.BUREAU_URL is None:
            _log.warning(
                "there is no BUREAU_URL: what credit bureaus are to be asked waits for a worker with one"
            )
        with running_worker(settings, conninfo):
            stop.wait()
