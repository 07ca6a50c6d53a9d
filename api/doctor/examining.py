"""Every check there is, made one by one: one that cannot be done is a finding, and hides no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import psycopg

from api.doctor import drift, flows, log, models, rights, server
from api.doctor.findings import Checked, Looked, wrong
from api.doctor.patient import Patient
from application.audit.errors import AuditError
from migrations.runner import MigrationError
from projections.log import UnreadableEventError


class Check(NamedTuple):
    """`look` answers what it found. Whatever it raises is a finding of this check."""

    name: str
    look: Callable[[Patient], Looked]


CHECKS: tuple[Check, ...] = (
    Check("database", server.reachable),
    Check("migrations", rights.migrations),
    Check("grants", rights.grants),
    Check("append-only", rights.append_only),
    Check("positions", log.positions),
    Check("head", log.head),
    Check("chain", log.chain),
    Check("signatures", log.signatures),
    Check("read models", models.read_models),
    Check("runners", models.runners),
    Check("parked keys", models.parked_keys),
    Check("rebuilds", models.rebuilds),
    Check("drift", drift.drift),
    Check("processes", flows.processes),
    Check("jobs", flows.dead_jobs),
    Check("sessions", server.sessions),
    Check("durability", server.durability),
    Check("disk", server.disk),
)
"""In the order in which they are made and shown: what explains others comes first."""

_SAID_PLAINLY = (psycopg.Error, AuditError, MigrationError, UnreadableEventError, OSError)


def examine(patient: Patient, checks: Iterable[Check] = CHECKS) -> list[Checked]:
    """Make the checks, up to one that leaves nothing to look at."""
    made: list[Checked] = []
    for check in checks:
        looked = _look(check, patient)
        made.append(Checked(check.name, looked.at, looked.findings))
        if looked.is_hopeless:
            break
    return made


def is_healthy(checks: Sequence[Checked]) -> bool:
    """Whether nothing is wrong; there may be warnings."""
    return all(check.status != "wrong" for check in checks)


def _look(check: Check, patient: Patient) -> Looked:
    try:
        return check.look(patient)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other checks have their say too
        why = str(error).strip() or type(error).__name__
        if not isinstance(error, _SAID_PLAINLY):
            why = f"{type(error).__name__}: {why}"
        return Looked(
            "",
            [
                wrong(
                    f"could not be done: {why}",
                    "Do first what the checks above say. If nothing is the matter there, see the"
                    " database server's own log, and run `daybook doctor` again.",
                )
            ],
        )
