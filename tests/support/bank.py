"""A sandbox bank for tests."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from uuid import UUID

from fastapi import FastAPI

from api.sandbox.bank import BankConfig
from api.sandbox.service import create_bank
from tests.support.sandbox import SandboxService, started

SECRET = "whsec_c2FuZGJveC1iYW5rLXdlYmhvb2stc2VjcmV0"
TOKEN = "token-of-the-sandbox"


class SandboxBank(SandboxService):
    """Behaves as `daybook sandbox bank` does; see `application.outbound.bank` for the other side."""

    token = TOKEN

    def __init__(
        self, webhook_url: str | None, secret: str, settle_after: float, data: Path | None
    ) -> None:
        super().__init__(webhook_url)
        self.secret = secret
        self._settle_after = settle_after
        self._data = data

    def _app(self) -> FastAPI:
        return create_bank(
            BankConfig(
                token=TOKEN,
                data=self._data,
                webhook_url=self._webhook_url,
                webhook_secret=self.secret,
                settle_after_s=self._settle_after,
            )
        )

    def accepted(self) -> dict[UUID, int]:
        """How often each movement was taken on."""
        return self._counted("/accepted")

    def movement(self, movement_id: UUID) -> dict[str, Any]:
        """A movement as the bank shows it, with its history."""
        found = self._http.get(f"/v1/movements/{movement_id}").raise_for_status().json()
        assert isinstance(found, dict)
        return found

    def statement(self, **params: str) -> bytes:
        """What it booked; see its route."""
        return self._http.get("/v1/statement", params=params).raise_for_status().content


def sandbox_bank(
    webhook_url: str | None = None,
    secret: str = SECRET,
    settle_after: float = 0.0,
    data: Path | None = None,
) -> AbstractContextManager[SandboxBank]:
    """A running one; without `data` it forgets all when it is stopped."""
    return started(SandboxBank(webhook_url, secret, settle_after, data))
