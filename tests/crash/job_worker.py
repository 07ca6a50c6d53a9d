"""A worker process whose jobs are calls to a server of the test's: `python -m tests.crash.job_worker`
with the databases' and Redis' addresses and the server's."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import httpx2

from application.jobs import ExternalError, Job, Kind
from application.jobs.workers import Workers
from tests.support.processes import PATIENCE_S

LEASE_S = 5.0


def main(conninfo: str, redis_url: str, server_url: str) -> None:
    def call(job: Job, ctx: Any) -> dict[str, Any]:
        headers = {"Idempotency-Key": str(job.id), "X-Worker": str(os.getpid())}
        try:
            answer = httpx2.post(server_url, headers=headers, timeout=PATIENCE_S)
        except httpx2.TransportError as error:
            raise ExternalError(str(error)) from error
        return {"said": answer.text}

    kinds = {"call": Kind(call, time_limit_s=int(PATIENCE_S))}
    with Workers(conninfo, kinds, redis_url=redis_url, lease_s=LEASE_S):
        print("ready", flush=True)
        signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main(*sys.argv[1:])
