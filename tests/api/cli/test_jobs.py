"""`daybook jobs`: an operator looks at what is dead, and has it run again or gives it up."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from application.jobs import Failure, put
from application.jobs.ending import bury
from application.jobs.taking import take
from tests.api.cli.conftest import CommandLine
from tests.conftest import Database
from tests.support.jobs import Jobs, job
from tests.support.processes import settings_of


@pytest.fixture
def jobs(database: Database) -> Iterator[Jobs]:
    with database.connect() as conn:
        yield Jobs(conn)


@pytest.fixture
def daybook(database: Database) -> CommandLine:
    return CommandLine(settings_of(database)).here


def dead_one(jobs: Jobs, kind: str = "bank.instruct") -> UUID:
    new = job(kind, payload={"amount": 700})
    put(jobs.conn, [new])
    mine = take(jobs.conn, "default", [kind], "a worker", 60)
    assert mine is not None
    bury(jobs.conn, mine, Failure("business", "no such account", "Traceback of it"))
    return new.id


def test_the_dead_are_listed_with_their_reason_and_run_again(
    daybook: CommandLine, jobs: Jobs
) -> None:
    dead, other = dead_one(jobs), dead_one(jobs, "mail")
    table = daybook.done("jobs", "dead", "--kind", "bank.instruct")
    assert str(dead) in table
    assert "no such account" in table
    assert str(other) not in table
    shown = daybook.done("jobs", "show", dead)
    assert not [word for word in ("700", "business", "Traceback of it") if word not in shown], shown
    (as_json,) = daybook.json("jobs", "show", dead)
    assert [one["outcome"] for one in as_json["tries"]] == ["business"]
    assert "waiting" in daybook.done("jobs", "retry", dead)
    assert daybook.done("jobs", "retry", "--dead") == "waiting again: 1\n"
    assert [row["status"] for row in daybook.json("jobs", "list")] == ["waiting", "waiting"]


def test_a_job_is_given_up(daybook: CommandLine, jobs: Jobs) -> None:
    new, dead = job(), dead_one(jobs)
    put(jobs.conn, [new])
    asked = daybook("jobs", "cancel", new.id)
    assert (asked.returncode, "daybook worker" in asked.stderr) == (0, True)
    assert jobs.of(new.id, "cancel_asked")
    assert jobs.of(new.id, "status") == "waiting"
    assert daybook.json("jobs", "cancel", dead)[0]["status"] == "cancelled"
    assert "that is not changed any more" in daybook.refused(1, "jobs", "cancel", dead)
    assert "no job" in daybook.refused(1, "jobs", "retry", uuid4())
    assert "--dead" in daybook.refused(2, "jobs", "retry")
