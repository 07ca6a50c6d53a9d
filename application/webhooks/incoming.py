"""Takes in what others tell: each message once, however often it is sent, and together with its effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from psycopg import AsyncConnection, Connection
from psycopg.rows import args_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from application.jobs import NewJob
from application.jobs.outbox import put_async
from application.ledger import Ledger, Refused, Submission
from application.ledger.outcomes import Command
from application.webhooks.signing import Proven
from domain.provenance import Provenance
from domain.refusals import Refusal
from domain.texts import is_fit

ACCEPTED, NOTHING_NEW, IGNORED = "accepted", "nothing_new", "ignored"
"""Outcomes that are none of a refusal: it had an effect; it was known; it is about nothing of ours."""

MAX_TYPE = 100

_REPEATED = "webhook_repeated"


class MessageError(Exception):
    """A message that is proven and cannot be understood. `fields` are those that are missing or wrong."""

    def __init__(self, reason: str, *fields: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fields = list(fields)


class Told(NamedTuple):
    """What a message comes to: a command, a job, or neither when it is about nothing of ours."""

    subject: str
    command: Command | None = None
    job: NewJob | None = None


class Provider(Struct, frozen=True):
    """Somebody whose word is taken. `read` makes of a message's type and data what is to be done, or
    raises `MessageError`; of several secrets any will do. Commands of a message that is refused because
    its subject is unknown are not remembered: they may be known when it is sent again."""

    secrets: tuple[str, ...]
    read: Callable[[str, Mapping[str, Any]], Told]


class Received(NamedTuple):
    """A message as it was taken in, and what came of it the first time; `details` are a refusal's."""

    provider: str
    message_id: str
    type: str
    subject: str
    outcome: str
    details: dict[str, Any]
    received_at: datetime


class _Message(Struct, frozen=True):
    type: str
    data: dict[str, Any]


class _Parts(Struct, frozen=True):
    """A message of which nothing is known yet."""

    type: Any = None
    data: Any = None


Pool = AsyncConnectionPool[AsyncConnection[Any]]


async def receive(
    ledger: Ledger,
    pool: Pool,
    name: str,
    provider: Provider,
    proven: Proven,
    body: bytes,
    correlation_id: str,
) -> Received:
    """Do what a proven message asks for, once, and answer what came of it the first time.

    Raises `MessageError`, and `Refusal` for a subject that nobody knows; then nothing is remembered.
    """
    if (known := await _find(pool, name, proven.message_id)) is not None:
        return known
    message = parse(body)
    told = provider.read(message.type, message.data)
    row = (name, proven.message_id, message.type, told.subject)
    if told.job is not None:
        return await _put(pool, row, replace(told.job, correlation_id=correlation_id))
    if told.command is None:
        return await _remember(pool, row, IGNORED)

    def beside(conn: Connection[Any]) -> None:
        if (
            conn.execute(_INSERT, (*row, ACCEPTED, _details({}))).rowcount == 0
        ):  # the same came in meanwhile
            raise Refusal(_REPEATED)

    provenance = Provenance(
        actor=f"webhook:{name}", correlation_id=correlation_id, causation_id=proven.message_id
    )
    try:
        done = await ledger.post(Submission([told.command], provenance, beside=beside))
    except Refusal as refusal:
        if refusal.reason != _REPEATED:
            raise
        return await _remember(pool, row, ACCEPTED)
    return await _remember(pool, row, *_outcome(done.outcomes[0]))


def parse(body: bytes) -> _Message:
    """Raises `MessageError` for what is no JSON object, or has no type or data."""
    try:
        parts = msgspec.json.decode(body, type=_Parts)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MessageError("invalid_json") from None
    missing = [name for name in ("type", "data") if getattr(parts, name) is None]
    if missing:
        raise MessageError("missing_fields", *missing)
    if not is_word(parts.type, MAX_TYPE):
        raise MessageError("invalid_request", "type")
    if not isinstance(parts.data, dict):
        raise MessageError("invalid_request", "data")
    return _Message(parts.type, parts.data)


def is_word(value: object, most: int) -> bool:
    """Whether this is a text of at most so many characters that may be kept and shown."""
    return isinstance(value, str) and len(value) <= most and is_fit(value)


def _outcome(outcome: object) -> tuple[str, Mapping[str, object]]:
    if not isinstance(outcome, Refused):
        return ACCEPTED, {}
    if outcome.reason.endswith("_not_found"):
        raise Refusal(outcome.reason, **outcome.details)
    return outcome.reason, outcome.details


_INSERT = (
    "INSERT INTO webhooks_received (provider, message_id, type, subject, outcome, details)"
    " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
)
_COLUMNS = "provider, message_id, type, subject, outcome, details, received_at"


def _details(details: Mapping[str, object]) -> Jsonb:
    return Jsonb(msgspec.to_builtins(details))


async def _put(pool: Pool, row: tuple[str, str, str, str], job: NewJob) -> Received:
    """As `_remember`, of a message that makes a job, together with it."""
    async with pool.connection() as conn, conn.transaction():
        added = await conn.execute(_INSERT, (*row, ACCEPTED, _details({})))
        if added.rowcount:
            await put_async(conn, [job])
    return await _remember(pool, row, ACCEPTED)


async def _remember(
    pool: Pool,
    row: tuple[str, str, str, str],
    outcome: str,
    details: Mapping[str, object] = MappingProxyType({}),
) -> Received:
    """What is kept of the message, which may be what came of it before."""
    async with pool.connection() as conn:
        await conn.execute(_INSERT, (*row, outcome, _details(dict(details))))
    found = await _find(pool, row[0], row[1])
    assert found is not None, "it was just put there, or was there before"
    return found


async def _find(pool: Pool, provider: str, message_id: str) -> Received | None:
    async with pool.connection() as conn, conn.cursor(row_factory=args_row(Received)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM webhooks_received WHERE provider = %s AND message_id = %s",
            (provider, message_id),
        )
        return await cursor.fetchone()


class Place(NamedTuple):
    """The message after which a list goes on."""

    received_at: datetime
    provider: str
    message_id: str


async def listed(
    conn: AsyncConnection[Any],
    *,
    provider: str | None,
    subject: str | None,
    before: Place | None,
    limit: int,
) -> list[Received]:
    """What came in, the newest first, older than `before`."""
    at, of, id_ = before or (None, None, None)
    async with conn.cursor(row_factory=args_row(Received)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM webhooks_received"
            " WHERE (%(provider)s::text IS NULL OR provider = %(provider)s)"
            " AND (%(subject)s::text IS NULL OR subject = %(subject)s)"
            " AND (%(at)s::timestamptz IS NULL OR"
            "  (received_at, provider, message_id) < (%(at)s, %(of)s, %(id)s))"
            " ORDER BY received_at DESC, provider DESC, message_id DESC LIMIT %(limit)s",
            {
                "provider": provider,
                "subject": subject,
                "at": at,
                "of": of,
                "id": id_,
                "limit": limit,
            },
        )
        return await cursor.fetchall()
