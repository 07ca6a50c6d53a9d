"""The checks of processes and jobs: each finding is made by hand, and gone when it is mended."""

from __future__ import annotations

from uuid import uuid4

from application.jobs import NewJob, put
from tests.api.doctor.conftest import Ward


def test_nothing_is_the_matter_with_flows_that_go_on(ward: Ward) -> None:
    ward.all_clear("processes", "jobs")


def test_a_flow_that_waits_for_an_operator_is_told_of_with_what_to_do(ward: Ward) -> None:
    with ward.database.connect() as conn:
        conn.execute(
            "INSERT INTO processes (name, key, status, step, error) VALUES"
            " ('investments', %s, 'stuck', 'investment.needs_operator', 'why')",
            (uuid4(),),
        )
        finding = ward.one("processes")
        conn.execute("DELETE FROM processes")
    assert "1 flow of process investments" in finding.sentence
    assert "daybook processes list --name investments --status stuck" in finding.advice
    ward.all_clear("processes")


def test_jobs_that_are_given_up_or_wait_too_long_are_told_of(ward: Ward) -> None:
    with ward.database.connect() as conn:
        put(conn, [NewJob(id=uuid4(), kind="made.up", payload={}, queue="banking")])
        ward.all_clear("jobs")
        conn.execute("UPDATE jobs SET due_at = now() - interval '1 hour'")
        assert "The queue banking is 3,600 s behind" in ward.one("jobs").sentence
        conn.execute("UPDATE jobs SET status = 'dead', finished_at = now()")
        assert "1 job of the queue banking" in ward.one("jobs").sentence
        conn.execute("DELETE FROM jobs")
    ward.all_clear("jobs")
