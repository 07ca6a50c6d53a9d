"""A line of the log for each request, once it is over."""

from __future__ import annotations

import logging
from time import perf_counter

from starlette.types import Message, Scope

from api.origins import network_of

_access = logging.getLogger("daybook.access")

_SLOW_S = 1.0
"""Requests whose answers begin later are worth a line by default."""


class Access:
    """What is told of a request when it is over."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._begun = perf_counter()
        self._waited_s = 0.0
        self._status: int | None = None
        self._bytes = 0

    def note(self, message: Message) -> None:
        """Something of the answer is about to be sent."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._waited_s = perf_counter() - self._begun
        else:
            self._bytes += len(message.get("body", b""))

    def write(self) -> None:
        """A line that most people see of what failed, had no answer, or began late; streams are long."""
        worth = self._status is None or self._status >= 500 or self._waited_s > _SLOW_S
        level = logging.WARNING if worth else logging.DEBUG
        if not _access.isEnabledFor(level):
            return
        client = self._scope.get("client")
        fields = {
            "method": self._scope["method"],
            "path": self._scope["path"],
            "status": self._status,
            "duration_ms": round((perf_counter() - self._begun) * 1000, 3),
            "bytes": self._bytes,
            "client": network_of(client[0]) if client else None,
        }
        _access.log(level, "request", extra=fields)
