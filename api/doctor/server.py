"""Checks of the database server: whether it answers, who keeps it busy, and whether data are safe."""

from __future__ import annotations

import shutil
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg import Connection

from api.doctor.findings import Finding, Looked, count, span, warning, wrong
from api.doctor.patient import Patient
from application.importing.texts import clean


def reachable(patient: Patient) -> Looked:
    """The database answers, as the application and as the owner."""
    embedded = patient.settings.DATABASE_URL is None
    try:
        with patient.connect() as conn:
            version = conn.info.server_version
            role = conn.info.user
    except psycopg.OperationalError as error:
        advice = (
            "See whether it runs, and whether DATABASE_URL is right. In a new database"
            " `daybook migrate up` makes the role."
        )
        if embedded:
            advice = (
                "Is it new? Then `daybook up` sets it up. Else the daybook that ran it may have stopped"
                " just now: try again."
            )
        sentence = f"The database cannot be reached: {clean(str(error), 500)}"
        return Looked("", [wrong(sentence, advice)], is_hopeless=True)
    looked_at = f"Postgres {version // 10_000}.{version % 10_000}, as {role}"
    try:
        with patient.connect(as_owner=True):
            pass
    except psycopg.OperationalError as error:
        sentence = f"The owner cannot connect: {clean(str(error), 500)}"
        return Looked(looked_at, [warning(sentence, "See whether DATABASE_ADMIN_URL is right.")])
    return Looked(looked_at)


class _Session(NamedTuple):
    """A session of this database; of another role's, without the right to see it, all else is None."""

    pid: int
    role: str | None
    application: str | None
    state: str | None
    age_s: float | None
    keeps_waiting: int


_SESSIONS = """
WITH waiting AS (SELECT unnest(pg_blocking_pids(pid)) AS blocker FROM pg_stat_activity
                  WHERE datname = current_database() AND wait_event_type = 'Lock')
SELECT pid, usename::text, application_name, state,
       extract(epoch FROM clock_timestamp() - xact_start)::float8,
       (SELECT count(*) FROM waiting WHERE blocker = pid)
  FROM pg_stat_activity
 WHERE datname = current_database() AND usesysid IS NOT NULL AND pid <> pg_backend_pid()
   AND coalesce(backend_type, 'client backend') = 'client backend' ORDER BY xact_start
"""

_PREPARED = """
SELECT gid, owner::text, extract(epoch FROM clock_timestamp() - prepared)::float8
  FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared
"""


def sessions(patient: Patient) -> Looked:
    """Nobody keeps a transaction open for long: others wait for its locks, and no table is cleaned up."""
    limit = patient.limits.transaction_s
    seen: dict[int, _Session] = {}
    with patient.connect() as conn:
        _see(conn, seen)
        prepared = conn.execute(_PREPARED.encode()).fetchall()
    if patient.admin_url != patient.conninfo:
        # Without it less is seen, which is told; why it fails is told by the check of the database.
        with suppress(psycopg.OperationalError), patient.connect(as_owner=True) as conn:
            _see(conn, seen)
    findings = [_long(one) for one in seen.values() if one.age_s is not None and one.age_s > limit]
    findings += [_prepared(*row) for row in prepared if row[2] > limit]
    looked_at = count(len(seen), "session")
    hidden = sum(one.state is None for one in seen.values())
    if hidden:
        looked_at += (
            f", {hidden} of them of other roles and hidden: let DATABASE_ADMIN_URL name a member of"
            " pg_monitor to see them"
        )
    return Looked(looked_at, findings)


def _see(conn: Connection[Any], seen: dict[int, _Session]) -> None:
    for row in conn.execute(_SESSIONS.encode()).fetchall():
        one = _Session(*row)
        if one.pid not in seen or one.state is not None:
            seen[one.pid] = one


def _long(one: _Session) -> Finding:
    who = f"Process {one.pid} ({clean(one.application or 'no name')}, role {one.role}, {one.state})"
    sentence = f"{who} has had a transaction open for {span(one.age_s or 0)}"
    advice = (
        f"End it where it was started, or with SELECT pg_terminate_backend({one.pid}); what it has not"
        " committed is lost."
    )
    if "idle" in (one.state or ""):
        advice += " idle_in_transaction_session_timeout ends such sessions by itself."
    if one.keeps_waiting:
        waiting = count(one.keeps_waiting, "other session")
        return wrong(f"{sentence}, and keeps {waiting} waiting.", advice)
    return warning(f"{sentence}.", advice)


def _prepared(gid: str, owner: str, age_s: float) -> Finding:
    quoted = gid.replace("'", "''")
    return warning(
        f"The prepared transaction {clean(gid)!r} of {owner} has waited for {span(age_s)}; it keeps its"
        " locks until then, also over restarts.",
        f"Have whoever coordinates it end it, or, as its owner: ROLLBACK PREPARED '{quoted}'."
        " Daybook makes none.",
    )


_DURABLE = {
    "fsync": "a crash of the machine can destroy the database",
    "full_page_writes": "a crash of the machine can leave torn pages that nothing repairs",
    "synchronous_commit": "a crash can lose what was answered as done",
}


def durability(patient: Patient) -> Looked:
    """What is answered as done is on the disk."""
    with patient.connect() as conn:
        rows = conn.execute(
            "SELECT name, setting, source FROM pg_settings WHERE name = ANY(%s) ORDER BY name",
            (list(_DURABLE),),
        ).fetchall()
    findings = [
        wrong(
            f"{name} is off (set by: {source}): {_DURABLE[name]}.",
            f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf(); and take it out of where it is set.",
        )
        for name, setting, source in rows
        if setting == "off"
    ]
    return Looked(", ".join(f"{name} {setting}" for name, setting, _ in rows), findings)


def disk(patient: Patient) -> Looked:
    """There is room for what comes."""
    folder = patient.settings.DATA_DIR
    if patient.settings.DATABASE_URL is not None:
        found = _folder_of_server(patient)
        if found is None:
            return Looked("the server's disk cannot be seen from here: watch it there")
        folder = found
    try:
        usage = shutil.disk_usage(folder)
    except (FileNotFoundError, PermissionError):
        if patient.settings.DATABASE_URL is None:
            raise
        return Looked(f"the server's disk cannot be seen from here: watch {folder} there")
    free = usage.free / usage.total
    looked_at = f"{_gib(usage.free)} of {_gib(usage.total)} free ({free:.0%}) at {folder}"
    limits = patient.limits
    if free >= limits.free_share and usage.free >= limits.free_bytes:
        return Looked(looked_at)
    return Looked(
        looked_at,
        [
            warning(
                f"Only {_gib(usage.free)} ({free:.0%}) of the disk at {folder} is free: when it is"
                " full, nothing can be written.",
                "Make room, or enlarge it. Kept for a rollback, and to be dropped if need be: the"
                " schemas named *_previous.",
            )
        ],
    )


def _folder_of_server(patient: Patient) -> Path | None:
    """Where the server on this machine keeps its data; None when it is elsewhere, or keeps it to itself."""
    unseen = suppress(psycopg.OperationalError, psycopg.errors.InsufficientPrivilege)
    with unseen, patient.connect(as_owner=True) as conn:
        if not _is_here(conn):
            return None
        row = conn.execute("SHOW data_directory").fetchone()
        return None if row is None else Path(row[0])
    return None


def _is_here(conn: Connection[Any]) -> bool:
    if conn.info.host.startswith("/"):
        return True
    with suppress(ValueError):
        return ip_address(conn.info.hostaddr).is_loopback
    return False


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
