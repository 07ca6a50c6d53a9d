"""`daybook privacy forget-addresses`: destroys the keys of months, and of those only that were named."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from application.privacy import person_keys
from application.privacy.master_keys import MasterKeys
from domain.security import key_of
from tests.api.cli.conftest import CommandLine
from tests.conftest import Database
from tests.support.people import ADMIN, ENCRYPTION_KEY
from tests.support.processes import settings_of

MASTERS = MasterKeys.parse(ENCRYPTION_KEY)
OLD = [key_of(datetime(2025, month, 3, tzinfo=UTC)) for month in (10, 11, 12)]


@pytest.fixture
def daybook(database: Database) -> CommandLine:
    with database.connect() as conn:
        for id_ in (*OLD, ADMIN):
            person_keys.keep(conn, MASTERS, person_keys.new(id_))
    return CommandLine(settings_of(database)).here


def left(database: Database) -> set[UUID]:
    with database.connect() as conn:
        return set(person_keys.load_sync(conn, MASTERS, [*OLD, ADMIN]))


def test_months_before_one_are_forgotten(database: Database, daybook: CommandLine) -> None:
    forget = ("privacy", "forget-addresses", "--before", "2025-12", "--yes")
    assert daybook.done(*forget) == "Forgotten: 2025-10, 2025-11.\n"
    assert left(database) == {OLD[2], ADMIN}
    assert daybook.done(*forget) == "There was nothing to forget from before 2025-12.\n"


def test_nobody_forgets_by_mistake(database: Database, daybook: CommandLine) -> None:
    forget = ("privacy", "forget-addresses", "--before")
    daybook.refused(1, *forget, "2025-12")
    assert "write a month as 2026-01" in daybook.refused(2, *forget, "soon", "--yes")
    told = daybook.refused(1, *forget, "2199-01", "--yes")
    assert "or a month before it" in told
    assert left(database) == {*OLD, ADMIN}
