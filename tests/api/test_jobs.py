"""Jobs over the API: looked at by operators and auditors, retried and cancelled by operators."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import httpx2
import pytest

from application.jobs import Failure, put
from application.jobs.ending import bury
from application.jobs.taking import take
from tests.api.conftest import problem_of
from tests.conftest import Database
from tests.support.jobs import Jobs, job
from tests.support.serving import client_of


@pytest.fixture
def jobs(api_database: Database) -> Iterator[Jobs]:
    with api_database.connect() as conn:
        conn.execute("DELETE FROM jobs")
        yield Jobs(conn)


@pytest.fixture
def operator(base_url: str) -> Iterator[httpx2.Client]:
    with client_of(base_url, "operator", uuid4()) as client:
        yield client


def dead_one(jobs: Jobs) -> UUID:
    new = job("bank.instruct", queue="payments", payload={"iban": "secret"}, correlation_id="c-7")
    put(jobs.conn, [new])
    mine = take(jobs.conn, "payments", ["bank.instruct"], "a worker", 60)
    assert mine is not None
    bury(jobs.conn, mine, Failure("business", "no such account", "Traceback"))
    return new.id


def test_a_dead_job_is_found_looked_into_and_retried(operator: httpx2.Client, jobs: Jobs) -> None:
    dead = dead_one(jobs)
    put(jobs.conn, [job()])
    (listed,) = operator.get("/api/jobs", params={"status": "dead"}).json()["data"]
    assert (listed["id"], listed["category"]) == (str(dead), "business")
    assert "payload" not in listed
    found = operator.get(f"/api/jobs/{dead}").json()
    assert (found["error"], found["trace"]) == ("no such account", "Traceback")
    assert [one["outcome"] for one in found["tries"]] == ["business"]
    assert found["correlation_id"] == "c-7"
    retried = operator.post(f"/api/jobs/{dead}/retry")
    assert (retried.status_code, retried.json()["status"]) == (200, "waiting")
    assert jobs.of(dead, "status") == "waiting"


def test_what_a_job_is_about_is_for_those_who_may_see_customers_data(
    client: httpx2.Client, operator: httpx2.Client, jobs: Jobs
) -> None:
    dead = dead_one(jobs)
    assert client.get(f"/api/jobs/{dead}").json()["payload"] == {"iban": "secret"}
    assert operator.get(f"/api/jobs/{dead}").json()["payload"] is None


def test_a_job_that_waits_is_cancelled_by_a_worker_and_a_dead_one_once(
    operator: httpx2.Client, jobs: Jobs
) -> None:
    new, dead = job(), dead_one(jobs)
    put(jobs.conn, [new])
    told = operator.post(f"/api/jobs/{new.id}/cancel").json()
    assert (told["status"], told["cancel_asked"]) == ("waiting", True)
    assert operator.post(f"/api/jobs/{dead}/cancel").json()["status"] == "cancelled"
    problem = problem_of(operator.post(f"/api/jobs/{dead}/cancel"), 409, "job_over")
    assert "cancelled" in problem["detail"]
    problem_of(operator.post(f"/api/jobs/{uuid4()}/retry"), 404, "job_not_found")


def test_pages_have_each_job_once(operator: httpx2.Client, jobs: Jobs) -> None:
    put(jobs.conn, [job(queue="banking") for _ in range(6)])
    put(jobs.conn, [job()])
    seen, cursor, pages = [], None, 0
    while cursor is not None or not pages:
        params = {"queue": "banking", "limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = operator.get("/api/jobs", params=params).json()
        seen += [row["id"] for row in page["data"]]
        cursor, pages = page["next_cursor"], pages + 1
        assert page["has_more"] == (cursor is not None)
    assert (len(seen), len(set(seen)), pages) == (6, 6, 2)
    other = operator.get("/api/jobs", params={"cursor": "not-one"})
    problem_of(other, 400, "invalid_cursor")
    problem_of(operator.get("/api/jobs", params={"status": "asleep"}), 400, "invalid_status")


def test_queues_are_shown_as_they_are_now(operator: httpx2.Client, jobs: Jobs) -> None:
    dead_one(jobs)
    put(jobs.conn, [job(queue="banking"), job(queue="banking", delay_s=60)])
    banking, payments = operator.get("/api/jobs/stats").json()["data"]
    assert (banking["queue"], banking["waiting"], banking["due"]) == ("banking", 2, 1)
    assert (payments["queue"], payments["dead"], payments["running"]) == ("payments", 1, 0)
    assert payments["done_last_5_minutes"] == 0
