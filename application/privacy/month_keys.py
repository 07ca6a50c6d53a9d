"""The keys of the months that seal addresses in the security log: destroying one forgets a month."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from psycopg import AsyncConnection, Connection, errors

from application.privacy import person_keys
from application.privacy.errors import PrivacyError
from application.privacy.master_keys import MasterKeys
from application.privacy.person_keys import PersonKey
from domain.refusals import Refusal
from domain.security import key_of

_FIRST_YEAR = 2000
"""No log is as old."""


class MonthInUseError(PrivacyError):
    """The key of the current month still seals what comes."""

    def __init__(self, now: datetime) -> None:
        super().__init__(
            f"the key of this month still seals what comes: give {now:%Y-%m}, or a month before it"
        )


class MonthKey(NamedTuple):
    """The key for what is noticed at a moment (UTC). A new one opens nothing later unless it is kept."""

    moment: datetime
    key: PersonKey
    is_new: bool


async def current(conn: AsyncConnection[Any], masters: MasterKeys) -> MonthKey:
    """The key of this month by the database's clock, which is the one that events are dated by.

    Raises `MasterKeyMissingError`, `SealBrokenError`.
    """
    row = await (await conn.execute("SELECT clock_timestamp()")).fetchone()
    assert row is not None
    moment = row[0].astimezone(UTC)
    id_ = key_of(moment)
    found = (await person_keys.load(conn, masters, [id_])).get(id_)
    if found is None:
        return MonthKey(moment, person_keys.new(id_), is_new=True)
    return MonthKey(moment, PersonKey(id_, found), is_new=False)


def keep(conn: Connection[Any], masters: MasterKeys, key: PersonKey) -> None:
    """Insert a new month's key, in the transaction of the first events that need it.

    Refuses `already_processed` when another server was faster: what is sealed has to be sealed anew.
    """
    try:
        with conn.transaction():
            person_keys.keep(conn, masters, key)
    except errors.UniqueViolation:
        raise Refusal("already_processed") from None


def forget_before(conn: Connection[Any], month: datetime, now: datetime) -> list[str]:
    """Destroy the keys of all months before that of a moment (UTC); which there were, as `2026-01`.

    Addresses of these months can be read by nobody from then on, except with a key out of a backup.
    Raises `MonthInUseError` for a month after that of `now`.
    """
    if (month.year, month.month) > (now.year, now.month):
        raise MonthInUseError(now)
    months = {key_of(one): f"{one:%Y-%m}" for one in _months_before(month)}
    deleted = conn.execute(
        "DELETE FROM person_keys WHERE person_id = ANY(%s) RETURNING person_id", (list(months),)
    )
    return sorted(months[id_] for (id_,) in deleted)


def _months_before(month: datetime) -> Iterator[datetime]:
    for year in range(_FIRST_YEAR, month.year + 1):
        for number in range(1, 13):
            if (year, number) < (month.year, month.month):
                yield datetime(year, number, 1, tzinfo=UTC)
