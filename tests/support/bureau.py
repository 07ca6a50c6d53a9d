"""A sandbox bureau for tests."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from fastapi import FastAPI

from api.sandbox.bureau import BureauConfig
from api.sandbox.bureau_service import create_bureau
from tests.support.sandbox import SandboxService, started

SECRET = "whsec_c2FuZGJveC1idXJlYXUtd2ViaG9vay1zZWNyZXQ="
TOKEN = "token-of-the-bureau"


class SandboxBureau(SandboxService):
    """Behaves as `daybook sandbox bureau` does; see `application.outbound.bureau` for the other side."""

    token = TOKEN
    secret = SECRET

    def __init__(self, webhook_url: str | None, answer_after: float) -> None:
        super().__init__(webhook_url)
        self._answer_after = answer_after

    def _app(self) -> FastAPI:
        return create_bureau(
            BureauConfig(
                token=TOKEN,
                webhook_url=self._webhook_url,
                webhook_secret=SECRET,
                answer_after_s=self._answer_after,
            )
        )

    def set_scores(self, scores: dict[str, Any]) -> None:
        """By document number, instead of those before: 640, None, or `{"score": 640, "debt": "12.50"}`."""
        self._http.put("/scores", json=scores).raise_for_status()

    def asked(self) -> dict[UUID, int]:
        """How often each report was asked for, also when that went wrong."""
        return self._counted("/asked")


def sandbox_bureau(
    webhook_url: str | None = None, answer_after: float = 0.0
) -> AbstractContextManager[SandboxBureau]:
    """A running one."""
    return started(SandboxBureau(webhook_url, answer_after))
