"""All checks together: a ledger in good order, one that is not there, and checks that cannot be done."""

from __future__ import annotations

import pytest
from psycopg import errors

from api.doctor.examining import CHECKS, Check, examine, is_healthy
from api.doctor.findings import Looked
from api.doctor.patient import Patient
from application.ledger import Ledger
from projections.catalogue import READ_MODELS
from projections.health import status
from tests.api.doctor.conftest import Admit, Conn, Ward
from tests.conftest import Database
from tests.projections.histories import busy_history
from tests.projections.running import ask, caught_up, running
from tests.support.waiting import until

NAMES = [check.name for check in CHECKS]


@pytest.mark.parametrize("deep", [False, True])
def test_in_a_ledger_in_good_order_nothing_is_found(
    deep: bool, admit: Admit, safe_database: Database
) -> None:
    ward = admit(safe_database).limited(handover_s=20.0)
    with running(safe_database.url), Ledger(safe_database.url) as ledger:
        busy_history(ledger)
        with safe_database.connect() as conn:
            caught_up(conn)
        made = examine((ward.deep() if deep else ward).patient)
    assert {check.name: list(check.findings) for check in made} == {name: [] for name in NAMES}
    assert all(check.looked_at for check in made)
    assert is_healthy(made)


def test_nothing_is_found_in_an_empty_ledger_either(admit: Admit, safe_database: Database) -> None:
    ward = admit(safe_database).limited(handover_s=20.0)
    with running(safe_database.url):
        until(lambda: {s.health for s in ask(safe_database.url, status)} == {"ok"})
        for patient in (ward.patient, ward.deep().patient):
            assert not [finding for check in examine(patient) for finding in check.findings]


def test_while_events_are_written_nothing_is_found(admit: Admit, safe_database: Database) -> None:
    ward = admit(safe_database).limited(handover_s=20.0)
    with running(safe_database.url), Ledger(safe_database.url) as ledger:
        until(lambda: {s.health for s in ask(safe_database.url, status)} == {"ok"})
        for seed in range(3):
            busy_history(ledger, seed=seed)
            made = examine(ward.patient)
            assert not [finding for check in made for finding in check.findings]


def test_without_a_database_that_is_all_there_is_to_say(ward: Ward) -> None:
    url = "postgresql://daybook@127.0.0.1:1/none"
    made = examine(Patient(ward.patient.settings, url, url))
    assert [check.name for check in made] == ["database"]
    (finding,) = made[0].findings
    assert finding.severity == "wrong"
    assert "cannot be reached" in finding.sentence
    assert "DATABASE_URL" in finding.advice


def test_an_owner_who_cannot_connect_hides_nothing_else(ward: Ward, conn: Conn) -> None:
    settings, url = ward.patient.settings, ward.database.url
    made = examine(Patient(settings, url, "postgresql://nobody@127.0.0.1:1/none"))
    assert [check.name for check in made] == NAMES
    (finding,) = made[0].findings
    assert (finding.severity, "DATABASE_ADMIN_URL" in finding.advice) == ("warning", True)


def test_a_check_that_cannot_be_done_is_wrong_and_hides_no_other(ward: Ward, admin: Conn) -> None:
    admin.execute("DROP TABLE parked_keys")
    made = {check.name: check for check in examine(ward.patient)}
    assert list(made) == NAMES
    (finding,) = made["parked keys"].findings
    assert finding.severity == "wrong"
    assert 'could not be done: relation "parked_keys" does not exist' in finding.sentence
    assert made["parked keys"].looked_at == ""
    assert made["positions"].status == "ok"
    assert not is_healthy(list(made.values()))


def test_a_defect_of_a_check_is_said_with_its_kind(ward: Ward) -> None:
    def fails(patient: Patient) -> Looked:
        raise KeyError("somewhere")

    def works(patient: Patient) -> Looked:
        return Looked("something")

    first, second = examine(ward.patient, [Check("one", fails), Check("two", works)])
    assert "could not be done: KeyError: 'somewhere'" in first.findings[0].sentence
    assert (second.status, second.looked_at) == ("ok", "something")


def test_what_somebody_has_locked_is_not_waited_for_without_end(ward: Ward, admin: Conn) -> None:
    with admin.transaction():
        admin.execute("LOCK TABLE parked_keys")
        finding = ward.one("parked keys")
    assert "could not be done" in finding.sentence
    assert "lock timeout" in finding.sentence


def test_a_check_can_change_nothing(ward: Ward) -> None:
    for as_owner in (False, True):
        with (
            ward.patient.connect(as_owner=as_owner) as conn,
            pytest.raises(errors.ReadOnlySqlTransaction),
        ):
            conn.execute("DELETE FROM checkpoints")
    with ward.patient.connect() as conn:
        left = conn.execute("SELECT count(*) FROM checkpoints").fetchone()
    assert left == (len(READ_MODELS),)
