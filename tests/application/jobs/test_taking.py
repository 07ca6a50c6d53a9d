"""A job belongs to one worker at a time, and only that one says what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from psycopg import Connection
from psycopg.errors import LockNotAvailable

from application.jobs import Failure, Job, LeaseLostError, finish, put
from application.jobs.ending import again, bury, cancel, fail, put_off
from application.jobs.taking import give_back, keep, take
from tests.conftest import Database
from tests.support.jobs import Jobs, job, put_one


def taken(conn: Connection[Any], worker: str = "a", lease_s: float = 60) -> Job:
    found = take(conn, "default", ["thing"], worker, lease_s)
    assert found is not None
    return found


def test_the_first_is_what_is_due_with_the_best_priority(jobs: Jobs) -> None:
    later, last, first, next_ = (
        job(priority=0, delay_s=3600), job(priority=9), job(priority=0), job(priority=5)
    )  # fmt: skip
    others = job(priority=0, queue="banking"), job("unknown", priority=0)
    put(jobs.conn, [later, last, first, next_, *others])
    assert [taken(jobs.conn).id for _ in range(3)] == [first.id, next_.id, last.id]
    assert take(jobs.conn, "default", ["thing"], "a", 60) is None
    jobs.hurry()
    assert taken(jobs.conn).id == later.id


def test_many_who_take_at_once_never_get_the_same(database: Database, jobs: Jobs) -> None:
    new = [job() for _ in range(200)]
    put(jobs.conn, new)

    def take_all(worker: int) -> list[UUID]:
        mine = []
        with database.connect() as conn:
            while found := take(conn, "default", ["thing"], str(worker), 60):
                mine.append(found.id)
        return mine

    with ThreadPoolExecutor(8) as threads:
        found = Counter(id_ for mine in threads.map(take_all, range(8)) for id_ in mine)
    assert found == Counter(one.id for one in new)


def test_whose_time_is_over_has_nothing_to_say_any_more(database: Database, jobs: Jobs) -> None:
    put_one(database, job())
    late = taken(jobs.conn, "late", lease_s=0)
    assert give_back(jobs.conn) == [late.id]
    assert jobs.outcomes(late.id) == ["lost"]
    with pytest.raises(LeaseLostError):
        finish(jobs.conn, late, {"said": "late"})
    with pytest.raises(LeaseLostError):
        fail(jobs.conn, late, Failure("system", "late"), 1)
    with pytest.raises(LeaseLostError):
        bury(jobs.conn, late, Failure("system", "late"))
    with pytest.raises(LeaseLostError):
        again(jobs.conn, late, 1)
    now = taken(jobs.conn, "late")  # the same worker may even be the one that takes it over
    with pytest.raises(LeaseLostError):
        finish(jobs.conn, late, {"said": "late"})
    assert now.id == late.id
    assert keep(jobs.conn, "late", [now.id], 60) == {(now.id, now.attempt)}
    assert keep(jobs.conn, "other", [now.id], 60) == set()
    finish(jobs.conn, now, {"said": "now"})
    assert jobs.of(now.id, "result") == {"said": "now"}
    assert jobs.outcomes(now.id) == ["lost", "done"]


def test_who_ends_a_job_waits_for_nobody_who_has_its_row(database: Database, jobs: Jobs) -> None:
    put(jobs.conn, [job()])
    mine, failure = taken(jobs.conn), Failure("system", "a mistake")
    jobs.conn.execute("SET statement_timeout = '20s'")  # or it would wait for ever
    with database.connect() as other, other.transaction():
        other.execute("SELECT FROM jobs FOR UPDATE")
        ends: list[Callable[[], None]] = [
            lambda: finish(jobs.conn, mine),
            lambda: bury(jobs.conn, mine, failure),
            lambda: cancel(jobs.conn, mine),
            lambda: fail(jobs.conn, mine, failure, 1),
            lambda: again(jobs.conn, mine, 1),
            lambda: put_off(jobs.conn, mine, 1),
        ]
        for end in ends:
            with pytest.raises(LockNotAvailable):
                end()
    finish(jobs.conn, mine)
    assert jobs.outcomes(mine.id) == ["done"]


def test_who_keeps_jobs_does_not_wait_for_one_that_is_being_ended(
    database: Database, jobs: Jobs
) -> None:
    put(jobs.conn, [job(), job()])
    one, other = taken(jobs.conn), taken(jobs.conn)
    with database.connect() as ending, ending.transaction():
        finish(ending, one)
        assert keep(jobs.conn, "a", [one.id, other.id], 60) == {(other.id, other.attempt)}
