"""A sandbox bureau for tests: over real HTTP, in a thread, at the same address after a restart."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx2

from api.sandbox.bureau import BureauConfig
from api.sandbox.bureau_service import create_bureau
from api.sandbox.running import sandbox_server
from tests.support.processes import free_port
from tests.support.waiting import until

SECRET = "whsec_c2FuZGJveC1idXJlYXUtd2ViaG9vay1zZWNyZXQ="
TOKEN = "token-of-the-bureau"


class SandboxBureau:
    """Behaves as `daybook sandbox bureau` does; see `application.outbound.bureau` for the other side."""

    token = TOKEN
    secret = SECRET

    def __init__(self, webhook_url: str | None, answer_after: float) -> None:
        self._port = free_port()
        self._webhook_url = webhook_url
        self._answer_after = answer_after
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start, again at the same address; returns once it answers."""
        config = BureauConfig(
            token=TOKEN,
            webhook_url=self._webhook_url,
            webhook_secret=SECRET,
            answer_after_s=self._answer_after,
        )
        self._server = sandbox_server(create_bureau(config), "127.0.0.1", self._port)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        thread = self._thread
        until(lambda: self._server.started or not thread.is_alive())
        assert self._server.started, "the sandbox bureau does not start"
        self._http = httpx2.Client(
            base_url=self.url, headers={"authorization": f"Bearer {TOKEN}"}, timeout=30
        )

    def stop(self) -> None:
        """Nobody answers at its address any more, and it forgets all."""
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

    def set_scores(self, scores: dict[str, Any]) -> None:
        """By document number, instead of those before: 640, None, or `{"score": 640, "debt": "12.50"}`."""
        self._http.put("/scores", json=scores).raise_for_status()

    def send_webhooks_to(self, url: str) -> None:
        """Tell of late reports there, from now on and after restarts."""
        self._webhook_url = url
        self._http.put("/webhooks/target", json={"url": url}).raise_for_status()

    def asked(self) -> dict[UUID, int]:
        """How often each report was asked for, also when that went wrong."""
        told = self._http.get("/asked").raise_for_status().json()
        return {UUID(report_id): times for report_id, times in told.items()}


@contextmanager
def sandbox_bureau(
    webhook_url: str | None = None, answer_after: float = 0.0
) -> Iterator[SandboxBureau]:
    """A running one."""
    bureau = SandboxBureau(webhook_url, answer_after)
    bureau.start()
    try:
        yield bureau
    finally:
        bureau.stop()
