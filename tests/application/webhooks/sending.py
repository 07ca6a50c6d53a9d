"""Short words for tests of what is sent: endpoints, happenings, and workers that do the work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg

from application.jobs import NewJob, put
from application.jobs.workers import Workers
from application.outbound.breaker import Breakers
from application.outbound.breaker_rules import Figures
from application.privacy.sealing import new_key
from application.webhooks import endpoints
from application.webhooks.addresses import Allowed
from application.webhooks.deliveries import Delivery, Wanted, listed
from application.webhooks.delivering import FAN_OUT, Deliverer
from application.webhooks.endpoints import Registered
from application.webhooks.posting import Poster
from application.webhooks.secrets import Secrets
from tests.conftest import Database
from tests.support.jobs import Jobs, asked
from tests.support.waiting import until

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
QUEUES = {"notifications": 1, "webhooks": 3}
_PATIENT = {"webhooks": Figures(failures=1_000)}


class Sending:
    """A database with endpoints in it, and what sends to them. `now` is the clock."""

    def __init__(
        self, database: Database, figures: dict[str, Figures] = _PATIENT, limit_s: float = 5.0
    ) -> None:
        self.database = database
        self.secrets = Secrets(new_key())
        self.now = datetime.now(UTC)
        self.poster = Poster(Allowed(private=True, https_only=False), limit_s=limit_s)
        self.deliverer = Deliverer(
            lambda: psycopg.connect(database.url, autocommit=True),
            self.secrets,
            self.poster.post,
            Breakers(figures=figures),
            lambda: self.now,
        )

    @contextmanager
    def workers(self) -> Iterator[Jobs]:
        with (
            Workers(self.database.url, self.deliverer.kinds(), concurrency=QUEUES),
            self.database.connect() as conn,
        ):
            yield Jobs(conn)

    def owner(self, role: str = "user", status: str = "active") -> UUID:
        owner_id = uuid4()
        with self.database.connect() as conn:
            conn.execute("INSERT INTO user_access VALUES (%s, %s, %s)", (owner_id, role, status))
        return owner_id

    def endpoint(self, owner_id: UUID, url: str, *types: str) -> Registered:
        return asked(
            self.database,
            endpoints.register,
            self.secrets,
            owner_id,
            url=url,
            types=types,
            description="",
        )

    def happens(self, *owner_ids: UUID, type_: str = "investment.completed", **data: Any) -> NewJob:
        payload = {
            "type": type_,
            "occurred_at": AT.isoformat(),
            "data": data,
            "owner_ids": [str(owner_id) for owner_id in owner_ids],
        }
        job = NewJob(id=uuid4(), kind=FAN_OUT, payload=payload, queue="notifications")
        with self.database.connect() as conn:
            put(conn, [job])
        return job

    def deliveries(self, **wanted: Any) -> list[Delivery]:
        return asked(self.database, listed, Wanted(**wanted), before=None, limit=100)

    def only_delivery(self) -> Delivery:
        (found,) = self.deliveries()
        return found

    def ends(self, jobs: Jobs, *statuses: str) -> list[Delivery]:
        """The deliveries, the oldest first, once they have these statuses."""

        def found() -> list[str]:
            jobs.hurry()
            return [each.status for each in reversed(self.deliveries())]

        until(lambda: found() == list(statuses))
        return self.deliveries()[::-1]
