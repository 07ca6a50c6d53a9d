"""Chooses whom an event is told to, with what the log says of whom it concerns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from psycopg import Connection

from application.jobs import Job, Kind, NewJob, finish, put
from application.ledger.reading import load
from application.notifications.choosing import (
    Parties,
    jobs_for,
    of_alarm,
    of_application,
    of_bank_transfer,
    of_investment,
    of_loan,
)
from application.processes.reading import read_event, read_first
from application.webhooks.delivering import FAN_OUT
from domain import funds
from domain.bank_transfers import BankTransfer
from domain.credit_applications import CreditApplication
from domain.fraud_alarms import FraudAlarm
from domain.investments import Investment
from domain.loans import Loan

Connect = Callable[[], AbstractContextManager[Connection[Any]]]


def kind(connect: Connect) -> Kind:
    """What a worker has to know of jobs `notify.tell`, whose payload is {position}."""

    def tell(job: Job, ctx: object) -> dict[str, Any]:
        with connect() as conn, conn.transaction():
            event = read_event(conn, job.payload["position"])
            parties = _parties(conn, event.stream_id)
            jobs = [] if parties is None else jobs_for(event, parties)
            told = {"jobs": len(put(conn, _heard(conn, jobs)))}
            finish(conn, job, told)
        return told

    return Kind(handler=tell, time_limit_s=30, waits_s=(1.0, 5.0, 30.0, 300.0))


def _heard(conn: Connection[Any], jobs: Sequence[NewJob]) -> Sequence[NewJob]:
    """Without webhooks when nobody listens to any."""
    if not any(job.kind == FAN_OUT for job in jobs):
        return jobs
    row = conn.execute(_IS_ANYBODY_LISTENING, prepare=True).fetchone()
    if row is not None and row[0]:
        return jobs
    return [job for job in jobs if job.kind != FAN_OUT]


_IS_ANYBODY_LISTENING = "SELECT EXISTS (SELECT FROM webhook_endpoints WHERE status = 'enabled')"


def _parties(conn: Connection[Any], flow_id: UUID) -> Parties | None:
    flow = load(conn, [flow_id])[flow_id]
    if isinstance(flow, BankTransfer):
        return of_bank_transfer(flow)
    if isinstance(flow, CreditApplication):
        return of_application(flow)
    if isinstance(flow, Loan):
        return of_loan(flow)
    if isinstance(flow, FraudAlarm):
        return of_alarm(flow)
    if not isinstance(flow, Investment):
        return None
    # Not the fund as it is: that is all that has ever been invested in it.
    first = read_first(conn, flow.requested.fund_id)
    opened = None if first is None else first.data
    return of_investment(flow, opened if isinstance(opened, funds.Opened) else None)
