"""Trouble of read models is found: who stands still, runs nothing, leaves out, was left half-built."""

from __future__ import annotations

from uuid import UUID

import pytest

from application.ledger import Ledger
from projections import checkpoints, schemas, shadows
from projections.catalogue import READ_MODELS
from projections.rebuild import Options, rebuild_many
from projections.schemas import RUNNER_LOCKS
from projections.swapping import pause
from tests.api.doctor.conftest import Conn, Ward, fill
from tests.application.audit import forgery
from tests.projections.running import NAMES, caught_up, no_progress, project_all, running
from tests.support.ledgers import open_account
from tests.support.waiting import until

KEY = UUID(int=7)


def test_read_models_that_show_everything_are_in_order(ward: Ward) -> None:
    ward.all_clear("read models", "parked keys", "rebuilds")
    assert ward.check("read models").looked_at == ", ".join(NAMES)
    assert ward.check("parked keys").looked_at == "0 keys parked"


def test_other_code_asks_for_a_rebuild(ward: Ward, conn: Conn) -> None:
    conn.execute("UPDATE checkpoints SET code_version = 99 WHERE name = 'entries'")
    finding = ward.one("read models")
    assert finding.severity == "wrong"
    assert "entries was built by version 99, code is version 1" in finding.sentence
    assert "`daybook projections rebuild entries`" in finding.advice


def test_one_that_fails_says_why(ward: Ward, conn: Conn) -> None:
    checkpoints.record_error(conn, "transfers", "fails at 5: \x1b[31mout of order")
    finding = ward.one("read models")
    assert finding.severity == "wrong"
    assert "transfers stands still at 40" in finding.sentence
    assert "fails at 5:  [31mout" not in finding.sentence
    assert "fails at 5: [31mout of order" in finding.sentence


def test_one_that_is_behind_for_long_is_a_warning(ward: Ward) -> None:
    with Ledger(ward.database.url) as ledger:
        open_account(ledger)
    ward.all_clear("read models")
    found = ward.limited(lagging_s=-1.0).found("read models")
    assert [finding.severity for finding in found] == ["warning"] * len(NAMES)
    assert "balances is at 40, 1 event and 0 s behind the log." in found[0].sentence


def test_one_that_has_seen_more_than_there_is_is_rebuilt_as_advised(
    ward: Ward, admin: Conn
) -> None:
    forgery.delete(admin, 36, 40)
    forgery.move_head(admin, 35)
    found = ward.found("read models")
    assert len(found) == len(NAMES)
    assert "balances has seen event 40, and the log ends at 35" in found[0].sentence
    assert "DROP SCHEMA balances CASCADE" in found[0].advice
    assert "`daybook projections rebuild balances`" in found[0].advice
    for name in NAMES:
        admin.execute(f"DROP SCHEMA {name} CASCADE".encode())
    project_all(ward.database.url)
    ward.all_clear("read models", "drift")
    ward.deep().all_clear("drift")


def test_without_a_runner(ward: Ward, conn: Conn) -> None:
    found = ward.found("runners")
    assert [finding.severity for finding in found] == ["warning"] * len(NAMES)
    assert "Nobody runs balances" in found[0].sentence
    assert "daybook project" in found[0].advice
    fill(ward.database)
    assert {finding.severity for finding in ward.found("runners")} == {"wrong"}
    with running(ward.database.url):
        caught_up(conn)
        ward.limited(handover_s=20.0).all_clear("runners")


@pytest.mark.parametrize("state", ["idle", "idle in transaction"])
def test_a_runner_that_hangs_is_named_with_how_to_end_it(
    state: str, ward: Ward, admin: Conn
) -> None:
    runner = ward.database.connect()
    assert schemas.try_lock(runner, RUNNER_LOCKS, "entries")
    if state != "idle":
        runner.execute("BEGIN")
    assert not [one for one in ward.found("runners") if "entries" in one.sentence]
    hanging = ward.limited(hung_s=-1.0)
    pid = runner.info.backend_pid
    (finding,) = [one for one in hanging.found("runners") if "entries" in one.sentence]
    assert finding.severity == "wrong"
    assert f"The runner of entries (process {pid} of the database)" in finding.sentence
    assert f"({state})" in finding.sentence
    _, _, statement = finding.advice.partition("End it with ")
    admin.execute(statement.partition(":")[0].encode())
    until(lambda: not [one for one in hanging.found("runners") if "hangs" in one.sentence])
    runner.close()


def test_a_runner_that_waits_for_somebody_says_for_whom(ward: Ward, conn: Conn) -> None:
    busy = ward.limited(hung_s=-1.0)
    url = ward.database.url

    def waiting() -> list[str]:
        found = [one.sentence for one in busy.found("runners")]
        return [one for one in found if f"waiting for a lock of process {pid}" in one]

    pid = conn.info.backend_pid
    with running(url):
        caught_up(conn)
        with conn.transaction():
            conn.execute("LOCK TABLE entries.entry")
            fill(ward.database)
            until(waiting)
            assert waiting()[0].startswith("The runner of ")
        caught_up(conn)


def test_a_read_model_of_ones_own_is_looked_at_too(ward: Ward, conn: Conn) -> None:
    checkpoints.put(conn, "journal", 40, 3)
    assert ward.check("read models").looked_at.endswith(", journal")
    (finding,) = [one for one in ward.found("runners") if "journal" in one.sentence]
    assert (finding.severity, "daybook projections run FILE" in finding.advice) == ("warning", True)


def plant_parked(conn: Conn, name: str, keys: int = 1) -> None:
    for n in range(keys):
        conn.execute(
            "INSERT INTO parked_keys (model, key, position, error) VALUES (%s, %s, %s, 'odd')",
            (name, UUID(int=7 + n), 17 + n),
        )
    conn.execute("UPDATE checkpoints SET parked = %s WHERE name = %s", (keys, name))


def test_what_is_parked_is_named_with_how_to_retry(ward: Ward, conn: Conn) -> None:
    plant_parked(conn, "transfers")
    finding = ward.one("parked keys")
    assert finding.severity == "wrong"
    assert "transfers leaves out 1 key, whose events" in finding.sentence
    assert f"{KEY} since event 17 (odd)" in finding.sentence
    assert "`daybook projections retry transfers`" in finding.advice
    ward.all_clear("read models")


def test_of_many_parked_keys_the_first_are_named(ward: Ward, conn: Conn) -> None:
    plant_parked(conn, "entries", 13)
    sentence = ward.one("parked keys").sentence
    assert "entries leaves out 13 keys" in sentence
    assert sentence.count("since event") == 10
    assert sentence.endswith("; and 3 more.")


@pytest.mark.parametrize("noted", [0, 2])
def test_a_count_of_parked_keys_that_disagrees_is_found(noted: int, ward: Ward, conn: Conn) -> None:
    plant_parked(conn, "entries")
    conn.execute("UPDATE checkpoints SET parked = %s WHERE name = 'entries'", (noted,))
    _, finding = ward.found("parked keys")
    assert (
        f"entries counts {noted} parked in its checkpoint, and parked_keys has 1"
        in finding.sentence
    )
    assert "`daybook projections rebuild entries`" in finding.advice
    project_all(ward.database.url, "entries")
    ward.all_clear("parked keys")


def test_parked_keys_without_a_checkpoint_are_found(ward: Ward, conn: Conn) -> None:
    plant_parked(conn, "nothing")
    assert {finding.severity for finding in ward.found("parked keys")} == {"wrong"}


def test_a_rebuild_that_was_interrupted_or_paused_is_a_warning(
    ward: Ward, conn: Conn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadows, "BATCH_EVENTS", 10)

    def pauses(done: int, total: int) -> None:
        pause(ward.database.url, "entries")

    rebuild_many(ward.database.url, ["entries"], pauses)
    for phase, state in (("paused", "paused"), ("filling", "interrupted")):
        conn.execute("UPDATE rebuilds SET phase = %s WHERE name = 'entries'", (phase,))
        finding = ward.one("rebuilds")
        assert finding.severity == "warning"
        assert f"The rebuild of entries is {state}, 20 of 40 events done." in finding.sentence
        assert "`daybook projections resume entries`" in finding.advice
    rebuild_many(ward.database.url, ["entries"], no_progress, options=Options(must_be_begun=True))
    ward.all_clear("rebuilds")


def test_a_rebuild_that_nobody_takes_up_is_a_warning(ward: Ward, conn: Conn) -> None:
    conn.execute("UPDATE rebuilds SET phase = 'waiting' WHERE name = 'audit'")
    ward.limited(hung_s=1e9).all_clear("rebuilds")
    finding = ward.limited(hung_s=-1.0).one("rebuilds")
    assert (finding.severity, "has waited for a projector" in finding.sentence) == ("warning", True)


def test_a_rebuild_that_failed_is_wrong_and_says_why(ward: Ward, conn: Conn) -> None:
    conn.execute("UPDATE rebuilds SET phase = 'failed', error = 'odd' WHERE name = 'audit'")
    finding = ward.one("rebuilds")
    assert finding.severity == "wrong"
    assert finding.sentence == "The rebuild of audit failed, the live one serves on: odd"


def test_a_rebuild_or_comparison_that_found_differences_is_wrong(ward: Ward, conn: Conn) -> None:
    conn.execute("UPDATE balances.account SET balance = 7 WHERE type = 'cash'")
    url = ward.database.url
    rebuild_many(url, ["balances"], no_progress, options=Options(only_verify=True))
    finding = ward.one("rebuilds")
    assert "balances is not what the log comes to" in finding.sentence
    rebuild_many(url, ["balances"], no_progress)
    finding = ward.one("rebuilds")
    assert finding.severity == "wrong"
    assert "differs from the live one, and was not swapped in" in finding.sentence
    assert "`daybook projections cancel balances`" in finding.advice
    options = Options(accept_differences=True)
    rebuild_many(url, ["balances"], no_progress, options=options)
    ward.all_clear("rebuilds", "drift")


@pytest.mark.parametrize("ending", ["_shadow", "_outdated", "_aside"])
def test_what_a_rebuild_has_left_behind_is_a_warning(ending: str, ward: Ward, conn: Conn) -> None:
    conn.execute(f"CREATE SCHEMA entries{ending}".encode())
    finding = ward.one("rebuilds")
    assert finding.severity == "warning"
    assert f"The schema entries{ending} is left of a rebuild of entries" in finding.sentence
    assert f"DROP SCHEMA entries{ending} CASCADE" in finding.advice


def test_the_tables_kept_for_a_rollback_are_no_trouble(ward: Ward) -> None:
    project_all(ward.database.url)
    ward.all_clear("read models", "parked keys", "rebuilds")


def test_every_read_model_of_the_product_is_looked_at() -> None:
    assert [model.name for model in READ_MODELS] == NAMES
