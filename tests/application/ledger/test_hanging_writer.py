"""A writer that hangs in the middle of its transaction does not stop the others for long."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest

from application.event_store.appending import Appender, lock_head
from application.ledger import Accepted, Ledger, WriteFailedError
from application.ledger import ledger as module
from domain.accounts import OpenAccount
from tests.conftest import Database
from tests.support.ledgers import submission


def test_a_ledger_that_hangs_while_it_holds_the_head_is_ended_by_the_next(
    database: Database,
) -> None:
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
