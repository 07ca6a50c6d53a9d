"""The databases that `tests/conftest.py` gives to all other tests."""

from __future__ import annotations

from tests.conftest import Database, MakeDatabase


def test_a_database_is_migrated_and_open_to_the_application(
    database: Database,
) -> None:
    with database.connect() as conn:
        assert conn.execute("SELECT current_user").fetchone() == ("daybook",)
        conn.execute("CREATE SCHEMA balances")
        conn.execute("SELECT * FROM events")


def test_two_databases_share_nothing(make_database: MakeDatabase) -> None:
    with make_database() as one, make_database() as other:
        with one.connect() as conn:
            conn.execute("CREATE SCHEMA only_here")
        with other.connect() as conn:
            row = conn.execute("SELECT to_regnamespace('only_here')").fetchone()
        assert row == (None,)
