"""Operators see what there is, try it again and give it up; old jobs are forgotten."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from application.jobs import Failure, finish, put
from application.jobs.ending import bury, fail
from application.jobs.operating import (
    attempts_of,
    cancel,
    find,
    list_jobs,
    retry,
    retry_dead,
    stats,
)
from application.jobs.pruning import prune
from application.jobs.taking import take
from domain.refusals import Refusal
from tests.conftest import Database
from tests.support.jobs import Jobs, asked, job


def one_of_each(jobs: Jobs) -> dict[str, UUID]:
    """A job of each status, by the status; the one that waits has failed once."""
    made = {}
    for status in ("waiting", "done", "dead", "cancelled", "running"):
        new = job(payload={"for": status})
        put(jobs.conn, [new])
        made[status] = new.id
        mine = take(jobs.conn, "default", ["thing"], "a worker", 60)
        assert mine is not None
        if status == "done":
            finish(jobs.conn, mine, {"all": "well"})
        elif status == "dead":
            bury(jobs.conn, mine, Failure("business", "no", "where it was"))
        elif status != "running":
            fail(jobs.conn, mine, Failure("external", "away"), 3600)
    jobs.conn.execute("UPDATE jobs SET status = 'cancelled' WHERE id = %s", (made["cancelled"],))
    return made


def test_the_dead_and_the_cancelled_run_again_with_their_id_and_what_waits_runs_now(
    database: Database, jobs: Jobs
) -> None:
    made = one_of_each(jobs)
    for status in ("dead", "cancelled", "waiting"):
        row = asked(database, retry, made[status])
        assert (row.id, row.status, row.failures) == (made[status], "waiting", 0)
        assert jobs.of(made[status], "due_at <= now()")
    for status, reason in (("done", "job_over"), ("running", "job_running")):
        with pytest.raises(Refusal, match=reason):
            asked(database, retry, made[status])
    with pytest.raises(Refusal, match="job_not_found"):
        asked(database, retry, uuid4())


def test_all_the_dead_of_a_kind_run_again(database: Database, jobs: Jobs) -> None:
    made = one_of_each(jobs)
    assert asked(database, retry_dead, kind="other") == 0
    assert asked(database, retry_dead, queue="default") == 1
    assert jobs.of(made["dead"], "status") == "waiting"
    assert jobs.of(made["cancelled"], "status") == "cancelled"


def test_what_is_given_up_is_not_run(database: Database, jobs: Jobs) -> None:
    made = one_of_each(jobs)
    assert asked(database, cancel, made["dead"]).status == "cancelled"
    assert jobs.of(made["dead"], "finished_at IS NOT NULL")
    for status in ("running", "waiting"):
        row = asked(database, cancel, made[status])
        assert (row.status, row.cancel_asked) == (status, True)
    for status in ("done", "cancelled"):
        with pytest.raises(Refusal, match="job_over"):
            asked(database, cancel, made[status])
    assert jobs.of(made["waiting"], "due_at <= now()"), "for a worker to end it"
    mine = take(jobs.conn, "default", ["thing"], "a worker", 60)
    assert mine is not None
    assert (mine.id, mine.cancel_asked) == (made["waiting"], True)


def test_a_list_is_filtered_and_goes_on_where_it_ended(database: Database, jobs: Jobs) -> None:
    made = one_of_each(jobs)
    first = asked(database, list_jobs, limit=3)
    rest = asked(database, list_jobs, limit=9, after=(first[-1].created_at, first[-1].id))
    assert [row.status for row in first + rest] == [
        "running",
        "cancelled",
        "dead",
        "done",
        "waiting",
    ]
    dead = asked(database, list_jobs, limit=9, status="dead", kind="thing", queue="default")
    assert [(row.id, row.error, row.trace) for row in dead] == [
        (made["dead"], "no", "where it was")
    ]
    assert asked(database, list_jobs, limit=9, queue="banking") == []
    assert asked(database, find, made["done"]).result == {"all": "well"}
    tries = asked(database, attempts_of, made["dead"])
    assert [(one.number, one.outcome, one.error) for one in tries] == [(1, "business", "no")]


def test_queues_tell_what_they_have(database: Database, jobs: Jobs) -> None:
    one_of_each(jobs)
    put(jobs.conn, [job(queue="banking", delay_s=60)])
    banking, default = asked(database, stats)
    assert (banking.queue, banking.waiting, banking.due, banking.behind_s) == ("banking", 1, 0, 0.0)
    assert (default.queue, default.waiting, default.due, default.failing) == ("default", 1, 0, 1)
    assert (default.running, default.dead, default.done_last_minutes) == (1, 1, 1)
    jobs.conn.execute("UPDATE jobs SET due_at = now() - interval '1 h' WHERE status = 'waiting'")
    assert [one.behind_s >= 3600 for one in asked(database, stats)] == [True, True]


def test_what_is_over_for_a_week_is_forgotten_but_the_dead(jobs: Jobs) -> None:
    made = one_of_each(jobs)
    jobs.conn.execute("UPDATE jobs SET finished_at = now() WHERE status = 'cancelled'")
    put(jobs.conn, [job(unique_key="open"), job(unique_key="over", unique_for_s=0)])
    assert prune(jobs.conn) == 0
    assert jobs.conn.execute("SELECT key FROM job_keys").fetchall() == [("open",)]
    jobs.conn.execute("UPDATE jobs SET finished_at = finished_at - interval '7 d 1 s'")
    assert prune(jobs.conn, timedelta(days=8)) == 0
    assert prune(jobs.conn) == 2
    left = {row[0] for row in jobs.conn.execute("SELECT id FROM jobs").fetchall()}
    assert made["dead"] in left
    assert not left & {made["done"], made["cancelled"]}
    assert jobs.outcomes(made["done"]) == []
