"""Holds the read models against the log: a sample at once, or with `deep` all of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from api.doctor.findings import Finding, Looked, count, wrong
from api.doctor.patient import Patient
from application.importing.texts import amount_text, clean
from application.ledger.reading import SNAPSHOT_SHAPE
from domain import catalogue
from domain.accounts import Credited, Debited
from projections import parking
from projections.agreement import hold_against_log
from projections.balances.queries import TrialBalance, account_at_version, trial_balance

_REBUILD = (
    "See all that differs with `daybook projections verify {name}`; when the code is right,"
    " `daybook projections rebuild {name} --accept-differences` makes it anew from the log."
)


_SNAPSHOTS = (
    "Stop the servers, keep a copy of the table snapshots for those who will ask, and TRUNCATE it as its"
    " owner: accounts are then loaded from their events. Then look at what was written since with"
    " `daybook audit verify --deep`."
)


def _advice(name: str) -> str:
    return _SNAPSHOTS if name == "snapshots" else _REBUILD.format(name=name)


def drift(patient: Patient) -> Looked:
    """Read models show what the log says."""
    return _all(patient) if patient.deep else patient.ask(lambda conn: _some(conn, patient))


def _all(patient: Patient) -> Looked:
    with patient.connect(with_temporary=True) as conn:
        verdicts = hold_against_log(conn, snapshot_shape=SNAPSHOT_SHAPE)
    findings = [
        wrong(clean(sentence, 500), _advice(verdict.name))
        for verdict in verdicts
        for sentence in verdict.differences
    ]
    counted = [f"{one.counted} of {one.name} up to {one.position:,}" for one in verdicts]
    return Looked("all: " + ", ".join(counted), findings)


async def _some(conn: AsyncConnection[Any], patient: Patient) -> Looked:
    """Sums of all accounts, and the balances of a few as the log has them."""
    cursor = await conn.execute("SELECT to_regclass('balances.account') IS NULL")
    if await cursor.fetchone() == (True,):
        return Looked("balances was never built")
    parked = (await parking.positions(conn)).get("balances", {})
    sampled, findings = await _sample(conn, patient.limits.sampled_accounts, list(parked))
    looked_at = f"balances of {count(sampled, 'account')}"
    if not parked:  # what is left out is missing in the sums too, and told by another check
        total = await trial_balance(conn)
        findings = [*await _unbalanced(conn, total), *findings]
        looked_at += f", sums of {count(len(total.currencies), 'currency').replace('ys', 'ies')}"
    return Looked(f"{looked_at}; `--deep` looks at all", findings)


async def _unbalanced(conn: AsyncConnection[Any], total: TrialBalance) -> list[Finding]:
    on_its_way = await _on_its_way(conn, total.position)
    findings = []
    for one in total.currencies:
        if one.difference == one.balances == -on_its_way:
            on_its_way = 0
        elif one.difference or one.balances:
            odd = one.difference or one.balances
            findings.append(
                wrong(
                    f"The balances in {one.currency} add up to {amount_text(odd, one.currency)}"
                    f" instead of zero, at position {total.position:,}.",
                    _REBUILD.format(name="balances"),
                )
            )
    return findings


async def _on_its_way(conn: AsyncConnection[Any], position: int) -> int:
    """Minor units that have left one account and not come to the other yet: a read model stops
    anywhere in the log, between the two entries of a transfer too."""
    cursor = await conn.execute(
        "SELECT topic, state FROM events WHERE notification_id IN (%s, %s)"
        " ORDER BY notification_id",
        (position, position + 1),
    )
    match [catalogue.decode(topic, state) for topic, state in await cursor.fetchall()]:
        case [Debited(amount=amount, transfer_id=left), Credited(transfer_id=came)]:
            return amount if left == came else 0
    return 0


class _Row:
    """An account as the read model shows it; `is_behind`: the log has more of it by the checkpoint."""

    def __init__(self, *, id: UUID, is_behind: bool, **columns: Any) -> None:
        self.id = id
        self.is_behind = is_behind
        self.columns = columns


# Whole pages at random, of which some rows: as fast for ten million accounts as for ten. One statement,
# so that rows and checkpoint are of one moment; the log before that does not change any more.
_SAMPLE = """
SELECT account.id, balance, held, credit_limit, status, version, account.position,
       EXISTS (SELECT FROM events AS later WHERE originator_id = account.id
                  AND originator_version = account.version + 1
                  AND notification_id <= checkpoint.position) AS is_behind
  FROM (SELECT * FROM balances.account TABLESAMPLE SYSTEM (
          least(100, 100 * 50 * 8192.0 / greatest(pg_relation_size('balances.account'), 1)))
        WHERE id <> ALL(%s) ORDER BY random() LIMIT %s) AS account
  JOIN checkpoints AS checkpoint ON checkpoint.name = 'balances'
"""


async def _sample(
    conn: AsyncConnection[Any], limit: int, parked: list[UUID]
) -> tuple[int, list[Finding]]:
    async with conn.cursor(row_factory=class_row(_Row)) as cursor:
        await cursor.execute(_SAMPLE, (parked, limit))
        rows = await cursor.fetchall()
    odd = [(row, words) for row in rows if (words := await _odd(conn, row))]
    if not odd:
        return len(rows), []
    row, words = odd[0]
    sentence = f"balances shows something else than the log for {len(odd)} of {len(rows)} accounts:"
    return len(rows), [wrong(f"{sentence} {row.id}: {words}.", _REBUILD.format(name="balances"))]


async def _odd(conn: AsyncConnection[Any], row: _Row) -> str:
    """How a row differs from what the account's last event says; empty when it does not."""
    logged = await account_at_version(conn, row.id, row.columns["version"])
    if logged is None:
        return "it is not in the log"
    shown = row.columns
    odd = [
        f"{name} is {shown[name]}, by the log {getattr(logged, name)}"
        for name in shown
        if shown[name] != getattr(logged, name)
    ]
    if row.is_behind:
        odd.append(f"events after version {shown['version']} are left out")
    return "; ".join(odd)
