"""`daybook reconcile`: a bank's statement held against what the bank was asked to move."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer
from psycopg import AsyncConnection

from api import reconciliation_views
from api.cli.output import Json, show
from api.cli.people import person
from api.cli.reading import catch_up
from api.databases import open_ledger
from api.ids import new_id
from api.problems import ProblemError
from api.reconciling import compare, read_statements
from application.importing.bank_files import Format
from application.importing.bank_statements import BankStatement
from application.importing.texts import clean
from application.ledger import Ledger, Refused, Submission
from domain.provenance import Provenance
from domain.reconciliations import Made, MakeReconciliation
from domain.refusals import Refusal

_TOTALS = (
    "account", "currency", "from", "to", "lines", "matched", "missing", "unexpected", "mismatched",
)  # fmt: skip
_LISTS = {
    "matched": ("line", "amount", "movement_id", "by"),
    "missing": ("movement_id", "amount", "settled"),
    "unexpected": ("line", "on", "amount", "reference", "names_movement_id"),
    "mismatched": ("lines", "lines_amount", "movement_ids", "movements_amount"),
}


def reconcile(
    statement: Annotated[
        Path, typer.Option("--statement", metavar="FILE", help="The bank's file.")
    ],
    format_: Annotated[
        Format | None,
        typer.Option("--format", help="Of the file; what begins like XML is camt.053, else MT940."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Hold a bank's statements against what the bank was asked to move: matched, missing, unexpected.

    Nothing is booked; what was found is recorded, and shown by the API. Exit status 1 when something is
    left for a person to look at, or a statement cannot be read.
    """
    content, source = statement.read_bytes(), clean(statement.name)
    try:
        statements = read_statements(content, format_, source)
    except ProblemError as error:
        for problem in error.details["problems"]:  # type: ignore[attr-defined]
            typer.echo(f"daybook: {problem}", err=True)
        raise typer.Exit(1) from None
    with open_ledger() as (ledger, conninfo):
        catch_up(conninfo)
        found = asyncio.run(_compare(conninfo, statements, content, source))
        ids = [new_id() for _ in found]
        _record(ledger, [MakeReconciliation(*one) for one in zip(ids, found, strict=True)])
    bodies = [
        reconciliation_views.reconciliation(id_, made)
        | reconciliation_views.found(made, made.currency)
        for id_, made in zip(ids, found, strict=True)
    ]
    if as_json:
        show(bodies, (), as_json=True)
    else:
        _print(bodies)
    raise typer.Exit(int(not all(made.is_even for made in found)))


async def _compare(
    conninfo: str, statements: list[BankStatement], content: bytes, source: str
) -> list[Made]:
    async with await AsyncConnection.connect(conninfo, autocommit=True) as conn:
        return await compare(conn, statements, content, source)


def _record(ledger: Ledger, commands: list[MakeReconciliation]) -> None:
    provenance = Provenance(actor=f"cli:{person()}")
    for outcome in ledger.submit_and_wait(Submission(commands, provenance, linked=True)).outcomes:
        if isinstance(outcome, Refused):
            raise Refusal(outcome.reason, **outcome.details)


def _print(bodies: list[dict[str, Any]]) -> None:
    for body in bodies:
        show([body | body["totals"]], _TOTALS, as_json=False)
        for name, columns in _LISTS.items():
            if body[name]:
                typer.echo(f"{name}:")
                show(body[name], columns, as_json=False)
