"""Workers: what is put in is run, tried again, stopped and given up on, on either broker."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
import redis
from dramatiq import worker

from application.jobs import (
    Again,
    Bury,
    BusinessError,
    ExternalError,
    Failure,
    Job,
    Kind,
    NewJob,
    finish,
    put,
    taking,
    waking,
)
from application.jobs.operating import cancel
from application.ledger import Ledger, Submission
from domain.accounts import OpenAccount
from tests.conftest import Database
from tests.projections.histories import WHO
from tests.support.jobs import Jobs, asked, job, put_one, working
from tests.support.redis import RedisServer
from tests.support.waiting import until


@pytest.fixture(params=["in process", "redis"])
def broker(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What workers are given to share wake-ups, or not to."""
    if request.param == "in process":
        return {}
    server: RedisServer = request.getfixturevalue("redis_server")
    return {"redis_url": server.url}


@pytest.fixture
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker looks soon whether Redis is there again."""
    monkeypatch.setattr(waking, "_REDIS_AGAIN_S", 0.2)
    monkeypatch.setattr(worker, "CONSUMER_RESTART_DELAY_SECS", 0.2)


def test_what_is_put_in_before_or_after_is_run(
    broker: dict[str, Any], database: Database, jobs: Jobs, caplog: pytest.LogCaptureFixture
) -> None:
    before = put_one(database, job(payload={"n": 1}, correlation_id="c-1"))
    with (
        caplog.at_level(logging.INFO, "daybook.jobs"),
        working(database, lambda job, ctx: {"n": job.payload["n"], "ctx": ctx}, ctx="it", **broker),
    ):
        jobs.becomes(before, "done")
        after = put_one(database, job(payload={"n": 2}))
        jobs.becomes(after, "done")
        until(lambda: len([r for r in caplog.records if hasattr(r, "job_id")]) == 2)
    assert jobs.of(before, "result") == {"n": 1, "ctx": "it"}
    assert jobs.of(after, "result") == {"n": 2, "ctx": "it"}
    assert jobs.outcomes(after) == ["done"]
    told = vars(next(r for r in caplog.records if getattr(r, "job_id", "") == str(before)))
    assert told["outcome"] == "done"
    assert (told["kind"], told["attempt"], told["correlation_id"]) == ("thing", 1, "c-1")
    assert told["duration_ms"] > 0


def failing(error: Exception) -> Callable[[Job, Any], None]:
    def fail(job: Job, ctx: Any) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "outcomes"),
    [
        (ExternalError("the bank is away"), ["external"] * 3),
        (ValueError("a mistake\0"), ["system"] * 2),
        (BusinessError("no such account"), ["business"]),
    ],
    ids=["external", "system", "business"],
)
def test_what_goes_on_failing_is_dead_with_its_reason(
    error: Exception, outcomes: list[str], database: Database, jobs: Jobs
) -> None:
    new = put_one(database, job(payload={"amount": 7}))
    with working(database, failing(error)):
        jobs.becomes(new, "dead")
    assert jobs.outcomes(new) == outcomes
    assert jobs.of(new, "category") == outcomes[0]
    assert str(error).rstrip("\0") in jobs.of(new, "error")
    assert "raise error" in jobs.of(new, "trace")
    assert jobs.of(new, "payload") == {"amount": 7}


def test_a_failure_waits_as_long_as_the_other_side_asks_for(database: Database, jobs: Jobs) -> None:
    def handle(job: Job, ctx: Any) -> None:
        if job.attempt == 1:
            raise ExternalError("too many", retry_after_s=600)

    new = put_one(database, job())
    with working(database, handle):
        until(lambda: jobs.outcomes(new) == ["external"])
        assert jobs.of(new, "due_at > now() + interval '590 s'")
        jobs.becomes(new, "done")
    assert jobs.outcomes(new) == ["external", "done"]


def test_looking_again_is_no_failure(database: Database, jobs: Jobs) -> None:
    def look(job: Job, ctx: Any) -> dict[str, Any]:
        if job.attempt in (1, 3):
            raise ExternalError("no answer")
        if job.attempt < 6:
            raise Again(60)
        return {"failures": job.failures}

    new = put_one(database, job(max_attempts=2))
    with working(database, look):
        jobs.becomes(new, "done")
    assert jobs.of(new, "result") == {"failures": 0}
    assert jobs.outcomes(new) == ["external", "external", "done"]


def test_what_was_not_tried_at_all_forgets_no_failure(database: Database, jobs: Jobs) -> None:
    def wait_for_a_turn(job: Job, ctx: Any) -> None:
        if job.attempt % 2:
            raise Again(0, has_not_tried=True)
        raise ExternalError("no answer")

    new = put_one(database, job(max_attempts=2))
    with working(database, wait_for_a_turn):
        jobs.becomes(new, "dead")
    assert jobs.outcomes(new) == ["external", "external"]
    assert jobs.of(new, "attempts") == 4


def test_what_hangs_is_stopped_and_tried_again(
    broker: dict[str, Any], database: Database, jobs: Jobs
) -> None:
    def hang(job: Job, ctx: Any) -> None:
        while job.attempt == 1:
            pass

    new = put_one(database, job(time_limit_s=1))
    with working(database, hang, **broker):
        jobs.becomes(new, "done")
    assert jobs.outcomes(new) == ["timeout", "done"]


def test_a_thread_that_was_stopped_late_is_not_stopped_in_its_next_job(
    database: Database, jobs: Jobs
) -> None:
    """The stop comes while the handler ends, again and again."""

    def handle(job: Job, ctx: Any) -> None:
        deadline = time.monotonic() + 1.0 + job.payload["more_s"]
        while time.monotonic() < deadline:
            pass

    new = [job(time_limit_s=1, payload={"more_s": n / 50}) for n in range(6)]
    put(jobs.conn, new)
    with working(database, handle, concurrency={"default": 3}):
        for one in new:
            until(lambda one=one: jobs.outcomes(one.id))  # type: ignore[misc]
        well = put_one(database, job(payload={"more_s": -1.0}))
        jobs.becomes(well, "done")
    assert jobs.outcomes(well) == ["done"]


def test_a_result_and_its_command_are_one_transaction(
    database: Database, jobs: Jobs, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    account = job().id

    def handle(job: Job, ledger: Ledger) -> dict[str, Any]:
        command = OpenAccount(account, "An account", "checking", "EUR")
        told = Submission([command], WHO, beside=lambda conn: finish(conn, job, {"by": "command"}))
        done = ledger.submit_and_wait(told)
        return {"by": type(done.outcomes[0]).__name__}

    new, repeated = put_one(database, job(priority=0)), put_one(database, job(priority=1))
    with caplog.at_level(logging.INFO, "daybook.jobs"), working(database, handle, ctx=ledger):
        jobs.becomes(new, "done")
        jobs.becomes(repeated, "done")
        until(lambda: len([r for r in caplog.records if hasattr(r, "job_id")]) == 2)
    assert {r.outcome for r in caplog.records if hasattr(r, "outcome")} == {"done"}
    assert jobs.of(new, "result") == {"by": "command"}
    assert jobs.of(repeated, "result") != {"by": "command"}, "it was there, and nothing was beside"
    assert jobs.outcomes(new) == ["done"]


def test_who_loses_a_job_does_not_write_its_command_either(
    database: Database, jobs: Jobs, ledger: Ledger
) -> None:
    account = job().id

    def handle(job: Job, ledger: Ledger) -> dict[str, Any] | None:
        if job.attempt > 1:
            return {"by": "the next"}
        # As if this worker had been asleep for long.
        jobs.conn.execute("UPDATE jobs SET lease_until = now() - interval '1 s'")
        until(lambda: jobs.outcomes(job.id) == ["lost"])
        command = OpenAccount(account, "An account", "checking", "EUR")
        ledger.submit_and_wait(
            Submission([command], WHO, beside=lambda conn: finish(conn, job, {"by": "the first"}))
        )
        return {"by": "nobody"}

    new = put_one(database, job())
    with working(database, handle, ctx=ledger):
        jobs.becomes(new, "done")
    assert jobs.of(new, "result") == {"by": "the next"}
    events = jobs.conn.execute("SELECT count(*) FROM events").fetchone()
    assert events == (0,)


def test_somebody_hears_when_a_job_is_dead(database: Database, jobs: Jobs) -> None:
    heard = []

    def on_dead(job: Job, failure: Failure, ctx: Any, bury: Bury) -> None:
        if job.payload["how"] == "refuse":
            raise BusinessError("nobody wants to hear")
        if job.payload["how"] == "beside":
            with database.connect() as conn:
                bury(conn)
        heard.append((job.id, failure.category))

    kinds = {"thing": Kind(failing(BusinessError("no")), on_dead=on_dead)}
    new = [put_one(database, job(payload={"how": how})) for how in ("beside", "plain", "refuse")]
    with working(database, kinds):
        for one in new:
            jobs.becomes(one, "dead")
            assert jobs.outcomes(one) == ["business"]
    assert heard == [(new[0], "business"), (new[1], "business")]


def test_a_job_is_not_dead_before_whoever_waits_for_it_has_heard(
    database: Database, jobs: Jobs
) -> None:
    ran, told = [], []

    def handle(job: Job, ctx: Any) -> None:
        ran.append(job.attempt)
        raise ExternalError("the bank is away")

    def on_dead(job: Job, failure: Failure, ctx: Any, bury: Bury) -> None:
        told.append((failure.category, failure.error))
        if len(told) < 3:
            raise OSError("the ledger is away")

    new = put_one(database, job())
    with working(database, {"thing": Kind(handle, waits_s=(0.01,), on_dead=on_dead)}):
        # Nobody hurries it up to here: it is tried again by itself, and then waits for half a minute.
        until(lambda: told and jobs.of(new, "due_at > now() + interval '20 s'"))
        jobs.becomes(new, "dead")
    assert ran == [1, 2]
    assert told == [("external", "ExternalError: the bank is away")] * 3
    assert jobs.outcomes(new) == ["external", "system", "system", "external"]
    assert jobs.of(new, "error") == "ExternalError: the bank is away"


def test_a_job_that_is_cancelled_while_it_waits_is_not_run_but_heard_of(
    database: Database, jobs: Jobs
) -> None:
    heard = []

    def on_dead(job: Job, failure: Failure, ctx: Any, bury: Bury) -> None:
        heard.append((job.payload["how"], failure.category, failure.error))
        if job.payload["how"] == "beside":
            with database.connect() as conn:
                bury(conn)
        if len(heard) == 1:
            raise OSError("the ledger is away")

    beside, plain = (job(payload={"how": how}, delay_s=60) for how in ("beside", "plain"))
    unheard = job("other", delay_s=60)
    put(jobs.conn, [plain, beside, unheard])
    never = failing(AssertionError("it is not run any more"))
    with working(database, {"thing": Kind(never, on_dead=on_dead), "other": Kind(never)}):
        assert asked(database, cancel, plain.id).cancel_asked
        until(lambda: heard)
        assert jobs.of(plain.id, "status") != "cancelled", "it was not heard"
        for one in (beside, unheard):
            asked(database, cancel, one.id)
            until(lambda one=one: jobs.of(one.id, "status") == "cancelled")  # type: ignore[misc]
        jobs.becomes(plain.id, "cancelled")
    assert [how for how, *_ in heard] == ["plain", "beside", "plain"]
    assert {why for _, *why_ in heard for why in [tuple(why_)]} == {
        ("business", "cancelled: by an operator")
    }
    assert jobs.outcomes(beside.id) == []


def test_no_more_run_at_once_than_a_queue_has_threads(
    broker: dict[str, Any], database: Database, jobs: Jobs
) -> None:
    limits = {"banking": 3, "payments": 2, "default": 1}
    inside, most, lock = dict.fromkeys(limits, 0), dict.fromkeys(limits, 0), threading.Lock()
    full = threading.Event()

    def handle(job: Job, ctx: Any) -> None:
        with lock:
            inside[job.queue] += 1
            most[job.queue] = max(most[job.queue], inside[job.queue])
            if inside == limits:
                full.set()
        assert full.wait(60), "all of its threads are busy at the same time"
        with lock:
            inside[job.queue] -= 1

    put(jobs.conn, [job(queue=queue) for queue in limits for _ in range(8)])
    with working(database, handle, concurrency=limits | {"notifications": 0}, **broker):
        until(lambda: jobs.count("done") == 24)
    assert most == limits


def test_several_worker_processes_share_a_queue_and_run_nothing_twice(
    database: Database, jobs: Jobs, redis_server: RedisServer
) -> None:
    ran: list[str] = []
    new = [job() for _ in range(100)]
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(
                working(
                    database,
                    lambda job, ctx: ran.append(str(job.id)),
                    redis_url=redis_server.url,
                    concurrency={"default": 2},
                )
            )
        for start in range(0, 100, 10):
            put(jobs.conn, new[start : start + 10])
        until(lambda: jobs.count("done") == 100)
    assert sorted(ran) == sorted(str(one.id) for one in new)
    workers = jobs.conn.execute("SELECT count(DISTINCT worker) FROM jobs").fetchone()
    assert workers is not None
    assert workers[0] > 1


@pytest.mark.usefixtures("_soon_again")
def test_nothing_is_lost_with_redis(
    database: Database, jobs: Jobs, redis_server: RedisServer
) -> None:
    with working(database, lambda job, ctx: None, redis_url=redis_server.url):
        jobs.becomes(put_one(database, job()), "done")
        redis_server.kill()
        meanwhile = put_one(database, job())
        redis_server.start()  # with nothing in it
        jobs.becomes(meanwhile, "done")
        jobs.becomes(put_one(database, job()), "done")


@pytest.mark.usefixtures("_soon_again")
def test_while_redis_is_away_a_worker_goes_on_by_itself(
    database: Database, jobs: Jobs, redis_server: RedisServer
) -> None:
    redis_server.kill()
    before = [job(queue=queue) for queue in ("default", "banking") for _ in range(10)]
    put(jobs.conn, before)
    with working(database, lambda job, ctx: None, redis_url=redis_server.url):
        until(lambda: jobs.count("done") == len(before))
        jobs.becomes(put_one(database, job()), "done")
        redis_server.start()
        wakes = redis.Redis.from_url(redis_server.url)

        def is_told() -> bool:
            jobs.becomes(put_one(database, job()), "done")
            return "cmdstat_rpush" in wakes.info("commandstats")

        until(is_told)
        wakes.close()


@pytest.mark.parametrize("broken", ["give_back", "keep"])
def test_a_mistake_does_not_end_who_wakes_and_who_watches(
    broken: str, database: Database, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = threading.Event()
    real = getattr(taking, broken)

    def break_once(*given: Any) -> Any:
        if called.is_set():
            return real(*given)
        called.set()
        raise KeyError("a mistake")

    monkeypatch.setattr(taking, broken, break_once)

    def handle(job: Job, ctx: Any) -> None:
        assert called.wait(60)
        with database.connect() as conn:
            first = Jobs(conn).of(job.id, "lease_until")
            until(lambda: Jobs(conn).of(job.id, "now()") > first)

    new = put_one(database, job())
    with working(database, handle, lease_s=2.0):
        jobs.becomes(new, "done")
    assert jobs.outcomes(new) == ["done"]


def test_nothing_is_lost_with_the_connections_to_the_database(
    database: Database, jobs: Jobs
) -> None:
    running, go_on = threading.Event(), threading.Event()

    def handle(job: Job, ctx: Any) -> None:
        running.set()
        assert go_on.wait(60)

    with working(database, handle):
        new = put_one(database, job())
        assert running.wait(60)
        with database.connect(superuser=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'daybook jobs%'"
            )
        go_on.set()
        jobs.becomes(new, "done")
        assert jobs.outcomes(new) == ["done"]
        jobs.becomes(put_one(database, job()), "done")


def test_a_job_that_outlasts_its_lease_is_kept(database: Database, jobs: Jobs) -> None:
    def handle(job: Job, ctx: Any) -> dict[str, Any]:
        with database.connect() as conn:
            first = Jobs(conn).of(job.id, "lease_until")
            until(lambda: Jobs(conn).of(job.id, "now()") > first)
        return {}

    new = put_one(database, job())
    with working(database, handle, lease_s=2.0):
        jobs.becomes(new, "done")
    assert jobs.outcomes(new) == ["done"]


def test_a_job_that_ends_its_workers_is_given_up(database: Database, jobs: Jobs) -> None:
    new = put_one(database, job())
    jobs.conn.execute("UPDATE jobs SET lost = 10")
    with working(database, failing(AssertionError("it is not run any more"))):
        jobs.becomes(new, "dead")
    assert jobs.of(new, "category") == "lost"


def test_a_job_that_is_cancelled_while_it_runs_may_succeed_but_is_not_tried_again(
    database: Database, jobs: Jobs
) -> None:
    ready, go_on = threading.Barrier(3), threading.Barrier(3)

    def handle(job: Job, ctx: Any) -> None:
        ready.wait(60)
        go_on.wait(60)
        if job.payload["fails"]:
            raise ExternalError("away")

    well, badly = (put_one(database, job(payload={"fails": fails})) for fails in (False, True))
    with working(database, handle, concurrency={"default": 2}):
        ready.wait(60)
        assert [asked(database, cancel, one).status for one in (well, badly)] == ["running"] * 2
        go_on.wait(60)
        jobs.becomes(well, "done")
        until(lambda: jobs.of(badly, "status") == "cancelled")
    assert jobs.outcomes(badly) == ["external"]
    assert jobs.of(badly, "error") == "ExternalError: away"


def test_jobs_of_a_kind_that_a_worker_does_not_know_wait_for_one_that_does(
    database: Database, jobs: Jobs
) -> None:
    unknown = put_one(database, NewJob(id=job().id, kind="newer", payload={}, priority=0))
    with working(database, lambda job, ctx: None):
        jobs.becomes(put_one(database, job()), "done")
    assert jobs.of(unknown, "status") == "waiting"
    with working(database, {"newer": Kind(lambda job, ctx: None)}):
        jobs.becomes(unknown, "done")
