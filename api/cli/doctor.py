"""`daybook doctor`: what is the matter with this ledger, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import typer

from api import databases
from api.cli.output import Json, console
from api.doctor.examining import examine, is_healthy
from api.doctor.findings import Checked, Status, count, wrong
from api.doctor.patient import Patient
from api.local.errors import LocalServerError
from api.settings import load_settings
from application.importing.texts import clean

_MARKS: dict[Status, str] = {"ok": "ok", "warning": "WARN", "wrong": "WRONG"}
_MAX_CHARS = 4_000


def doctor(
    deep: Annotated[
        bool,
        typer.Option(
            "--deep",
            help="Follow the whole chain, and hold all of the read models against the log.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Look the ledger over, and say what is the matter and what to do. Changes nothing.

    Exit status 1 when anything is wrong; warnings alone are 0.
    """
    checks = _examine(deep=deep)
    if as_json:
        _print_json(checks)
    else:
        _print(checks)
    raise typer.Exit(int(not is_healthy(checks)))


def _examine(*, deep: bool) -> list[Checked]:
    settings = load_settings()
    try:
        with databases.database(settings) as (conninfo, admin_url):
            return examine(Patient(settings, conninfo, admin_url, deep=deep))
    except LocalServerError as error:
        advice = "Do as it says, and run `daybook doctor` again."
        return [Checked("database", "", [wrong(f"It does not start: {error}", advice)])]


def _print(checks: Sequence[Checked]) -> None:
    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    width = max(len(check.name) for check in checks)
    arrow = "→" if console.encoding.startswith("utf") else "->"
    for check in checks:
        line = (
            f"{_MARKS[check.status]:<5} {check.name:<{width}}  {clean(check.looked_at, _MAX_CHARS)}"
        )
        say(line.rstrip())
        for finding in check.findings:
            say(f"      {_MARKS[finding.severity]}: {clean(finding.sentence, _MAX_CHARS)}")
            say(f"        {arrow} {clean(finding.advice, _MAX_CHARS)}")
    severities = [finding.severity for check in checks for finding in check.findings]
    if not severities:
        say("All is well.")
        return
    say(f"{severities.count('wrong')} wrong, {count(severities.count('warning'), 'warning')}.")


def _print_json(checks: Sequence[Checked]) -> None:
    body = {
        "healthy": is_healthy(checks),
        "checks": [
            {
                "name": check.name,
                "status": check.status,
                "looked_at": check.looked_at,
                "findings": [finding._asdict() for finding in check.findings],
            }
            for check in checks
        ],
    }
    typer.echo(json.dumps(body, ensure_ascii=False))
