"""`daybook processes`: an operator looks at what is stuck, and sets it going again or gives it up."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.api.cli.conftest import CommandLine
from tests.conftest import Database
from tests.support.processes import settings_of
from tests.support.stuck import PROCESS, Stuck, getting_stuck


@pytest.fixture
def stuck(database: Database) -> Iterator[Stuck]:
    with getting_stuck(database.url) as stuck:
        yield stuck


@pytest.fixture
def daybook(database: Database) -> CommandLine:
    return CommandLine(settings_of(database)).here


def test_the_stuck_are_listed_with_the_reason_and_tried_again(
    daybook: CommandLine, stuck: Stuck
) -> None:
    key, other = stuck.at_an_event(), stuck.running()
    table = daybook.done("processes", "list", "--status", "stuck")
    assert str(key) in table
    assert "on purpose" in table
    assert str(other) not in table
    assert "events that wait" in daybook.done("processes", "show", PROCESS, key)
    (shown,) = daybook.json("processes", "show", PROCESS, key)
    assert shown["inbox"] == [shown["stuck_at"]]
    assert "HoldSource" in daybook.done("processes", "retry", PROCESS, key)
    assert daybook.json("processes", "list", "--status", "stuck") == []
    assert stuck.money.state(key).status == "withdrawal_pending"


def test_one_event_is_skipped(daybook: CommandLine, stuck: Stuck) -> None:
    key = stuck.at_an_event()
    assert "skipped by an operator" in daybook.done("processes", "skip", PROCESS, key)
    assert stuck.money.state(key).status == "initiated"


def test_one_that_waits_for_a_decision_is_given_up(daybook: CommandLine, stuck: Stuck) -> None:
    key = stuck.for_a_decision()
    assert "waits for a decision" in daybook.refused(1, "processes", "skip", PROCESS, key)
    told = daybook.done("processes", "compensate", PROCESS, key, "--reason", "the bank says no")
    assert "CompensateInvestment" in told
    assert stuck.money.state(key).reason == "the bank says no"
    assert "stuck can be" in daybook.refused(1, "processes", "retry", PROCESS, key)


def test_what_is_not_there_is_said_so(daybook: CommandLine) -> None:
    assert "has the id" in daybook.refused(1, "processes", "show", PROCESS, uuid4())
    assert "has the id" in daybook.refused(1, "processes", "retry", PROCESS, uuid4())
    assert "bank_transfers" in daybook.refused(1, "processes", "show", "dreams", uuid4())
