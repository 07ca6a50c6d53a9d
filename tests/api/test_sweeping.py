"""What a server does beside answering goes on, whatever becomes of one of its tasks."""

from __future__ import annotations

from tests.conftest import Database
from tests.support.serving import serving
from tests.support.waiting import until


def test_what_is_of_no_more_use_goes_while_nothing_can_expire(database: Database) -> None:
    with database.connect(superuser=True) as conn:
        conn.execute("ALTER TABLE deadlines RENAME TO deadlines_away")
        conn.execute(
            "INSERT INTO idempotency_keys VALUES"
            " ('somebody', 'old', '', 200, '', 0, clock_timestamp() - interval '31 days')"
        )
        conn.execute(
            "INSERT INTO revocations VALUES (gen_random_uuid(), clock_timestamp() - interval '1 day')"
        )

    def are_gone() -> bool:
        with database.connect() as conn:
            row = conn.execute(
                "SELECT (SELECT count(*) FROM idempotency_keys)"
                " + (SELECT count(*) FROM revocations)"
            ).fetchone()
        return row == (0,)

    with serving(database.url, projecting=False):
        until(are_gone)
