"""Sends requests as fast as they are answered, in a process of its own: `python -m api.bench.load`."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from api.bench import children, client
from api.bench.posting import BenchError


async def flood(
    port: int,
    token: str,
    path: str,
    bodies: list[str],
    connections: int,
    seconds: float,
    status: int,
) -> dict[str, Any]:
    """Keep `connections` busy for some seconds; answers how many requests were answered how fast.

    Raises `BenchError` at the first answer with another status.
    """
    requests = [client.post(path, token, body) for body in bodies]
    opened = [await client.connect(port) for _ in range(connections)]
    for connection in opened:
        _check(await connection.ask(requests[0]), status)
    start = time.perf_counter()
    end = start + seconds

    async def keep_busy(number: int, connection: client.Connection) -> int:
        answered, next_ = 0, number
        while time.perf_counter() < end:
            _check(await connection.ask(requests[next_ % len(requests)]), status)
            answered += 1
            next_ += connections
        return answered

    counts = await asyncio.gather(*(keep_busy(n, c) for n, c in enumerate(opened)))
    took = time.perf_counter() - start
    for connection in opened:
        connection.close()
    return {"answers": sum(counts), "seconds": took}


def _check(answered: client.Answered, status: int) -> None:
    if answered.status != status:
        text = answered.body[:200].decode(errors="replace")
        raise BenchError(f"answered {answered.status}, not {status}: {text}")


if __name__ == "__main__":
    children.answer(asyncio.run(flood(**children.question())))
