"""Sends webhooks: of one happening a delivery for each endpoint that wants it, each tried by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from msgspec import Struct, convert
from psycopg import Connection
from psycopg.rows import args_row

from application.jobs import (
    Again,
    Bury,
    BusinessError,
    ExternalError,
    Failure,
    Job,
    Kind,
    Kinds,
    put,
)
from application.outbound.breaker import Breakers
from application.outbound.errors import CircuitOpenError
from application.webhooks import deliveries, endpoints
from application.webhooks.posting import LIMIT_S, Answered, Post
from application.webhooks.secrets import Secrets
from application.webhooks.signing import headers_for
from application.webhooks.types import MessageTooLargeError, body_of
from domain.policies import RULES

FAN_OUT = "webhook.fan_out"
"""Payload: {type, occurred_at, data, owner_ids}. `data` names nobody: ids, amounts, words."""

WAITS_S = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Between tries, as Standard Webhooks suggests: ten in three days."""

SLOW_DOWN = frozenset({429, 502, 504})
"""Who answers this has too much to do already."""
_BUSY_WAIT_S = 0.5
_LEAST_WAIT_S = 60.0
_MOST_WAIT_S = 86_400.0

Connect = Callable[[], AbstractContextManager[Connection[Any]]]


class NotDeliveredError(ExternalError):
    """This try did not succeed."""


class Happening(Struct, frozen=True):
    """What endpoints are told of, and whose it is."""

    type: str
    occurred_at: datetime
    data: dict[str, Any]
    owner_ids: tuple[UUID, ...]


class _Due(NamedTuple):
    """A delivery, with what it takes to make it."""

    endpoint_id: UUID
    owner_id: UUID
    message_id: str
    body: str
    status: str
    url: str
    is_wanted: bool
    secret: str
    old_secret: str | None
    old_secret_until: datetime | None


# Users that nobody has barred are let in elsewhere too when they are not known here.
_ALLOWED = "coalesce(a.status, 'active') = 'active'"

_WANTING = f"""
SELECT e.id FROM webhook_endpoints AS e LEFT JOIN user_access AS a ON a.user_id = e.owner_id
 WHERE e.status = 'enabled' AND {_ALLOWED}
   AND (e.owner_id = ANY(%(owners)s) OR a.role = ANY(%(roles)s))
   AND (e.types = '{{}}' OR %(type)s = ANY(e.types) OR %(kind)s = ANY(e.types))
 ORDER BY e.id
"""

_DUE = f"""
SELECT d.endpoint_id, e.owner_id, d.message_id, d.body, d.status, e.url,
       e.status = 'enabled' AND {_ALLOWED}, e.secret, e.old_secret, e.old_secret_until
  FROM webhook_deliveries AS d JOIN webhook_endpoints AS e ON e.id = d.endpoint_id
  LEFT JOIN user_access AS a ON a.user_id = e.owner_id
 WHERE d.id = %s
"""


class Deliverer:
    """Handles the jobs; several threads may at once. `connect` gives connections in autocommit mode.

    Of one owner's deliveries one is under way at a time: who has many endpoints that are silent waits for
    them alone.
    Each endpoint has a breaker of its own: at a host that many share, nobody's broken endpoint is the
    others' loss.
    """

    def __init__(
        self,
        connect: Connect,
        secrets: Secrets,
        post: Post,
        breakers: Breakers,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._connect = connect
        self._secrets = secrets
        self._post = post
        self._breakers = breakers
        self._clock = clock

    def kinds(self) -> Kinds:
        """What a worker has to know of these jobs."""
        return {
            FAN_OUT: Kind(handler=self.fan_out, time_limit_s=60),
            deliveries.DELIVER: Kind(
                handler=self.deliver,
                time_limit_s=int(LIMIT_S) + 15,
                waits_s=WAITS_S,
                on_dead=self.give_up,
            ),
        }

    def fan_out(self, job: Job, ctx: object) -> dict[str, Any]:
        """Make a delivery for each endpoint that wants it and whose owner may see it. Doing it again
        makes no more of them."""
        what = convert(job.payload, Happening)
        try:
            body = body_of(what.type, what.occurred_at, what.data)
        except MessageTooLargeError as error:
            raise BusinessError(str(error)) from None
        message_id = f"msg_{job.id.hex}"
        with self._connect() as conn, conn.transaction():
            wanting = _wanting(conn, what.type, what.owner_ids)
            for endpoint_id in wanting:
                delivery_id = uuid5(job.id, str(endpoint_id))
                deliveries.insert(conn, delivery_id, endpoint_id, message_id, what.type, body)
            put(
                conn,
                [
                    deliveries.job_of(
                        uuid5(job.id, str(endpoint_id)),
                        priority=job.priority,
                        correlation_id=job.correlation_id,
                        causation_id=job.causation_id,
                    )
                    for endpoint_id in wanting
                ],
            )
        return {"deliveries": len(wanting)}

    def deliver(self, job: Job, ctx: object) -> dict[str, Any]:
        """One try. Raises `NotDeliveredError` when there should be another."""
        delivery_id = UUID(job.payload["delivery_id"])
        with self._connect() as conn, conn.transaction():
            due = _due(conn, delivery_id)
            if due is None or due.status == "delivered":
                return {"status": "gone" if due is None else "delivered"}
            if not due.is_wanted:
                _close(conn, delivery_id, "the endpoint is disabled")
                return {"status": "failed", "why": "the endpoint is disabled"}
            # Given back with the transaction, whatever ends it.
            if not _has_turn(conn, due.owner_id):
                raise Again(_BUSY_WAIT_S, has_not_tried=True)
            now, body = self._clock(), due.body.encode()
            signed = headers_for(self._secrets_of(due, now), due.message_id, now, body)
            answered = self._posted(due, {**_HEADERS, **signed}, body)
            _note(conn, delivery_id, answered, self._clock())
            if answered.status == 410:
                endpoints.disable_sync(conn, due.endpoint_id, "it answered 410 Gone")
        if answered.is_success or answered.status == 410:
            return {
                "status": "delivered" if answered.is_success else "failed",
                "answer_status": answered.status,
            }
        raise NotDeliveredError(
            _sentence(answered), retry_after_s=wait_asked_for(answered, self._clock())
        )

    def give_up(self, job: Job, failure: Failure, ctx: object, bury: Bury) -> None:
        """No try is left: the delivery has failed, until somebody replays it."""
        with self._connect() as conn, conn.transaction():
            # How the last try ended is there already; what went wrong here is not for outsiders.
            is_theirs = failure.category == "external"
            _close(
                conn,
                UUID(job.payload["delivery_id"]),
                None if is_theirs else f"it could not be sent, for a {failure.category} error",
            )
            bury(conn)

    def _posted(self, due: _Due, headers: Mapping[str, str], body: bytes) -> Answered:
        """Raises `Again` while the endpoint is left alone, which is no try."""
        try:
            permit = self._breakers.of(f"webhooks:{due.endpoint_id}").ask()
        except CircuitOpenError as error:
            raise Again(error.retry_after_s or _LEAST_WAIT_S, has_not_tried=True) from None
        try:
            answered = self._post(due.url, headers, body)
        except BaseException:  # also an interrupt, for which the endpoint can do nothing
            permit.dropped()
            raise
        if answered.status is None or answered.status >= 500 or answered.status in SLOW_DOWN:
            permit.failed(_sentence(answered))
        else:
            permit.succeeded()
        return answered

    def _secrets_of(self, due: _Due, now: datetime) -> list[str]:
        sealed = [due.secret]
        if due.old_secret is not None and due.old_secret_until is not None:
            sealed += [due.old_secret] if now < due.old_secret_until else []
        return [self._secrets.open(due.endpoint_id, text) for text in sealed]


_HEADERS = {"content-type": "application/json", "user-agent": "Daybook-Webhooks/1"}


def wait_asked_for(answered: Answered, now: datetime) -> float | None:
    """Seconds that the other side wants to be left alone for, up to a day; None when it did not say."""
    text = (answered.retry_after or "").strip()
    asked: float | None = None
    if text.isascii() and text.isdigit():
        asked = float(text[:9])
    elif text:
        try:
            at = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            at = now
        asked = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now.timestamp()
    if answered.status in SLOW_DOWN:
        asked = max(asked or 0.0, _LEAST_WAIT_S)
    return None if asked is None else min(max(asked, 0.0), _MOST_WAIT_S)


def _wanting(conn: Connection[Any], type_: str, owner_ids: Sequence[UUID]) -> list[UUID]:
    rule = RULES["webhooks.manage"]
    kind = f"{type_.partition('.')[0]}.*"
    rows = conn.execute(
        _WANTING,
        {"owners": list(owner_ids), "roles": sorted(rule.all), "type": type_, "kind": kind},
    )
    return [id_ for (id_,) in rows]


def _due(conn: Connection[Any], delivery_id: UUID) -> _Due | None:
    with conn.cursor(row_factory=args_row(_Due)) as cursor:
        return cursor.execute(_DUE, (delivery_id,)).fetchone()


def _has_turn(conn: Connection[Any], owner_id: UUID) -> bool:
    """Whether no other delivery of this owner is under way; none is until the transaction ends."""
    row = conn.execute(
        "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (f"delivery:{owner_id}",)
    ).fetchone()
    return row is not None and bool(row[0])


def _note(conn: Connection[Any], delivery_id: UUID, answered: Answered, now: datetime) -> None:
    """What a try came to. Without success it stays as it was: there may be another try."""
    status = "delivered" if answered.is_success else "failed" if answered.status == 410 else None
    conn.execute(
        "UPDATE webhook_deliveries SET status = coalesce(%s, status), attempts = attempts + 1,"
        " answer_status = %s, error = %s, tried_at = %s WHERE id = %s",
        (
            status,
            answered.status,
            None if answered.is_success else _sentence(answered),
            now,
            delivery_id,
        ),
    )


def _close(conn: Connection[Any], delivery_id: UUID, why: str | None) -> None:
    """`why` None: as the last try has ended."""
    conn.execute(
        "UPDATE webhook_deliveries SET status = 'failed', error = coalesce(%s, error)"
        " WHERE id = %s AND status <> 'delivered'",
        (why, delivery_id),
    )


def _sentence(answered: Answered) -> str:
    return answered.error or f"it answered {answered.status}"
