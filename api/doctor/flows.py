"""Checks of what takes days: that somebody drives it, and that nothing waits that nobody looks at."""

from __future__ import annotations

from typing import Any

from psycopg import AsyncConnection

from api.doctor.findings import Finding, Looked, count, warning, wrong
from api.doctor.patient import Patient
from application.jobs import operating as jobs
from application.processes import operating
from application.processes.catalogue import processes as known

_MANY_BEHIND = 10_000
_LONG_S = 60.0


def processes(patient: Patient) -> Looked:
    """Each process follows the log, and no flow waits for an operator."""

    async def ask(conn: AsyncConnection[Any]) -> list[operating.Overview]:
        return await operating.overview(conn, tuple(known()))

    found = patient.ask(ask)
    findings: list[Finding] = []
    for one in found:
        if one.behind > _MANY_BEHIND:
            findings.append(
                wrong(
                    f"Process {one.name} is {count(one.behind, 'event')} behind: its flows stand still.",
                    "Run `daybook worker`; when it runs, its log says what it waits for.",
                )
            )
        if stuck := one.flows.get("stuck", 0):
            findings.append(
                warning(
                    f"{count(stuck, 'flow')} of process {one.name} wait for an operator.",
                    f"See them with `daybook processes list --name {one.name} --status stuck`; then"
                    " `retry`, `skip` or `compensate` each.",
                )
            )
    flows = sum(sum(one.flows.values()) for one in found)
    return Looked(f"{count(flows, 'flow')}, by {len(found)} processes", findings)


def dead_jobs(patient: Patient) -> Looked:
    """No job has been given up, and none waits although its time has come."""

    async def ask(conn: AsyncConnection[Any]) -> list[jobs.QueueStats]:
        return await jobs.stats(conn)

    found = patient.ask(ask)
    findings: list[Finding] = []
    for one in found:
        if one.dead:
            findings.append(
                warning(
                    f"{count(one.dead, 'job')} of the queue {one.queue} are given up.",
                    "See why with `daybook jobs dead`, then `daybook jobs retry` or `cancel` each.",
                )
            )
        if one.behind_s > _LONG_S:
            findings.append(
                warning(
                    f"The queue {one.queue} is {one.behind_s:,.0f} s behind.",
                    "Run `daybook worker`, or more of them: with BANK_URL for the queue banking, and with"
                    " BUREAU_URL for the queue bureaus.",
                )
            )
    waiting = sum(one.waiting for one in found)
    return Looked(f"{count(waiting, 'job')} waiting", findings)
