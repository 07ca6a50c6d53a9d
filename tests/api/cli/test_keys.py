"""`daybook keys`: a new master key is made, takes over, and the old one is let go, without losing a key."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from application.privacy import person_keys, service_keys
from application.privacy.master_keys import MasterKeys, generate
from tests.api.cli.conftest import CommandLine
from tests.application.privacy.blocking import blocked, held
from tests.conftest import Database, MakeDatabase
from tests.support.processes import Daybook, settings_of

OLD, NEW = generate(), generate()
BEFORE, AFTER = MasterKeys.parse(OLD), MasterKeys.parse(NEW)
OLD_ID, NEW_ID = BEFORE.current_id, AFTER.current_id
ROTATING = {"ENCRYPTION_KEY": NEW, "ENCRYPTION_KEYS_OLD": OLD}

MANY = 1_300
"""People, for three transactions of a rotation."""
HALF = UUID(int=1_100)
PEOPLE = [UUID(int=number) for number in range(MANY)]


@pytest.fixture(scope="module")
def migrated(make_database: MakeDatabase) -> Iterator[Database]:
    with make_database() as database:
        yield database


@pytest.fixture
def books(migrated: Database) -> Iterator[Database]:
    """A database with keys of many people under the old master key, and one of the service."""
    with migrated.connect() as conn:
        with conn.transaction():
            for person_id in PEOPLE:
                person_keys.keep(conn, BEFORE, person_keys.new(person_id))
        service_keys.get_or_make(conn, BEFORE, "emails")
        yield migrated
        conn.execute("DELETE FROM person_keys")
        conn.execute("DELETE FROM service_keys")


@pytest.fixture
def daybook(books: Database) -> CommandLine:
    return CommandLine(settings_of(books)).here


def keys(database: Database, masters: MasterKeys) -> dict[UUID, bytes]:
    with database.connect() as conn:
        return person_keys.load_sync(conn, masters, PEOPLE)


def row(id_: str, status: str, persons: int, services: int) -> dict[str, object]:
    return {"master_key_id": id_, "status": status, "persons": persons, "services": services}


def test_a_new_key_is_all_that_goes_to_standard_output(daybook: CommandLine) -> None:
    first, second = daybook("keys", "generate"), daybook("keys", "generate")
    made = {MasterKeys.parse(done.stdout).current_id for done in (first, second)}
    assert len(made) == 2
    assert len(first.stdout.splitlines()) == 1
    assert "set this one as ENCRYPTION_KEY" in first.stderr
    assert first.stdout.strip() not in first.stderr


def test_a_new_key_needs_no_database_and_no_settings() -> None:
    nowhere = CommandLine({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}).here
    assert nowhere("keys", "generate").returncode == 0


def test_a_new_master_key_takes_over_and_the_old_one_can_go(
    books: Database, daybook: CommandLine
) -> None:
    before = keys(books, BEFORE)
    assert daybook.json("keys", "list", **ROTATING) == [
        row(NEW_ID, "current", 0, 0), row(OLD_ID, "old", MANY, 1),
    ]  # fmt: skip
    done = daybook("keys", "rotate", **ROTATING)
    assert done.returncode == 0, done.stderr
    assert f"All keys are wrapped with the master key {NEW_ID} (1301 of them anew)" in done.stdout
    assert done.stderr.splitlines() == [
        f"wrapped {each} of 1301 keys anew" for each in (500, 1000, 1300, 1301)
    ]
    assert daybook.json("keys", "list", ENCRYPTION_KEY=NEW) == [row(NEW_ID, "current", MANY, 1)]
    assert keys(books, AFTER) == before
    again = daybook.done("keys", "rotate", ENCRYPTION_KEY=NEW)
    assert "(0 of them anew)" in again


def test_the_list_is_a_table_for_people(daybook: CommandLine) -> None:
    heading, _, current, old = (
        line.split()
        for line in daybook.done("keys", "list", **ROTATING).splitlines()
        if line.strip()
    )
    assert heading == ["master_key_id", "status", "persons", "services"]
    assert current == [NEW_ID, "current", "0", "0"]
    assert old == [OLD_ID, "old", str(MANY), "1"]


def test_a_missing_master_key_is_named(daybook: CommandLine) -> None:
    listed = daybook("keys", "list", "--json", ENCRYPTION_KEY=NEW)
    assert listed.returncode == 1
    assert f'"{OLD_ID}", "status": "missing", "persons": {MANY}' in listed.stdout
    assert "add it to ENCRYPTION_KEYS_OLD" in listed.stderr
    said = daybook.refused(1, "keys", "rotate", ENCRYPTION_KEY=NEW)
    assert f"the master key {OLD_ID} is not here: add it to ENCRYPTION_KEYS_OLD" in said


@pytest.mark.parametrize("command", ["list", "rotate"])
def test_a_master_key_that_is_none_is_refused_and_not_repeated(
    command: str, daybook: CommandLine
) -> None:
    said = daybook.refused(1, "keys", command, ENCRYPTION_KEY="c2hvcnQ=")
    assert "ENCRYPTION_KEY is not 32 bytes in base64: make one with `daybook keys generate`" in said
    assert "c2hvcnQ=" not in said


def test_killed_in_the_middle_a_rotation_is_finished_by_the_next(
    books: Database, daybook: CommandLine
) -> None:
    before = keys(books, BEFORE)
    with (
        books.connect() as conn,
        Daybook("keys", "rotate", settings=settings_of(books) | ROTATING) as rotating,
    ):
        with held(books, HALF):
            rotating.wait_for(lambda: blocked(conn, "daybook keys"))
            rotating.kill()
        assert "wrapped 1000 of 1301 keys anew" in rotating.output
    both = MasterKeys.parse(NEW, [OLD])
    assert keys(books, both) == before
    assert daybook.json("keys", "list", **ROTATING) == [
        row(NEW_ID, "current", 1000, 0), row(OLD_ID, "old", MANY - 1000, 1),
    ]  # fmt: skip
    done = daybook("keys", "rotate", **ROTATING)
    assert done.stderr.splitlines() == [f"wrapped {each} of 301 keys anew" for each in (300, 301)]
    assert keys(books, AFTER) == before
