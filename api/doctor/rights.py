"""Checks of what the database is made of: migrations, rights, and what makes the log append-only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from psycopg import Connection

from api.doctor.findings import Finding, Looked, count, warning, wrong
from api.doctor.patient import Patient
from migrations import runner
from migrations.runner import MigrationError
from projections.catalogue import READ_MODELS

ROLE = "daybook"
"""What the migrations grant to. An installation may run as another role."""

_ALL = ("SELECT", "INSERT", "UPDATE", "DELETE")
_NEEDED: dict[str, Sequence[str]] = {
    "schema_migrations": ("SELECT",),
    "events": ("SELECT", "INSERT"),
    "event_log": ("SELECT",),
    "ledger_head": ("SELECT", "UPDATE"),
    "audit_nodes": ("SELECT", "INSERT"),
    "audit_checkpoints": ("SELECT", "INSERT"),
    "snapshots": _ALL,
    "idempotency_keys": _ALL,
    "deadlines": _ALL,
    "checkpoints": _ALL,
    "parked_keys": _ALL,
    "rebuilds": _ALL,
    "rebuild_partitions": _ALL,
    "person_keys": _ALL,
    "service_keys": _ALL,
    "user_emails": _ALL,
    "credentials": _ALL,
    "sessions": _ALL,
    "api_keys": _ALL,
    "revocations": _ALL,
    "user_access": _ALL,
    "outgoing_mail": _ALL,
    "process_checkpoints": _ALL,
    "processes": _ALL,
    "process_history": _ALL,
    "process_inbox": _ALL,
    "process_deadlines": _ALL,
    "jobs": _ALL,
    "job_attempts": _ALL,
    "job_keys": _ALL,
    "webhook_endpoints": _ALL,
    "webhook_deliveries": _ALL,
    "webhooks_received": _ALL,
    "service_health": _ALL,
}
_FUNCTIONS = ("version_at(uuid, bigint)", "position_at(timestamptz)")

_FORBIDDEN: dict[str, Sequence[str]] = {
    "events": ("UPDATE", "DELETE", "TRUNCATE"),
    "ledger_head": ("INSERT", "DELETE", "TRUNCATE"),
    "audit_nodes": ("UPDATE", "DELETE", "TRUNCATE"),
    "audit_checkpoints": ("UPDATE", "DELETE", "TRUNCATE"),
}

_TRIGGERS = (
    ("events", "events_append_only", "refuse_change_of_log", 58),
    ("ledger_head", "ledger_head_rises", "refuse_turning_back", 19),
    ("ledger_head", "ledger_head_stays", "refuse_change_of_log", 42),
    ("audit_nodes", "audit_nodes_append_only", "refuse_change_of_log", 58),
    ("audit_checkpoints", "audit_checkpoints_append_only", "refuse_change_of_log", 58),
)
"""Table, trigger, function, and `pg_trigger.tgtype`: 1 each row, 2 before, 8 delete, 16 update, 32
truncate."""

_AS_OWNER = 'As the owner (`psql "$(daybook config database-url --superuser)"`):'


def migrations(patient: Patient) -> Looked:
    """The database has the shape that this version works with."""
    up = "`daybook migrate up` (set DATABASE_ADMIN_URL to the role that owns the database)."
    with patient.connect() as conn:
        if conn.execute("SELECT to_regclass('schema_migrations') IS NULL").fetchone() == (True,):
            nothing = "The database has never been migrated: there is no ledger in it."
            return Looked("none applied", [wrong(nothing, up)], is_hopeless=True)
        known = runner.load()
        try:
            pending = runner.pending(conn, known)
        except MigrationError as error:
            return Looked(
                f"{len(known)} known",
                [wrong(f"{error}.", "Look at `daybook migrate status` with either version.")],
            )
    looked_at = f"{len(known) - len(pending)} of {len(known)} applied"
    if not pending:
        return Looked(looked_at)
    names = ", ".join(f"{one.number:04}_{one.name}" for one in pending)
    return Looked(looked_at, [wrong(f"Not applied: {names}.", up)])


def grants(patient: Patient) -> Looked:
    """The role that the application runs as may do what it has to, and nothing to the log besides
    adding to it."""
    with patient.connect() as conn:
        (role,) = conn.execute("SELECT current_user").fetchone() or (ROLE,)
        tables = _tables(conn)
        findings = [*_missing(conn, role, tables), *_schemas(conn, role)]
        for one in dict.fromkeys((ROLE, role)):
            findings += _excess(conn, one, tables)
    return Looked(f"of role {role} on {count(len(_NEEDED), 'table')}", findings)


def _tables(conn: Connection[Any]) -> set[str]:
    """Those of the tables that there are: what is not there, the migrations tell."""
    rows = conn.execute(
        "SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(name) IS NOT NULL",
        (list(_NEEDED),),
    ).fetchall()
    return {name for (name,) in rows}


def _missing(conn: Connection[Any], role: str, tables: set[str]) -> Iterator[Finding]:
    to = f"TO {_quoted(conn, role)};"
    for table, rights in _NEEDED.items():
        if table in tables and (lacks := _lacks(conn, role, table, rights)):
            words = ", ".join(lacks)
            yield _grant(f"{role} has no {words} on {table}", f"GRANT {words} ON {table} {to}")
    for function in _FUNCTIONS:
        callable_ = "has_function_privilege(%s, to_regprocedure(%s), 'EXECUTE')"
        if not _has(conn, callable_, role, function):
            name = function.partition("(")[0]
            yield _grant(f"{role} may not call {name}", f"GRANT EXECUTE ON FUNCTION {name} {to}")
    if not _has(conn, "has_schema_privilege(%s, 'public', 'USAGE')", role):
        yield _grant(f"{role} has no USAGE on public", f"GRANT USAGE ON SCHEMA public {to}")
    database = _quoted(conn, conn.info.dbname)
    for right, lack in (
        ("CREATE", "may not CREATE in the database, and cannot make read models"),
        ("TEMPORARY", "may not make temporary tables, and `--deep` cannot compare"),
    ):
        if not _has(conn, "has_database_privilege(%s, current_database(), %s)", role, right):
            yield _grant(f"{role} {lack}", f"GRANT {right} ON DATABASE {database} {to}")


def _quoted(conn: Connection[Any], name: str) -> str:
    """A name as a statement takes it."""
    row = conn.execute("SELECT quote_ident(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


def _grant(what: str, statement: str) -> Finding:
    return wrong(f"The role {what}.", f"{_AS_OWNER} {statement}")


def _schemas(conn: Connection[Any], role: str) -> Iterator[Finding]:
    """A rebuild renames schemas, which only their owner may."""
    rows = conn.execute(
        "SELECT nspname, nspowner::regrole::text FROM pg_namespace"
        " WHERE nspname = ANY(%s) AND NOT pg_has_role(%s, nspowner, 'USAGE')",
        ([model.name for model in READ_MODELS], role),
    ).fetchall()
    for schema, owner in rows:
        yield wrong(
            f"The read model {schema} belongs to {owner}, and {role} cannot write or rebuild it.",
            f"{_AS_OWNER} DROP SCHEMA {schema} CASCADE; the projector, which must run as {role},"
            " makes it anew from the log.",
        )


def _excess(conn: Connection[Any], role: str, tables: set[str]) -> Iterator[Finding]:
    row = conn.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    if row is None:
        if role == ROLE:
            yield warning(f"There is no role {ROLE}.", f"{_AS_OWNER} CREATE ROLE {ROLE} LOGIN;")
        return
    serious = wrong if role == ROLE else warning
    run_as = f"Let DATABASE_URL name the role {ROLE}, and DATABASE_ADMIN_URL this one."
    if row[0]:
        demote = f"{_AS_OWNER} ALTER ROLE {ROLE} NOSUPERUSER;"
        sentence = f"The role {role} is a superuser, and may change and delete events."
        yield serious(sentence, demote if role == ROLE else run_as)
        return
    for table, rights in _FORBIDDEN.items():
        if table not in tables:
            continue
        has = [right for right in rights if right not in _lacks(conn, role, table, rights)]
        if has:
            words = ", ".join(has)
            revoke = f"{_AS_OWNER} REVOKE {words} ON {table} FROM {role};"
            sentence = f"The role {role} has {words} on {table}, which is to be added to only."
            yield serious(sentence, revoke if role == ROLE else run_as)


def _lacks(conn: Connection[Any], role: str, table: str, rights: Sequence[str]) -> list[str]:
    """Of some rights on a table, those that a role has not. Single columns count for having one."""
    rows = conn.execute(
        "SELECT right_ FROM unnest(%(rights)s::text[]) WITH ORDINALITY AS wanted (right_, place)"
        " WHERE NOT (has_table_privilege(%(role)s, %(table)s, right_) OR"
        "   CASE WHEN right_ IN ('DELETE', 'TRUNCATE') THEN false"
        "   ELSE has_any_column_privilege(%(role)s, %(table)s, right_) END) ORDER BY place",
        {"role": role, "table": table, "rights": list(rights)},
    ).fetchall()
    return [right for (right,) in rows]


def _has(conn: Connection[Any], test: str, *values: object) -> bool:
    return conn.execute(f"SELECT {test}".encode(), values).fetchone() != (False,)


def append_only(patient: Patient) -> Looked:
    """The triggers that refuse to change what was written are there and work."""
    with patient.connect() as conn:
        rows = conn.execute(
            "SELECT tgname, tgenabled::text, tgfoid::regproc::text, tgtype FROM pg_trigger"
            " WHERE tgrelid = ANY(%s::regclass[])",
            ([table for table in _FORBIDDEN if table in _tables(conn)],),
        ).fetchall()
        (role,) = conn.execute("SELECT current_setting('session_replication_role')").fetchone() or (
            "origin",
        )
    there = {name: state for name, *state in rows}
    findings = list(_triggers(there))
    if role == "replica":
        findings.append(
            wrong(
                "session_replication_role is replica: no trigger refuses to change events.",
                f"{_AS_OWNER} find where it is set in pg_db_role_setting, and ALTER ROLE or ALTER"
                " DATABASE … RESET session_replication_role; then `daybook audit verify`.",
            )
        )
    return Looked(count(len(_TRIGGERS), "trigger"), findings)


def _triggers(there: dict[str, list[Any]]) -> Iterator[Finding]:
    for table, name, function, kind in _TRIGGERS:
        enabled, calls, is_kind = there.get(name, ["", "", 0])
        if enabled in ("O", "A") and (calls, is_kind) == (function, kind):
            continue
        if not enabled or (calls, is_kind) != (function, kind):
            what = "is gone" if not enabled else "is not as it was made"
            how = f"make {name} as the migrations do (migrations/*.up.sql)"
        else:
            what = "is disabled"
            how = f"ALTER TABLE {table} ENABLE TRIGGER {name};"
        yield wrong(
            f"The trigger {name} on {table} {what}: an owner can change what was written.",
            f"{_AS_OWNER} {how} Then see what was done meanwhile: `daybook audit verify`.",
        )
