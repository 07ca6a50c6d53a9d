"""A worker is killed when a credit bureau has answered and nothing is decided yet: the next one decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID, uuid4

from psycopg import Connection

from api.workers import running_worker
from application.ledger import Ledger
from application.ledger.reading import load
from application.processes import credit
from domain.credit_applications import CreditApplication, Decided, Offered
from tests.conftest import Database
from tests.support.bureau import sandbox_bureau
from tests.support.credit_world import submission
from tests.support.ledgers import accepted
from tests.support.log import assert_sound, rows
from tests.support.people import settings
from tests.support.processes import Daybook, settings_of
from tests.support.stepping import stepping
from tests.support.waiting import until

ENDS = {790: "approved", 450: "rejected", None: "manual_review"}
"""What a bureau's score leads to."""


def test_what_a_bureau_has_answered_is_decided_once_by_whoever_comes_next(
    database: Database, tmp_path: Path
) -> None:
    with Ledger(database.url) as ledger, sandbox_bureau() as bureau:
        asked = {uuid4(): score for score in ENDS for _ in range(2)}
        documents = {id_: f"DOCUMENT{id_.int % 10**10:010}" for id_ in asked}
        bureau.set_scores({documents[id_]: score for id_, score in asked.items()})
        there = {"BUREAU_URL": bureau.url, "BUREAU_TOKEN": bureau.token}
        worker = Daybook("worker", settings=settings_of(database) | there)
        with database.connect(superuser=True) as conn:
            with stepping(ledger, database.url, credit.process()) as steps:
                # As long as this test holds the process, no worker drives it: they do jobs only.
                steps.followers[0].stand_by(steps.conn, Event())
                for id_ in asked:
                    apply(ledger, id_, documents[id_])
                steps.work()
                with worker:
                    worker.wait_for(lambda: all(s.assessed for s in states(conn, asked)))
                    worker.kill()
                assert not topics(conn)[Decided.topic]
            with running_worker(settings(**there, DATA_DIR=tmp_path), database.url):
                until(lambda: all(is_at_rest(s) for s in states(conn, asked)))
            ends = [s.status for s in states(conn, asked)]
            assert ends == [ENDS[score] for score in asked.values()]
            told = topics(conn)
            assert (told[Decided.topic], told[Offered.topic]) == (len(asked), 2)
            assert_sound(conn)
        assert set(bureau.asked().values()) == {1}


def apply(ledger: Ledger, id_: UUID, document: str) -> None:
    """Sealed for nobody: nobody is to be told."""
    asks = submission(
        id_, report_id=uuid4(), applicant_id=uuid4(), document_number=document, full_name="Somebody",
        person_id=None, owner_id=None, account_id=None, monthly_income=1_000_00,
    )  # fmt: skip
    accepted(ledger, asks)


def states(conn: Connection[Any], ids: Iterable[UUID]) -> list[CreditApplication]:
    found = load(conn, list(ids))
    return [state for state in found.values() if isinstance(state, CreditApplication)]


def is_at_rest(there: CreditApplication) -> bool:
    if there.status == "approved":
        return there.offer_status == "made"
    return there.status in ("rejected", "manual_review")


def topics(conn: Connection[Any]) -> Counter[str]:
    return Counter(row.topic for row in rows(conn))
