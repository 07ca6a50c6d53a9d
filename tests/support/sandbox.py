"""A service of the sandbox for tests: over real HTTP, in a thread, at the same address after a restart."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import httpx2
from fastapi import FastAPI

from api.sandbox.running import sandbox_server
from tests.support.processes import free_port
from tests.support.waiting import until


class SandboxService:
    """Behaves as `daybook sandbox` does. What it is, `_app` says."""

    token: ClassVar[str]

    def __init__(self, webhook_url: str | None) -> None:
        self._port = free_port()
        self._webhook_url = webhook_url
        self._thread: threading.Thread | None = None

    def _app(self) -> FastAPI:
        """It, as it is when it is started."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start, again at the same address; returns once it answers."""
        self._server = sandbox_server(self._app(), "127.0.0.1", self._port)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        thread = self._thread
        until(lambda: self._server.started or not thread.is_alive())
        assert self._server.started, "the sandbox does not start"
        self._http = httpx2.Client(
            base_url=self.url, headers={"authorization": f"Bearer {self.token}"}, timeout=30
        )

    def stop(self) -> None:
        """Nobody answers at its address any more, and it forgets all but what it keeps in a file."""
        if self._thread is None:
            return
        self._http.close()
        self._server.should_exit = True
        self._thread.join()
        self._thread = None

    def set_faults(self, *rules: dict[str, Any]) -> None:
        """Go wrong by these rules instead of those before, as `{"fault": "500", "times": 2}`."""
        self._http.put("/faults", json=rules).raise_for_status()

    def clear_faults(self) -> None:
        self._http.delete("/faults").raise_for_status()

    def send_webhooks_to(self, url: str) -> None:
        """Tell of what happens there, from now on and after restarts."""
        self._webhook_url = url
        self._http.put("/webhooks/target", json={"url": url}).raise_for_status()

    def _counted(self, path: str) -> dict[UUID, int]:
        told = self._http.get(path).raise_for_status().json()
        return {UUID(id_): times for id_, times in told.items()}


S = TypeVar("S", bound=SandboxService)


@contextmanager
def started(service: S) -> Iterator[S]:
    """While it runs."""
    service.start()
    try:
        yield service
    finally:
        service.stop()
