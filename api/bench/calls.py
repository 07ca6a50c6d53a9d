"""Bare calls of a bank or a bureau, as many at once as a worker makes: flows cannot be faster than that."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx2

from api.bench.posting import BenchError

CALLS_AT_ONCE = 16
"""Of the worker too: by default it makes three, and then flows wait for each other."""


def calls_per_s(port: int, token: str, calls: int) -> float:
    """Instructions a second that the bank takes on."""
    body = {
        "kind": "payout",
        "direction": "out",
        "amount": 1_00,
        "currency": "EUR",
        "account": "bench",
        "reference": "bench",
    }
    return _per_s(port, token, calls, "/v1/movements", "movement_id", body)


def reports_per_s(port: int, token: str, calls: int) -> float:
    """Reports a second that the bureau gives."""
    body = {
        "application_id": str(uuid4()),
        "country": "CO",
        "document_type": "cc",
        "document_number": "12345678",
        "full_name": "Somebody",
        "monthly_income": "20000000.00",
        "loan_type": "",
    }
    return _per_s(port, token, calls, "/v1/reports", "report_id", body)


def _per_s(
    port: int, token: str, calls: int, path: str, id_name: str, body: Mapping[str, object]
) -> float:
    """Calls a second of as many threads, each call with an id of its own."""
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:

        def call(_: int) -> None:
            id_ = str(uuid4())
            answer = client.post(
                path, json={id_name: id_, **body}, headers={"Idempotency-Key": id_}
            )
            if answer.status_code >= 300:
                raise BenchError(f"answered {answer.status_code}: {answer.text[:200]}")

        begun = time.perf_counter()
        with ThreadPoolExecutor(CALLS_AT_ONCE) as threads:
            list(threads.map(call, range(calls)))
        return calls / (time.perf_counter() - begun)
