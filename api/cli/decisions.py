"""`daybook decisions`: look a decision table over and try it, before it decides about anybody."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.decision_replays import show_replay
from api.cli.ledger import moment_option
from api.cli.output import Json, show
from application.countries.catalogue import COUNTRIES
from application.decisions import Decisions, Facts, Table, UnsoundTableError, Verdict
from application.decisions.files import MAX_BYTES
from application.decisions.trials import TrialError, examples, facts_of, read_trials
from domain.money import format_amount

app = typer.Typer(no_args_is_help=True)

_ANY_DAY = date.max

TableFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", exists=True, dir_okay=False, readable=True, help="A decision table (JDM)."
    ),
]


@app.command()
def validate(file: TableFile, as_json: Json = False) -> None:
    """Check a table: nodes, what its input demands, every cell. Exit status 1 when it may not be used."""
    decisions = _read(file, as_json=as_json)
    table = _table(decisions)
    rules = decisions.rules_in_words(table.country, _ANY_DAY)
    if as_json:
        show([{**_told(table), "rules": rules, "problems": []}], (), as_json=True)
        return
    typer.echo(f"{table.name} ({table.country}) may be used. The first rule that fits decides:")
    for rule in rules:
        typer.echo(f"- {rule}")


@app.command("test")
def try_out(
    file: TableFile,
    facts: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            readable=True,
            help="Applications as a JSON array, each with what you `expect`; see docs/decision-tables.md.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Decide made-up applications by a table: yours, or one that each of its rows decides.

    Exit status 1 when one is not decided as expected, or when a row decides nothing.
    """
    decisions = _read(file, as_json=as_json)
    rows = _reached(decisions) if facts is None else _as_expected(decisions, facts)
    columns = (
        "row",
        "decision",
        "credit_score",
        "income",
        "amount",
        "debt",
        "reasons",
        "as_expected",
    )
    show(rows, columns, as_json=as_json)
    if not all(row["as_expected"] for row in rows):
        raise typer.Exit(1)


@app.command("list")
def list_versions(as_json: Json = False) -> None:
    """List all versions of all countries' tables, and which of them is in force today."""
    try:
        decisions = Decisions.load(COUNTRIES)
    except UnsoundTableError as error:
        typer.echo(f"daybook: {error}", err=True)
        raise typer.Exit(1) from None
    today = datetime.now(UTC).date()
    rows = [
        {
            **_told(one.table),
            "in_force": one.table is decisions.table_on(one.table.country, today),
        }
        for one in decisions.versions
    ]
    show(rows, ("country", "version", "in_force", "table", "rows", "digest"), as_json=as_json)


@app.command()
def replay(
    file: TableFile,
    country: Annotated[
        str | None, typer.Option(help="Whose table it is meant to be; another's is refused.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="Decided then or later: a time or a date.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Decided before then.")] = None,
    as_json: Json = False,
) -> None:
    """Show which past applications a table would decide differently. Changes nothing."""
    decisions = _read(file, as_json=as_json)
    there = _table(decisions).country
    if country not in (None, there):
        raise typer.BadParameter(f"the table is for {there}", param_hint="--country")
    show_replay(
        decisions,
        moment_option(since) if since else None,
        moment_option(until) if until else None,
        as_json=as_json,
    )


def _told(table: Table) -> dict[str, Any]:
    return {
        "country": table.country,
        "table": table.name,
        "version": table.version,
        "rows": len(table.deciding.rows),
        "digest": table.digest,
    }


def _read(file: Path, *, as_json: bool) -> Decisions:
    """The file's table. What is wrong with it is shown, and ends the command."""
    with file.open("rb") as opened:
        text = opened.read(MAX_BYTES + 1)
    try:
        return Decisions.of_file(text)
    except UnsoundTableError as error:
        problems = [
            {"node": one.node, "row": one.row, "column": one.column, "problem": one.what}
            for one in error.problems
        ]
        if as_json:
            show([{"problems": problems}], (), as_json=True)
        else:
            show(problems, ("node", "row", "column", "problem"), as_json=False)
            typer.echo(f"daybook: {file} may not be used: {len(problems)} problem(s)", err=True)
        raise typer.Exit(1) from None


def _table(decisions: Decisions) -> Table:
    return decisions.versions[0].table


def _reached(decisions: Decisions) -> list[dict[str, Any]]:
    """One application for each row."""
    found = examples(decisions, _table(decisions), _ANY_DAY)
    return [
        {
            "row": row,
            "decision": "",
            "as_expected": False,
            "reasons": ["nothing found that it decides"],
        }
        if example is None
        else _row(*example, as_expected=True)
        for row, example in found.items()
    ]


def _as_expected(decisions: Decisions, file: Path) -> list[dict[str, Any]]:
    rows = []
    try:
        for number, trial in enumerate(read_trials(file.read_bytes()), 1):
            facts = facts_of(trial, _table(decisions), number)
            verdict = decisions.judge(facts, _ANY_DAY)
            rows.append(_row(facts, verdict, as_expected=trial.is_met_by(verdict)))
    except TrialError as error:
        typer.echo(f"daybook: {file}: {error}", err=True)
        raise typer.Exit(1) from None
    return rows


def _row(facts: Facts, verdict: Verdict, *, as_expected: bool) -> dict[str, Any]:
    def shown(minor: int | None) -> str | None:
        return None if minor is None else format_amount(minor, facts.currency)

    return {
        "row": verdict.row,
        "decision": verdict.decision,
        "credit_score": facts.credit_score,
        "income": shown(facts.monthly_income),
        "amount": shown(facts.amount_requested),
        "debt": shown(facts.total_debt),
        "reasons": list(verdict.reasons),
        "max_approved_amount": shown(verdict.max_approved_amount),
        "as_expected": as_expected,
    }
