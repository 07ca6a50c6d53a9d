"""Bare calls of a bank, as many at once as a worker makes: what flows cannot be faster than."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx2

from api.bench.posting import BenchError

CALLS_AT_ONCE = 16
"""Of the worker too: by default it makes three, and then flows wait for each other."""


def calls_per_s(port: int, token: str, calls: int) -> float:
    """Instructions a second that the bank takes on, asked by as many threads."""
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:

        def call(_: int) -> None:
            movement_id = str(uuid4())
            body = {
                "movement_id": movement_id,
                "kind": "payout",
                "direction": "out",
                "amount": 1_00,
                "currency": "EUR",
                "account": "bench",
                "reference": "bench",
            }
            key = {"Idempotency-Key": movement_id}
            answer = client.post("/v1/movements", json=body, headers=key)
            if answer.status_code >= 300:
                raise BenchError(f"the bank answered {answer.status_code}: {answer.text[:200]}")

        begun = time.perf_counter()
        with ThreadPoolExecutor(CALLS_AT_ONCE) as threads:
            list(threads.map(call, range(calls)))
        return calls / (time.perf_counter() - begun)
