"""The log lines of Daybook's processes: JSON for programs or text for people, without secrets."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, TextIO

import structlog
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from api.redaction import redact, redact_text
from api.settings import Settings
from domain.texts import DECEIVING

Service = Literal["api", "projections", "up", "worker"]
"""Which of Daybook's processes a line is from."""

DAYBOOK = "daybook"

_log = logging.getLogger("daybook.process")

_NOT_TOLD = frozenset({"_record", "color_message"})
"""What is added to records for programs of other kinds: the second is uvicorn's, a message once more."""
_UNFIT = re.compile(rf"[{DECEIVING}]")


@contextmanager
def running(service: Service, settings: Settings) -> Iterator[None]:
    """Log as the settings say for as long as the process runs, also what ends it."""
    configure(service, settings)
    # For programs only: a person at a terminal sees it start and stop.
    level = logging.INFO if settings.log_format == "json" else logging.DEBUG
    _log.log(level, "starts")
    yield
    _log.log(level, "has stopped")


def configure(service: Service, settings: Settings) -> None:
    """Send this process' log lines to stderr, and whatever ends one of its threads with them.

    Daybook's own loggers obey LOG_LEVEL. Other libraries speak from WARNING on, or less than that.
    """
    handler = logging.StreamHandler(sys.stderr)
    formatter = make_formatter(service, settings.log_format, sys.stderr, settings.SERVICE_NAME)
    handler.setFormatter(formatter)
    level = logging.getLevelNamesMapping()[settings.LOG_LEVEL]
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
    logging.getLogger("daybook").setLevel(level)
    logging.captureWarnings(True)
    sys.excepthook = _on_exception
    threading.excepthook = _on_thread_exception


def make_formatter(
    service: Service, log_format: Literal["json", "text"], stream: TextIO, name: str = DAYBOOK
) -> logging.Formatter:
    """What turns a record of the standard library into a line; text has colours on a terminal.

    With another `name` than Daybook's own, lines for programs are of the service `name-service`.
    """
    render: list[Processor]
    if log_format == "json":
        render = [_encode]
    else:
        console = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(),
            pad_event_to=0,
            pad_level=False,
            sort_keys=False,
            exception_formatter=structlog.dev.plain_traceback,
        )
        render = [_for_people, console]

    of = service if name == DAYBOOK else f"{name}-{service}"

    def describe(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return _members(of, event["_record"], event)

    return ProcessorFormatter(processors=[describe, _without_secrets, *render])


def _members(service: str, record: logging.LogRecord, event: EventDict) -> EventDict:
    """What a line consists of. A record's own members never stand in for the line's."""
    when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
    members: EventDict = {
        "timestamp": when.removesuffix("+00:00") + "Z",
        "level": record.levelname.lower(),
        "service": service,
        "logger": record.name,
        "event": event["event"],
        **structlog.contextvars.get_contextvars(),
    }
    # Not the record's: `ProcessorFormatter` has taken it from there.
    if event.get("exc_info"):
        members["exception"] = logging.Formatter().formatException(event["exc_info"])
    if event.get("stack_info"):
        members["stack"] = event["stack_info"]
    for name, value in ExtraAdder()(_log, "", {"_record": record}).items():
        if name not in _NOT_TOLD:
            members[f"{name}_" if name in members else name] = value
    return members


def _without_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    redacted = redact(event)
    assert isinstance(redacted, dict)
    return redacted


def _encode(_: WrappedLogger, __: str, event: EventDict) -> str:
    # In ASCII, so that nothing in it can end a line or steer a terminal.
    return json.dumps(event, default=_text)


def _text(value: object) -> str:
    """What a value says of itself, without secrets. A value that cannot speak loses no line."""
    try:
        return redact_text(str(value))
    except Exception:  # noqa: BLE001 - any class of anybody's, in a line that may say what broke
        return f"({type(value).__name__})"


def _for_people(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """The same with a shorter time, and only the lines of an exception or a stack are lines."""
    del event["service"]  # the logger's name tells it
    shown: EventDict = {}
    for name, value in event.items():
        if name in ("exception", "stack"):
            lines = str(value).split("\n")
            shown[name] = "\n".join(f"    {escape(line)}" for line in lines)
        else:
            shown[escape(name)] = escape(_text(value))
    shown["timestamp"] = f"{event['timestamp'][:19]}Z"
    return shown


def escape(text: str) -> str:
    """One line that a terminal shows as it is: ends of lines and escapes are spelled out."""
    return _UNFIT.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _on_exception(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    _log.critical("ended by an unexpected error", exc_info=(kind, error, trace))


def _on_thread_exception(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is None or issubclass(ended.exc_type, SystemExit):
        return
    name = ended.thread.name if ended.thread is not None else "unknown"
    trace = (ended.exc_type, ended.exc_value, ended.exc_traceback)
    _log.critical("a thread was ended by an unexpected error: %s", name, exc_info=trace)
