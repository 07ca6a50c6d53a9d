"""Sends commands at a steady rate and reads each one back as soon as it is visible, in a process of
its own: `python -m api.bench.pace`."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

from api.bench import children, client
from api.bench.posting import BenchError

_CREATED, _OK, _NOT_YET = 201, 200, 503
_GIVE_UP_S = 30.0
"""The API gives a read up after two seconds; it is then asked again, and the waiting counts on."""
_WARM_UP = 50


class Pacer:
    """Connections to the API, taken and given back by one command after the other."""

    def __init__(self, port: int, token: str, commands: list[tuple[str, str]]) -> None:
        self._port = port
        self._token = token
        self._commands = [
            (client.post("/api/transfers", token, body), read) for body, read in commands
        ]
        self._idle: deque[client.Connection] = deque()

    async def visible_ms(self, number: int) -> float:
        """Milliseconds from sending a command until a read that must include it has answered."""
        # The one that waits longest: the server closes those that are not used for some seconds.
        connection = self._idle.popleft() if self._idle else await client.connect(self._port)
        request, read = self._commands[number % len(self._commands)]
        start = time.perf_counter()
        posted = await connection.ask(request)
        if posted.status != _CREATED:
            raise BenchError(f"a command was answered {posted.status}: {posted.body[:200]!r}")
        again = client.get(f"{read}?min_position={posted.position}", self._token)
        while (shown := await connection.ask(again)).status == _NOT_YET:
            if time.perf_counter() - start > _GIVE_UP_S:
                raise BenchError(f"a command was not visible after {_GIVE_UP_S:.0f} s")
        took = time.perf_counter() - start
        if shown.status != _OK:
            raise BenchError(f"a read was answered {shown.status}: {shown.body[:200]!r}")
        self._idle.append(connection)
        return took * 1000

    async def warm_up(self) -> None:
        """Some commands one by one; the first waits until the projector has begun."""
        for number in range(_WARM_UP):
            await self.visible_ms(number)

    async def run(self, per_second: int, seconds: float, least_share: float) -> list[float]:
        """Each command's milliseconds, in order. Raises `BenchError` when less than a share of the
        rate could be sent: a generator that falls behind has not measured what it says."""
        total = int(per_second * seconds)
        start = time.perf_counter()
        tasks = []
        for number in range(total):
            wait_s = start + number / per_second - time.perf_counter()
            await asyncio.sleep(max(wait_s, 0))
            tasks.append(asyncio.create_task(self.visible_ms(number)))
        sent_at = total / (time.perf_counter() - start)
        if sent_at < least_share * per_second:
            raise BenchError(f"only {sent_at:.0f} of {per_second} commands/s could be sent")
        return list(await asyncio.gather(*tasks))


async def pace(
    port: int,
    token: str,
    commands: list[tuple[str, str]],
    per_second: int,
    seconds: float,
    least_share: float,
) -> dict[str, Any]:
    """Send (body, path of the read) pairs; answers the milliseconds of each."""
    pacer = Pacer(port, token, commands)
    await pacer.warm_up()
    return {"visible_ms": await pacer.run(per_second, seconds, least_share)}


if __name__ == "__main__":
    children.answer(asyncio.run(pace(**children.question())))
