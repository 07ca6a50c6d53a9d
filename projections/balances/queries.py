"""Questions about accounts: as they are now, in total, and as they were at a position or a time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import args_row

from domain import accounts, catalogue
from projections.paging import Page, fetch_page

_COLUMNS = (
    "id, name, type, currency, owner_id, status, balance, held, credit_limit, version, opened_at,"
    " first_position, position"
)
_SELECT = f"SELECT {_COLUMNS} FROM balances.account"


class AccountRow(Struct, frozen=True):
    """An account. Amounts are minor units of `currency`; `position` is its last event's."""

    id: UUID
    name: str
    type: str
    currency: str
    owner_id: UUID | None
    status: str
    balance: int
    held: int
    credit_limit: int
    version: int
    opened_at: datetime
    first_position: int
    position: int

    @property
    def available(self) -> int | None:
        """Minor units that may leave the account; None when nothing limits it (internal accounts)."""
        if self.type in accounts.INTERNAL_TYPES:
            return None
        return self.balance + self.credit_limit - self.held


class CurrencyTotals(NamedTuple):
    """One currency of the trial balance, in minor units. In order when `difference` is 0."""

    currency: str
    accounts: int
    debits: int
    credits: int
    difference: int
    """Credits less debits over all accounts."""
    balances: int
    """Sum of all accounts' balances: must be 0 as well."""


class TrialBalance(NamedTuple):
    """All currencies in use, by code, true at `position` of the log."""

    position: int
    currencies: list[CurrencyTotals]


async def account(conn: AsyncConnection[Any], account_id: UUID) -> AccountRow | None:
    """One account as it is now, None when there is none."""
    async with conn.cursor(row_factory=args_row(AccountRow), binary=True) as cursor:
        await cursor.execute(f"{_SELECT} WHERE id = %s".encode(), (account_id,))
        return await cursor.fetchone()


async def accounts_among(
    conn: AsyncConnection[Any], account_ids: Collection[UUID]
) -> list[AccountRow]:
    """Those of these accounts that there are, all as of one moment, by their currency."""
    async with conn.cursor(row_factory=args_row(AccountRow), binary=True) as cursor:
        await cursor.execute(
            f"{_SELECT} WHERE id = ANY(%s) ORDER BY currency, type".encode(), (list(account_ids),)
        )
        return await cursor.fetchall()


async def owners(
    conn: AsyncConnection[Any], account_ids: Collection[UUID]
) -> dict[UUID, UUID | None]:
    """Whose accounts these are, of those that there are; None: nobody's."""
    cursor = await conn.execute(
        "SELECT id, owner_id FROM balances.account WHERE id = ANY(%s)", (list(account_ids),)
    )
    return dict(await cursor.fetchall())


async def accounts_of(conn: AsyncConnection[Any], owner_id: UUID) -> list[UUID]:
    """The accounts of a person."""
    cursor = await conn.execute("SELECT id FROM balances.account WHERE owner_id = %s", (owner_id,))
    return [id_ for (id_,) in await cursor.fetchall()]


async def list_accounts(
    conn: AsyncConnection[Any],
    *,
    limit: int,
    before: int | None = None,
    type: str | None = None,
    status: str | None = None,
    currency: str | None = None,
    owner_id: UUID | None = None,
) -> Page[AccountRow]:
    """Accounts, last opened first. `before` is the `next_before` of the page before this one."""
    return await fetch_page(
        conn,
        AccountRow,
        _SELECT,
        {
            "type = %s": type,
            "status = %s": status,
            "currency = %s": currency,
            "owner_id = %s": owner_id,
        },
        key="first_position",
        key_of=lambda row: row.first_position,
        before=before,
        limit=limit,
    )


async def trial_balance(conn: AsyncConnection[Any]) -> TrialBalance:
    """Debits and credits of every currency, and the position at which they are exactly that."""
    # One statement, so that the sums and the checkpoint are of one snapshot.
    cursor = await conn.execute(
        "SELECT checkpoint.position, totals.*"
        "  FROM checkpoints AS checkpoint"
        "  LEFT JOIN (SELECT currency, count(*), sum(debits) AS debits, sum(credits) AS credits,"
        "                    sum(balance) AS balances"
        "               FROM balances.account GROUP BY currency) AS totals ON true"
        " WHERE checkpoint.name = 'balances' ORDER BY totals.currency"
    )
    rows = await cursor.fetchall()
    totals = [
        CurrencyTotals(
            currency, count, int(debits), int(credits), int(credits - debits), int(balances)
        )
        for _, currency, count, debits, credits, balances in rows
        if currency is not None
    ]
    return TrialBalance(rows[0][0] if rows else 0, totals)


class AccountAt(NamedTuple):
    """An account as it was. `position` and `recorded_at` are of its last event then."""

    id: UUID
    name: str
    type: str
    currency: str
    owner_id: UUID | None
    status: str
    balance: int
    held: int
    credit_limit: int
    version: int
    position: int
    recorded_at: datetime
    reserved_for: UUID | None

    @property
    def available(self) -> int | None:
        """Minor units that might have left the account; None when nothing limits it."""
        if self.type in accounts.INTERNAL_TYPES:
            return None
        return self.balance + self.credit_limit - self.held


# Straight from the log, so an answer never lags. A few index look-ups: the stream's start, its last
# event then, the last one that carries amounts, and the last change of status.
_AT = """
WITH wanted AS MATERIALIZED (SELECT %(id)s::uuid AS id, {version} AS version)
SELECT event.topic, event.state, event.originator_version, event.notification_id, event.recorded_at
  FROM wanted CROSS JOIN LATERAL (
    (SELECT * FROM events WHERE originator_id = wanted.id AND originator_version = 1
        AND wanted.version > 0)
    UNION ALL
    (SELECT * FROM events WHERE originator_id = wanted.id AND originator_version <= wanted.version
        AND topic = 'account.status_changed' ORDER BY originator_version DESC LIMIT 1)
    UNION ALL
    (SELECT * FROM events WHERE originator_id = wanted.id AND originator_version <= wanted.version
        AND topic <> 'account.status_changed' ORDER BY originator_version DESC LIMIT 1)
) AS event ORDER BY event.originator_version
"""


async def account_at_position(
    conn: AsyncConnection[Any], account_id: UUID, position: int
) -> AccountAt | None:
    """An account right after the event at `position`; None when it wasn't open yet."""
    return await _account_at(conn, account_id, "version_at(%(id)s, %(at)s)", position)


async def account_at_time(
    conn: AsyncConnection[Any], account_id: UUID, moment: datetime
) -> AccountAt | None:
    """An account after all that was recorded up to `moment` (aware); None when it wasn't open yet."""
    return await _account_at(conn, account_id, "version_at(%(id)s, position_at(%(at)s))", moment)


async def account_at_version(
    conn: AsyncConnection[Any], account_id: UUID, version: int
) -> AccountAt | None:
    """An account right after its event `version`, which it must have; None when it is no account."""
    return await _account_at(conn, account_id, "%(at)s::bigint", version)


async def _account_at(
    conn: AsyncConnection[Any], account_id: UUID, version_then: str, at: int | datetime
) -> AccountAt | None:
    cursor = await conn.execute(
        _AT.format(version=version_then).encode(), {"id": account_id, "at": at}, binary=True
    )
    rows = await cursor.fetchall()
    if not rows:
        return None
    opened = catalogue.decode(rows[0][0], rows[0][1])
    if not isinstance(opened, accounts.Opened):  # the id of a transfer, or of something else
        return None
    status, balance, held = "active", 0, 0
    for topic, state, *_ in rows[1:]:
        match catalogue.decode(topic, state):
            case accounts.StatusChanged(status=status):
                pass
            case (
                accounts.Debited(balance=balance, held=held)
                | accounts.Credited(balance=balance, held=held)
                | accounts.Held(balance=balance, held=held)
                | accounts.Released(balance=balance, held=held)
            ):
                pass
    _, _, version, last_position, recorded_at = rows[-1]
    return AccountAt(
        account_id, opened.name, opened.type, opened.currency, opened.owner_id, status, balance,
        held, opened.credit_limit, version, last_position, recorded_at, opened.reserved_for,
    )  # fmt: skip
