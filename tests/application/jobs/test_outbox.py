"""Jobs are put in with what asks for them, and once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

import psycopg

from application.jobs import put
from application.jobs.outbox import take_out
from tests.conftest import Database
from tests.support.jobs import Jobs, job, put_one


def test_a_job_is_there_with_its_transaction_or_not_at_all(database: Database, jobs: Jobs) -> None:
    taken_back, kept = job(), job()
    with psycopg.connect(database.url) as conn:
        put(conn, [taken_back])
        conn.rollback()
        put(conn, [kept])
        assert jobs.count("waiting") == 0
        conn.commit()
    assert jobs.of(kept.id, "status") == "waiting"
    assert jobs.count("waiting") == 1


def test_the_same_job_is_put_in_once(database: Database, jobs: Jobs) -> None:
    one, other = job(priority=1), job()
    with database.connect() as conn:
        assert put(conn, [one, one]) == [one.id]
        assert put(conn, [one, other]) == [other.id]
        assert put(conn, []) == []
    assert jobs.count("waiting") == 2


def test_of_a_key_one_job_is_put_in_however_many_try_at_once(
    database: Database, jobs: Jobs
) -> None:
    tries = 8
    together = Barrier(tries)

    def try_it(_: int) -> list[UUID]:
        with psycopg.connect(database.url) as conn:
            together.wait()
            return put(conn, [job(unique_key="evaluate 7"), job(unique_key="evaluate 7")])

    with ThreadPoolExecutor(tries) as threads:
        new = [id_ for found in threads.map(try_it, range(tries)) for id_ in found]
    assert len(new) == 1
    assert jobs.of(new[0], "unique_key") == "evaluate 7"
    assert jobs.count("waiting") == 1


def test_a_key_is_free_again_after_its_time(database: Database, jobs: Jobs) -> None:
    put_one(database, job(unique_key="k", unique_for_s=300))
    with database.connect() as conn:
        assert put(conn, [job(unique_key="k")]) == []
        conn.execute("UPDATE job_keys SET until = until - interval '300 s'")
    put_one(database, job(unique_key="k"))
    assert jobs.count("waiting") == 2


def test_what_is_needed_no_longer_is_taken_out_unless_a_worker_has_it(
    database: Database, jobs: Jobs
) -> None:
    waiting, taken, held = (put_one(database, job()) for _ in range(3))
    with database.connect() as worker, database.connect() as conn:
        worker.execute(
            "UPDATE jobs SET status = 'running', lease_until = now() + interval '1 hour'"
            " WHERE id = %s",
            (taken,),
        )
        with worker.transaction():
            worker.execute("SELECT FROM jobs WHERE id = %s FOR UPDATE", (held,))
            take_out(conn, [waiting, taken, held])  # and waits for nobody
        left = conn.execute("SELECT id FROM jobs").fetchall()
    assert {id_ for (id_,) in left} == {taken, held}
