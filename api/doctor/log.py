"""Checks of the log: its positions, its head, its chain, and what is signed of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from psycopg import Connection

from api import auditing
from api.doctor.findings import Finding, Looked, count, span, warning, wrong
from api.doctor.patient import Patient
from application.audit import checkpoints, kept, keys
from application.audit.kept import Kept, Stored
from application.audit.verifying import verify
from application.audit.walking import hash_at, read_strays
from application.event_store.chain import GENESIS

_TAMPERED = (
    "Keep the database as it is for those who will ask, see what else is wrong with"
    " `daybook audit verify`, and restore the log from a backup."
)
_SIGN = "Sign it with `daybook audit checkpoint`, and keep what it prints elsewhere."


def positions(patient: Patient) -> Looked:
    """Positions are 1, 2, 3 … without a gap. An index is counted: a third of a second for 3 million."""
    with patient.connect() as conn:
        events, last = _one(conn, "SELECT count(*), coalesce(max(notification_id), 0) FROM events")
        looked_at = f"{count(events, 'event')}, the last at {last:,}"
        strays = read_strays(conn)
        found = []
        if strays.many:
            sentence = (
                f"Inserted: {count(strays.many, 'event')} with a position below 1 or none, which no"
                " walk of the log meets."
            )
            found.append(wrong(sentence, _TAMPERED))
        if events - strays.many != last:
            missing = count(last - events + strays.many, "event")
            gap = f"{missing} of positions 1 to {last:,}; the first is {_first_gap(conn, last):,}"
            found.append(wrong(f"Missing: {gap}.", _TAMPERED))
    return Looked(looked_at, found)


def _first_gap(conn: Connection[Any], last: int) -> int:
    """The first position that no event has. Halves what is left, so all is counted twice at most."""
    dense, odd = 0, last
    while odd - dense > 1:
        middle = (dense + odd) // 2
        (there,) = _one(
            conn,
            "SELECT count(*) FROM events WHERE notification_id > %s AND notification_id <= %s",
            dense,
            middle,
        )
        if there == middle - dense:
            dense = middle
        else:
            odd = middle
    return odd


_HEAD = """
SELECT head.position, head.hash, head.recorded_at,
       last.notification_id, last.hash, last.recorded_at
  FROM (SELECT) AS always LEFT JOIN ledger_head AS head ON true
  LEFT JOIN (SELECT notification_id, hash, recorded_at FROM events
              ORDER BY notification_id DESC LIMIT 1) AS last ON true
"""


def head(patient: Patient) -> Looked:
    """The head says what the last event is: the next one is built on it."""
    with patient.connect() as conn:
        position, digest, time, last, last_digest, last_time = _one(conn, _HEAD)
    if position is None:
        sentence = "The log has no head: its row in ledger_head is gone. Nothing can be written."
        return Looked("no head", [wrong(sentence, _TAMPERED)])
    looked_at = f"position {position:,}"
    if position != (last or 0):
        there = f"the last event is {last:,}" if last else "there is no event"
        sentence = f"The head says that the log ends at {position:,}, and {there}."
        return Looked(looked_at, [wrong(sentence, _TAMPERED)])
    found: list[Finding] = []
    if bytes(digest) != bytes(last_digest or GENESIS):
        found.append(
            wrong(f"The head's hash is not that of event {position:,}, the last one.", _TAMPERED)
        )
    if last is not None and time != last_time:
        sentence = f"The head's time is {time:%F %T}, and that of the last event {last_time:%F %T}."
        found.append(wrong(sentence, _TAMPERED))
    return Looked(looked_at, found)


def chain(patient: Patient) -> Looked:
    """Each event's hash follows from the one before: the last events, or with `deep` all of them,
    held against the checkpoints that are kept."""
    with patient.connect() as conn:
        (end,) = _one(
            conn,
            "SELECT coalesce((SELECT position FROM ledger_head),"
            " (SELECT max(notification_id) FROM events), 0)",
        )
        first = 1 if patient.deep else max(1, end - patient.limits.recent_events + 1)
        held_against, found = _kept(conn, patient) if patient.deep else ([], [])
        verdict = verify(conn, first=first, kept=held_against)
    found += [
        wrong(one.sentence, _TAMPERED)
        for one in verdict.findings
        if one.kind != "head"  # told by the check of that name
    ]
    looked_at = count(verdict.events, "event")
    if first > 1:
        looked_at += f" from {first:,} on; `--deep` looks at all"
    elif verdict.checkpoints:
        looked_at += f", {count(verdict.checkpoints, 'checkpoint')}"
    return Looked(looked_at, found)


def _kept(conn: Connection[Any], patient: Patient) -> tuple[list[Kept], list[Finding]]:
    path = auditing.key_file(patient.settings)
    folder = auditing.checkpoint_folder(patient.settings)
    if not (path.exists() or keys.public_file(path).exists()):
        if not kept.is_any(conn, folder):
            return [], []
        sentence = (
            "There are checkpoints, and no key to check them with: a rewritten log would pass."
        )
        advice = f"Bring the public key back to {keys.public_file(path)}, and look again."
        return [], [wrong(sentence, advice)]
    verifiers = keys.load_verifiers(path)
    collected = kept.collect(conn, folder, verifiers)
    return collected.kept, [wrong(one.sentence, _TAMPERED) for one in collected.findings]


def signatures(patient: Patient) -> Looked:
    """The newest checkpoint is of this log, and not older than it should be."""
    newest = patient.ask(kept.newest)
    with patient.connect() as conn:
        (end,) = _one(conn, "SELECT coalesce((SELECT position FROM ledger_head), 0)")
        digest = None if newest is None else hash_at(conn, newest.position)
    every = patient.settings.CHECKPOINT_EVERY
    if newest is None:
        is_late = end >= 2 * every if every else end > 0
        sentence = (
            f"Nothing of the {count(end, 'event')} is signed: it could be rewritten unnoticed."
        )
        return Looked("no checkpoint yet", [warning(sentence, _sign(patient))] if is_late else [])
    looked_at = f"signed up to {newest.position:,} of {end:,}"
    if newest.position > end:
        sentence = (
            f"A checkpoint in the database is of position {newest.position:,}, and the log ends at"
            f" {end:,}: either events are missing at its end, or the checkpoint is forged."
            " `daybook audit verify` tells which."
        )
        return Looked(looked_at, [wrong(sentence, _TAMPERED)])
    if checkpoints.read(newest.note).chain != digest:
        sentence = (
            f"Event {newest.position:,} is not the one that was signed: the log was rewritten."
        )
        return Looked(looked_at, [wrong(sentence, _TAMPERED)])
    return Looked(looked_at, _age(patient, newest, end - newest.position))


def _age(patient: Patient, newest: Stored, unsigned: int) -> list[Finding]:
    every = patient.settings.CHECKPOINT_EVERY
    age_s = (datetime.now(UTC) - newest.made_at).total_seconds()
    if not unsigned or (unsigned < 2 * every if every else age_s < patient.limits.unsigned_s):
        return []
    sentence = (
        f"The last checkpoint is {span(age_s)} old, and {count(unsigned, 'event')} came since."
    )
    return [warning(sentence, _sign(patient))]


def _sign(patient: Patient) -> str:
    if not patient.settings.CHECKPOINT_EVERY:
        return _SIGN
    return f"{_SIGN} `daybook serve` does so by itself; its log says why it does not."


def _one(conn: Connection[Any], query: str, *values: object) -> tuple[Any, ...]:
    row = conn.execute(query.encode(), values).fetchone()
    assert row is not None, "these queries always answer one row"
    return tuple(row)
