"""The state of services, in a table that every process can read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from application.outbound.breaker import Breakers
from application.outbound.health import READ, HealthKeeper, ServiceHealth, keep, service_health
from tests.conftest import Database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_what_a_breaker_does_can_be_read_elsewhere(database: Database) -> None:
    breakers = Breakers(on_change=HealthKeeper(database.url))
    for _ in range(5):
        breakers.of("bank").ask().failed("it is down")
    with database.connect() as conn:
        assert service_health(conn) == breakers.states()
        (row,) = conn.execute(READ).fetchall()
    assert ServiceHealth(*row) == breakers.states()[0]
    assert (row[1], row[2], row[4]) == ("open", 5, "it is down")
    Breakers(on_change=HealthKeeper(database.url)).of("bank")
    with database.connect() as conn:
        (found,) = service_health(conn)
    assert found.state == "closed", "a process that starts anew finds out by itself"


def test_it_is_written_when_it_changes_and_never_by_older_news(database: Database) -> None:
    health = ServiceHealth("bank", "open", 5, NOW, "down")
    with database.connect() as conn:
        keep(conn, health)
        written = conn.execute("SELECT xmin::text FROM service_health").fetchall()
        keep(conn, health)
        keep(conn, ServiceHealth("bank", "closed", 0, NOW - timedelta(seconds=1)))
        assert conn.execute("SELECT xmin::text FROM service_health").fetchall() == written
        keep(conn, ServiceHealth("bank", "closed", 0, NOW + timedelta(seconds=1)))
        assert [each.state for each in service_health(conn)] == ["closed"]


def test_a_database_that_is_away_stops_no_call() -> None:
    keeper = HealthKeeper("postgresql://daybook@127.0.0.1:1/books")
    Breakers(on_change=keeper).of("bank").ask().succeeded()
