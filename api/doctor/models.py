"""Checks of the read models: how far they are, who runs them, what they leave out, their rebuilds."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from psycopg import AsyncConnection, Connection

from api.doctor.findings import Finding, Looked, count, span, warning, wrong
from api.doctor.patient import Patient
from application.importing.texts import clean
from projections import parking, rebuild_state, schemas
from projections.catalogue import READ_MODELS
from projections.health import ModelStatus, status, status_of_others
from projections.rebuild_state import Rebuild

_POLL_S = 0.1
_MAX_SHOWN = 10
_OURS = frozenset(model.name for model in READ_MODELS)

_START = "Start `daybook project`, or all of it with `daybook up`."


async def all_statuses(conn: AsyncConnection[Any]) -> list[ModelStatus]:
    """The product's read models and those of somebody's own."""
    return [*await status(conn), *await status_of_others(conn)]


def read_models(patient: Patient) -> Looked:
    """Each shows the log as far as it is, filled by the code that is here."""
    found = patient.ask(all_statuses)
    findings = [finding for one in found for finding in _standing(one, patient.limits.lagging_s)]
    return Looked(_names(one.name for one in found), findings)


def _standing(one: ModelStatus, lagging_s: float) -> list[Finding]:
    if one.position > one.head:
        return [
            wrong(
                f"{one.name} has seen event {one.position:,}, and the log ends at {one.head:,}: the"
                " database was restored in part, or events are missing at its end.",
                f"When the log is as it should be: DROP SCHEMA {one.name} CASCADE, and then"
                f" `daybook projections rebuild {_word(one.name)}`.",
            )
        ]
    if one.built_by != one.code_version:
        return [
            wrong(
                f"{one.name} was built by version {one.built_by}, code is version"
                f" {one.code_version}: it stands still at {one.position:,}, {_lag(one)}.",
                f"`daybook projections rebuild {_word(one.name)}`, or run the version that built it.",
            )
        ]
    if one.error is not None:
        return [
            wrong(
                f"{one.name} stands still at {one.position:,}, {_lag(one)}: {clean(one.error, 500)}",
                "It tries again by itself: mend what the error names (code, database, disk), and"
                " `daybook projections list` shows it going on.",
            )
        ]
    if one.lag_s > lagging_s:
        return [
            warning(
                f"{one.name} is at {one.position:,}, {_lag(one)}.",
                "See whether it gets nearer with `daybook projections list`. If not, a check below"
                " says who is in its way.",
            )
        ]
    return []


def _lag(one: ModelStatus) -> str:
    if not one.lag_events:
        return "with nothing to do"
    return f"{count(one.lag_events, 'event')} and {span(one.lag_s)} behind the log"


class _Holder(NamedTuple):
    """A session that runs a read model; `since_s` is how long it has been in this state."""

    key: int
    pid: int
    state: str | None
    since_s: float | None
    blockers: list[int]


# A lock's number is unsigned there, and lock_key stays within what both agree on.
_HOLDERS = """
SELECT lock.objid::bigint, activity.pid, activity.state,
       extract(epoch FROM clock_timestamp() - activity.state_change)::float8,
       pg_blocking_pids(activity.pid)
  FROM pg_locks AS lock JOIN pg_stat_activity AS activity USING (pid)
 WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid = %s::bigint::oid
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def runners(patient: Patient) -> Looked:
    """Each read model has a runner, whose session is alive."""
    give_up = time.monotonic() + patient.limits.handover_s
    while True:
        found = patient.ask(all_statuses)
        idle = [one for one in found if one.health == "not running"]
        if _OURS.isdisjoint(one.name for one in idle) or time.monotonic() > give_up:
            break
        time.sleep(_POLL_S)  # one may be taking over from another
    findings = [_not_running(one) for one in idle]
    with patient.connect() as conn:
        rows = conn.execute(_HOLDERS, (schemas.RUNNER_LOCKS,)).fetchall()
    names = {schemas.lock_key(one.name): one.name for one in found}
    for holder in (_Holder(*row) for row in rows):
        if holder.since_s is not None and holder.since_s > patient.limits.hung_s:
            findings.append(_hung(names.get(holder.key, "a read model"), holder))
    return Looked(_names(names[row[0]] for row in rows if row[0] in names), findings)


def _not_running(one: ModelStatus) -> Finding:
    sentence = f"Nobody runs {one.name}; it is at {one.position:,}, {_lag(one)}."
    start = _START
    if one.name not in _OURS:
        start = "`daybook projections run FILE` with its file, or drop its schema and checkpoint."
    return (wrong if one.lag_events and one.name in _OURS else warning)(sentence, start)


def _hung(name: str, holder: _Holder) -> Finding:
    who = f"The runner of {name} (process {holder.pid} of the database)"
    end = f"SELECT pg_terminate_backend({holder.pid})"
    if holder.state == "active":
        by = ", ".join(map(str, holder.blockers))
        waits = f", waiting for a lock of process {by}" if by else ""
        return warning(
            f"{who} has been at one statement for {span(holder.since_s or 0)}{waits}.",
            f"End what it waits for with SELECT pg_terminate_backend({by})." if by else
            f"See what it does in pg_stat_activity; {end} ends it, and it begins that batch again.",
        )  # fmt: skip
    return wrong(
        f"{who} has said nothing for {span(holder.since_s or 0)} ({holder.state}): it hangs, and"
        " nobody else can take over.",
        f"End it with {end}: it connects again, or another runner takes over within a second.",
    )


def parked_keys(patient: Patient) -> Looked:
    """Every read model shows all of its accounts, transfers and streams."""

    async def ask(conn: AsyncConnection[Any]) -> tuple[list[Any], list[Finding]]:
        # One statement, so that both counts are of one moment.
        cursor = await conn.execute(
            "SELECT name, coalesce(checkpoint.parked, 0), coalesce(many, 0)"
            "  FROM checkpoints AS checkpoint FULL JOIN"
            "       (SELECT model AS name, count(*) AS many FROM parked_keys GROUP BY model) AS there"
            " USING (name)"
            # What is kept for a rollback is shown to nobody before that.
            " WHERE name NOT LIKE '%\\_previous' ORDER BY name"
        )
        rows = await cursor.fetchall()
        findings: list[Finding] = []
        for name, noted, many in rows:
            if many and (keys := await parking.parked(conn, name)):
                findings.append(_parked(name, keys))
            if noted != many:
                findings.append(_miscounted(name, noted, many))
        return rows, findings

    rows, findings = patient.ask(ask)
    return Looked(f"{count(sum(many for *_, many in rows), 'key')} parked", findings)


def _parked(name: str, keys: Sequence[parking.ParkedKey]) -> Finding:
    shown = "; ".join(
        f"{one.key} since event {one.position:,} ({clean(one.error)})" for one in keys[:_MAX_SHOWN]
    )
    more = f"; and {len(keys) - _MAX_SHOWN} more" if len(keys) > _MAX_SHOWN else ""
    return wrong(
        f"{name} leaves out {count(len(keys), 'key')}, whose events its code fails on: {shown}{more}.",
        f"Correct the code, start it, and `daybook projections retry {_word(name)}` shows what was left out.",
    )


def _miscounted(name: str, noted: int, many: int) -> Finding:
    return wrong(
        f"{name} counts {noted} parked in its checkpoint, and parked_keys has {many}: somebody has"
        " changed one of them by hand.",
        f"`daybook projections rebuild {_word(name)}` leaves nothing out, and counts anew.",
    )


def rebuilds(patient: Patient) -> Looked:
    """No rebuild has stopped half-way or found rows that differ, and none has left schemas behind."""
    with patient.connect() as conn:
        named = conn.execute("SELECT name FROM checkpoints UNION SELECT name FROM rebuilds")
        names = sorted({*_OURS, *(name for (name,) in named)})
        schemas_there = _leftovers(conn, names)
        found = {one.name: one for one in patient.ask(lambda c: rebuild_state.find_all(c, names))}
        findings = [f for one in found.values() for f in _rebuild(one, patient.limits.hung_s)]
        for name, schema in schemas_there:
            # Looked at again: one that was on its way is gone or in use by now.
            if not _is_used(found.get(name), schema) and schemas.exists(conn, schema):
                findings.append(_leftover(name, schema))
    return Looked(_names(f"{one.name} {one.state}" for one in found.values()), findings)


def _rebuild(one: Rebuild, waiting_s: float) -> list[Finding]:
    name = _word(one.name)
    on = f"To go on: `daybook projections resume {name}`; to give it up: `daybook projections cancel {name}`."
    done = f"{one.done:,} of {count(one.total, 'event')} done"
    age_s = (datetime.now(UTC) - one.updated_at).total_seconds()
    match one.state:
        case "interrupted" | "paused" as state:
            return [warning(f"The rebuild of {one.name} is {state}, {done}.", on)]
        case "waiting" if age_s > waiting_s:
            sentence = f"The rebuild of {one.name} has waited for a projector for {span(age_s)}."
            return [warning(sentence, _START)]
        case "failed":
            why = clean(one.error or "nothing is known of why", 500)
            again = f"Mend that, and `daybook projections rebuild {name}` again."
            return [
                wrong(f"The rebuild of {one.name} failed, the live one serves on: {why}", again)
            ]
        case "different":
            return [_different(one)]
    return []


def _different(one: Rebuild) -> Finding:
    name = _word(one.name)
    if one.only_verify:
        return wrong(
            f"{one.name} is not what the log comes to, by a comparison of {one.updated_at:%F %T}.",
            f"See where with `daybook projections verify {name}`. If the code is right:"
            f" `daybook projections rebuild {name} --accept-differences`.",
        )
    return wrong(
        f"The rebuilt {one.name} differs from the live one, and was not swapped in.",
        f"If the rows in {one.name}_shadow are right:"
        f" `daybook projections rebuild {name} --accept-differences`; to drop them:"
        f" `daybook projections cancel {name}`.",
    )


def _leftovers(conn: Connection[Any], names: Sequence[str]) -> list[tuple[str, str]]:
    rows = conn.execute(
        "SELECT name, nspname FROM unnest(%s::text[]) AS name CROSS JOIN"
        " unnest(ARRAY['_shadow', '_outdated', '_aside']) AS ending"
        " JOIN pg_namespace ON nspname = name || ending ORDER BY nspname",
        (list(names),),
    ).fetchall()
    return [(name, schema) for name, schema in rows]


def _is_used(rebuild: Rebuild | None, schema: str) -> bool:
    if rebuild is None or not schema.endswith("_shadow"):
        return False
    return rebuild.is_unfinished or (rebuild.phase == "different" and not rebuild.only_verify)


def _leftover(name: str, schema: str) -> Finding:
    return warning(
        f"The schema {schema} is left of a rebuild of {name}, and takes space.",
        f"The next rebuild of it drops {schema}; so does DROP SCHEMA {schema} CASCADE.",
    )


def _word(name: str) -> str:
    """A read model as a command takes it: one of somebody's own is given by its file."""
    return name if name in _OURS else "FILE"


def _names(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names)) or "none"
