"""A sandbox bank for tests: over real HTTP, in a thread, at the same address after a restart."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2

from api.sandbox.bank import BankConfig
from api.sandbox.running import sandbox_server
from api.sandbox.service import create_bank
from tests.support.processes import free_port
from tests.support.waiting import until

SECRET = "whsec_c2FuZGJveC1iYW5rLXdlYmhvb2stc2VjcmV0"
TOKEN = "token-of-the-sandbox"


class SandboxBank:
    """Behaves as `daybook sandbox bank` does; see `application.outbound.bank` for the other side."""

    token = TOKEN

    def __init__(
        self, webhook_url: str | None, secret: str, settle_after: float, data: Path | None
    ) -> None:
        self.secret = secret
        self._port = free_port()
        self._webhook_url = webhook_url
        self._settle_after = settle_after
        self._data = data
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start, again at the same address; returns once it answers."""
        config = BankConfig(
            token=TOKEN,
            data=self._data,
            webhook_url=self._webhook_url,
            webhook_secret=self.secret,
            settle_after_s=self._settle_after,
        )
        self._server = sandbox_server(create_bank(config), "127.0.0.1", self._port)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        thread = self._thread
        until(lambda: self._server.started or not thread.is_alive())
        assert self._server.started, "the sandbox bank does not start"
        self._http = httpx2.Client(
            base_url=self.url, headers={"authorization": f"Bearer {TOKEN}"}, timeout=30
        )

    def stop(self) -> None:
        """Nobody answers at its address any more; without `data` it forgets all."""
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
        """Tell of what becomes of movements there, from now on and after restarts."""
        self._webhook_url = url
        self._http.put("/webhooks/target", json={"url": url}).raise_for_status()

    def accepted(self) -> dict[UUID, int]:
        """How often each movement was taken on."""
        told = self._http.get("/accepted").raise_for_status().json()
        return {UUID(movement_id): times for movement_id, times in told.items()}

    def movement(self, movement_id: UUID) -> dict[str, Any]:
        """A movement as the bank shows it, with its history."""
        found = self._http.get(f"/v1/movements/{movement_id}").raise_for_status().json()
        assert isinstance(found, dict)
        return found

    def statement(self, **params: str) -> bytes:
        """What it booked; see its route."""
        return self._http.get("/v1/statement", params=params).raise_for_status().content


@contextmanager
def sandbox_bank(
    webhook_url: str | None = None,
    secret: str = SECRET,
    settle_after: float = 0.0,
    data: Path | None = None,
) -> Iterator[SandboxBank]:
    """A running one."""
    bank = SandboxBank(webhook_url, secret, settle_after, data)
    bank.start()
    try:
        yield bank
    finally:
        bank.stop()
