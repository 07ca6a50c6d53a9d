"""The ledger answers any sequence of commands, over any of its writers, as a dictionary would."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from application.ledger import reading
from tests.conftest import Database
from tests.support.machine import LedgerMachine


def test_the_ledger_answers_any_sequence_of_commands_as_the_model_does(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SNAPSHOT_EVERY", 4)

    class Machine(LedgerMachine):
        pass

    Machine.database = database
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=50,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
