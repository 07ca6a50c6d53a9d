"""PDFs are drawn one after the other, and none for those who have gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from fastapi import Request
from starlette.types import Message

from api.problems import ProblemError
from api.routes import statements


def request(*, is_there: bool = True) -> Request:
    async def receive() -> Message:
        if is_there:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "GET", "path": "/", "headers": []}, receive)


class Drawings:
    """How many are under way."""

    def __init__(self) -> None:
        self.begun = 0
        self._under_way = 0

    async def draw(self) -> AsyncGenerator[bytes]:
        self.begun += 1
        assert self._under_way == 0, "another one is being drawn"
        self._under_way += 1
        for _ in range(5):
            await asyncio.sleep(0)
        self._under_way -= 1
        yield b"%PDF-"


def test_one_is_drawn_at_a_time() -> None:
    drawings = Drawings()

    async def all_at_once() -> list[bytes]:
        turn = asyncio.Lock()
        return await asyncio.gather(
            *(statements.drawn(request(), turn, drawings.draw()) for _ in range(3))
        )

    assert asyncio.run(all_at_once()) == [b"%PDF-"] * 3


def test_who_has_gone_or_waited_for_too_long_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    drawings = Drawings()

    async def ask() -> None:
        turn = asyncio.Lock()
        with pytest.raises(ProblemError, match="service_unavailable"):
            await statements.drawn(request(is_there=False), turn, drawings.draw())
        async with turn:
            monkeypatch.setattr(statements, "PATIENCE_S", 0)
            with pytest.raises(ProblemError, match="service_unavailable"):
                await statements.drawn(request(), turn, drawings.draw())
        assert drawings.begun == 0
        monkeypatch.undo()
        assert await statements.drawn(request(), turn, drawings.draw()) == b"%PDF-"

    asyncio.run(ask())
