"""The log passes the event sourcing library's own cases for recorders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import ApplicationRecorder, IntegrityError, StoredEvent
from eventsourcing.tests.persistence import (
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
)
from psycopg_pool import ConnectionPool

from application.event_store.recorder import LogRecorder
from tests.conftest import Database
from tests.support.log import chain_break


@pytest.fixture
def recorder(database: Database) -> Iterator[LogRecorder]:
    with ConnectionPool[Any](database.url, min_size=1, max_size=20, open=True) as pool:
        yield LogRecorder(pool)


@pytest.fixture(autouse=True)
def _recorder_of_the_case(request: pytest.FixtureRequest, recorder: LogRecorder) -> None:
    if request.instance is not None:
        request.instance.recorder = recorder


class TestLogRecorder(ApplicationRecorderTestCase[ApplicationRecorder]):
    recorder: LogRecorder

    def create_recorder(self) -> ApplicationRecorder:
        return self.recorder

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestPositionsDoNotInterleave(NonInterleavingNotificationIDsBaseCase):
    recorder: LogRecorder

    def create_recorder(self) -> ApplicationRecorder:
        return self.recorder


del ApplicationRecorderTestCase, NonInterleavingNotificationIDsBaseCase  # not to be collected


def stored(id_: UUID, version: int) -> StoredEvent:
    return StoredEvent(id_, version, "topic", b"{}" * 50)


def test_what_the_recorder_writes_is_in_the_chain(
    recorder: LogRecorder, database: Database
) -> None:
    id_ = uuid4()
    recorder.insert_events([stored(id_, 1), stored(id_, 2)])
    recorder.insert_events([stored(id_, 3)], metadata=b'{"actor":"x"}')
    with database.connect() as conn:
        assert chain_break(conn) is None


def test_an_insert_with_one_taken_version_leaves_nothing(recorder: LogRecorder) -> None:
    id_ = uuid4()
    recorder.insert_events([stored(id_, 1)])
    with pytest.raises(IntegrityError):
        recorder.insert_events([stored(uuid4(), 1), stored(id_, 1)])
    assert recorder.max_notification_id() == 1


def test_an_insert_that_fails_on_the_way_leaves_nothing(recorder: LogRecorder) -> None:
    id_ = uuid4()
    good = [stored(id_, version) for version in range(1, 1000)]
    with pytest.raises(ValueError, match="badly formed"):
        recorder.insert_events([*good, StoredEvent("not an id", 1, "topic", b"{}")])
    assert recorder.max_notification_id() is None
    assert recorder.insert_events([stored(id_, 1)]) == [1]
