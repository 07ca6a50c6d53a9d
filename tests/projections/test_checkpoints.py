"""Checkpoints: the library's contract, and the fence of a move."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import TestCase

import psycopg
import pytest
from eventsourcing.persistence import OperationalError, Tracking, TrackingRecorder
from eventsourcing.tests.persistence import TrackingRecorderTestCase
from psycopg_pool import ConnectionPool

from projections import checkpoints
from projections.checkpoints import Checkpoint, Checkpoints
from tests.conftest import Database


class CheckpointsAreTrackingTest(TrackingRecorderTestCase, TestCase):
    """The cases that the library publishes for its contract."""

    pool: ConnectionPool[Any]

    @pytest.fixture(autouse=True)
    def _pool(self, database: Database) -> Iterator[None]:
        with ConnectionPool(database.url, min_size=1) as self.pool:
            yield

    def create_recorder(self) -> TrackingRecorder:
        return Checkpoints(self.pool)


del TrackingRecorderTestCase  # abstract: its cases run in the class above


def test_a_database_that_is_away_is_the_librarys_operational_error(database: Database) -> None:
    with ConnectionPool(database.url, min_size=1, check=None) as pool:
        recorder = Checkpoints(pool)
        recorder.insert_tracking(Tracking("any", 1))
        with database.connect(superuser=True) as admin:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
                          " datname = current_database() AND pid <> pg_backend_pid()")  # fmt: skip
        with pytest.raises(OperationalError):
            recorder.max_tracking_id("any")


def test_a_move_is_refused_from_another_position(conn: psycopg.Connection[Any]) -> None:
    checkpoints.put(conn, "any", 5, code_version=1)
    assert not checkpoints.begin_move(conn, "any", old=4, new=6, code_version=1, epoch=0)
    conn.execute("ROLLBACK")
    assert checkpoints.read(conn, "any") == Checkpoint(5, 1, None)


def test_a_move_is_refused_when_other_code_has_filled_the_tables(
    conn: psycopg.Connection[Any],
) -> None:
    checkpoints.put(conn, "any", 5, code_version=2)
    assert not checkpoints.begin_move(conn, "any", old=5, new=6, code_version=1, epoch=0)
    conn.execute("ROLLBACK")


def test_a_move_is_refused_once_others_have_changed_the_tables(
    conn: psycopg.Connection[Any],
) -> None:
    checkpoints.put(conn, "any", 5, code_version=1)
    before = checkpoints.epoch(conn, "any")
    checkpoints.put(conn, "any", 5, code_version=1)
    assert not checkpoints.begin_move(conn, "any", old=5, new=6, code_version=1, epoch=before)
    conn.execute("ROLLBACK")


def test_an_error_without_a_checkpoint_vouches_for_no_tables(conn: psycopg.Connection[Any]) -> None:
    checkpoints.record_error(conn, "any", "can't be set up")
    assert checkpoints.read(conn, "any") == Checkpoint(0, 0, "can't be set up")


def test_a_move_clears_the_error_and_keeps_to_its_schema(conn: psycopg.Connection[Any]) -> None:
    checkpoints.put(conn, "odd name", 0, code_version=3)
    checkpoints.record_error(conn, "odd name", "went wrong\0")
    assert checkpoints.read(conn, "odd name") == Checkpoint(0, 3, "went wrong")
    assert checkpoints.begin_move(conn, "odd name", old=0, new=7, code_version=3, epoch=0)
    assert conn.execute("SHOW search_path").fetchone() == ('"odd name"',)
    checkpoints.commit_move(conn, "odd name", 7)
    assert checkpoints.read(conn, "odd name") == Checkpoint(7, 3, None)
    assert conn.execute("SHOW search_path").fetchone() == ('"$user", public',)
