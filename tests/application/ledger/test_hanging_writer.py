"""A writer that hangs in the middle of its transaction does not stop the others for long."""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import Connection

from application.event_store.appending import Appender, lock_head
from application.ledger import Accepted, Ledger, Submission, WriteFailedError
from application.ledger import ledger as module
from domain.accounts import OpenAccount
from tests.conftest import Database
from tests.support.ledgers import WHO, submission
from tests.support.waiting import until


def test_a_ledger_that_hangs_while_it_holds_the_head_is_ended_by_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_HEAD_WAIT_S", 1)
    end_all = module._END_HANGING_WRITERS.replace("4 seconds", "0 seconds")
    monkeypatch.setattr(module, "_END_HANGING_WRITERS", end_all)
    hanging = psycopg.connect(database.url, autocommit=True, application_name="daybook ledger")
    hanging.execute("BEGIN")
    appender = Appender(hanging, lock_head(hanging))
    event = (uuid4().bytes, 1, "account.opened", b"\x00\x00\x00\x02{}", b"{}")
    appender.add([event] * 500)  # in the middle of its COPY
    with Ledger(database.url) as ledger:
        done = ledger.submit_and_wait(submission(OpenAccount(uuid4(), "A", "cash", "EUR")))
    assert isinstance(done.outcomes[0], Accepted)
    assert done.outcomes[0].position == 1
    with pytest.raises(psycopg.OperationalError):
        appender.finish()
    hanging.close()


def test_somebody_else_who_holds_the_head_is_left_alone_and_callers_are_told(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_HEAD_WAIT_S", 1)
    monkeypatch.setattr(module, "_PATIENCE_S", 1.0)
    with database.connect() as somebody:
        somebody.execute("BEGIN")
        lock_head(somebody)
        with Ledger(database.url) as ledger:
            future = ledger.submit(submission(OpenAccount(uuid4(), "A", "cash", "EUR")))
            with pytest.raises(WriteFailedError) as failed:
                future.result(30)
            assert failed.value.outcome_known
            assert ledger.busy_for_s == 0
        somebody.execute("ROLLBACK")


def test_a_row_that_is_locked_is_the_loss_of_who_needs_it_and_of_no_other_writer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_HEAD_WAIT_S", 1)
    # Whoever is ended for holding the head would be ended at once.
    end_all = module._END_HANGING_WRITERS.replace("4 seconds", "0 seconds")
    monkeypatch.setattr(module, "_END_HANGING_WRITERS", end_all)
    together = threading.Event()

    def wait(conn: Connection[Any]) -> None:
        assert together.wait(60)

    def need(conn: Connection[Any]) -> None:
        conn.execute("UPDATE process_checkpoints SET position = 1")

    name = "daybook ledger"
    with (
        psycopg.connect(database.url, application_name=name) as holder,
        Ledger(database.url) as ledger,
    ):
        holder.execute("INSERT INTO process_checkpoints (name, position) VALUES ('any', 0)")
        holder.commit()
        holder.execute("SELECT FROM process_checkpoints FOR UPDATE")
        opening = [OpenAccount(uuid4(), "A", "cash", "EUR") for _ in range(4)]
        first = ledger.submit(Submission([opening[0]], WHO, beside=wait))
        until(lambda: ledger.waiting_commands == 0)
        before, needing, after = (
            ledger.submit(Submission([command], WHO, beside=beside))
            for command, beside in zip(opening[1:], (None, need, None), strict=True)
        )
        together.set()
        with pytest.raises(WriteFailedError, match="holds what it needs") as failed:
            needing.result(60)
        assert failed.value.outcome_known
        for one in (first, before, after):
            assert isinstance(one.result(60).outcomes[0], Accepted)
        holder.execute("SELECT 1")
        holder.rollback()
        holder.execute("DELETE FROM process_checkpoints")
