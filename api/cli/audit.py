"""`daybook audit`: verify the log, sign it, and the keys for that."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from psycopg import Connection
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from api import auditing, databases
from api.cli import audit_proofs
from api.cli.output import Json, console, show
from api.cli.reading import read
from api.settings import Settings, load_settings
from application.audit import checkpoints, keys, making
from application.audit import kept as keeping
from application.audit.findings import Finding
from application.audit.kept import Kept
from application.audit.notes import encode64
from application.audit.verifying import Verdict, verify
from application.ledger.reading import SNAPSHOT_SHAPE
from projections.agreement import ReadModelVerdict, hold_against_log
from projections.log import UnreadableEventError

app = typer.Typer(no_args_is_help=True)
audit_proofs.add_to(app)

PublicKeys = audit_proofs.PublicKeys

_NO_KEY = Finding(
    1, 1, "checkpoint",
    "There are checkpoints, and no public key here to check them with: without one, a log that was"
    " rewritten as a whole looks right. Give the key with --public-key.",
)  # fmt: skip


_NOT_COMPARED = (
    "Of the read models' columns, account_id, other_account_id and summary of audit.event are not held"
    " against the log here: `daybook projections verify audit` compares them too."
)


@app.command("verify")
def verify_log(
    first: Annotated[int, typer.Option("--from", min=1, help="Begin with this position.")] = 1,
    last: Annotated[
        int | None, typer.Option("--to", min=1, help="End with this position; else with the log.")
    ] = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="A checkpoint that you kept; may be given again.")
    ] = None,
    public_key: PublicKeys = None,
    deep: Annotated[
        bool,
        typer.Option("--deep", help="Also hold the read models and snapshots against the log."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Walk the whole log and name the first event that was altered, inserted, moved or taken out.

    Holds it against the checkpoints in the database and in DATA_DIR, and those that you kept yourself.
    Exit status 1 when anything is wrong.
    """
    settings = load_settings()
    notices: list[str] = []
    models: list[ReadModelVerdict] = []
    if first > 1:
        notices.append(f"Begins at event {first}, trusting the stored hash of event {first - 1}.")
    with databases.ready_database(settings) as conninfo, _connected(conninfo) as conn:
        own, collected = _collect(settings, conn, checkpoint or (), public_key, notices)
        with _bar("verifying") as report:
            found = verify(conn, first=first, last=last, kept=collected.kept, progress=report)
        findings = [*found.findings, *collected.findings]
        notices += [_unused(one, found) for one in own if _is_unused(one, found)]
        if deep:
            notices.append(_NOT_COMPARED)
            models, not_folded = _fold(conn, found)
            findings += not_folded
    found = found._replace(findings=findings)
    if as_json:
        _print_json(found, models, notices)
    else:
        _print(found, models, notices)
    raise typer.Exit(int(bool(found.findings) or any(model.differences for model in models)))


def _is_unused(own: Kept, found: Verdict) -> bool:
    return not found.first <= own.checkpoint.position <= found.last


def _unused(own: Kept, found: Verdict) -> str:
    return (
        f"Not held against the checkpoint of position {own.checkpoint.position} in {own.where}, since"
        f" only events {found.first} to {found.last} were looked at."
    )


def _fold(conn: Connection[Any], found: Verdict) -> tuple[list[ReadModelVerdict], list[Finding]]:
    """Hold the read models against the log; what the chain's verification found is never lost with it."""
    try:
        with _bar("folding") as report:
            return hold_against_log(conn, report, snapshot_shape=SNAPSHOT_SHAPE), []
    except (UnreadableEventError, psycopg.Error) as error:
        position = error.position if isinstance(error, UnreadableEventError) else found.last
        sentence = (
            f"The read models were not held against the log: {str(error).strip()}. If it is the only"
            " finding, deploy the version that wrote the log, then verify again."
        )
        return [], [Finding(position, position, "read_model", sentence)]


@contextmanager
def _connected(conninfo: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(conninfo, autocommit=True, application_name="daybook audit") as conn:
        yield conn


def _collect(
    settings: Settings,
    conn: Connection[Any],
    files: Sequence[Path],
    given: list[str] | None,
    notices: list[str],
) -> tuple[list[Kept], keeping.Collected]:
    """The checkpoints in `files`, and with them all that the log is held against."""
    folder = auditing.checkpoint_folder(settings)
    if not files and given is None and not audit_proofs.has_keys(settings):
        if keeping.is_any(conn, folder):
            return [], keeping.Collected([], [_NO_KEY])
        notices.append(
            "Not held against any checkpoint: there is no public key here. Give it with --public-key."
        )
        return [], keeping.Collected([], [])
    verifiers = audit_proofs.trusted(settings, given)
    collected = keeping.collect(conn, folder, verifiers)
    own = [keeping.open_file(path, verifiers) for path in files]
    kept = sorted([*own, *collected.kept], key=lambda one: one.checkpoint.position)
    return own, keeping.Collected(kept, collected.findings)


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error while there is somebody to see it; yields how to move it."""
    stderr = Console(stderr=True)
    columns = (
        TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("events"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print(found: Verdict, models: Sequence[ReadModelVerdict], notices: Sequence[str]) -> None:
    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    good, bad = audit_proofs.good_mark(), audit_proofs.bad_mark()
    for notice in notices:
        say(notice)
    for finding in found.findings:
        say(f"{bad} {finding.sentence}")
    if not found.findings:
        rate = round(found.events / found.seconds) if found.seconds else 0
        say(
            f"{good} The chain holds from event {found.first} to {found.last}:"
            f" {found.events} events in {found.seconds:.1f} s, {rate:,} events/s."
        )
        if found.checkpoints:
            many = "1 checkpoint" if found.checkpoints == 1 else f"{found.checkpoints} checkpoints"
            say(f"{good} Held against {many}: the log extends what was signed.")
    for model in models:
        for difference in model.differences:
            say(f"{bad} {difference}")
        if not model.differences:
            say(
                f"{good} {model.name} agrees with the log up to position {model.position}: {model.counted}."
            )


def _print_json(found: Verdict, models: Sequence[ReadModelVerdict], notices: list[str]) -> None:
    body = {
        "ok": not found.findings and not any(model.differences for model in models),
        "first": found.first,
        "last": found.last,
        "events": found.events,
        "seconds": round(found.seconds, 3),
        "events_per_s": round(found.events / found.seconds) if found.seconds else None,
        "checkpoints": found.checkpoints,
        "findings": [finding._asdict() for finding in found.findings],
        "read_models": [model._asdict() for model in models],
        "notices": notices,
    }
    typer.echo(json.dumps(body, ensure_ascii=False))


@app.command("checkpoint")
def make_checkpoint(as_json: Json = False) -> None:
    """Sign the log as it is now, and print the statement: keep it where the ledger's hosts cannot reach.

    It is also kept in the database and as DATA_DIR/checkpoints/POSITION.txt. What came since the last
    checkpoint is verified first.
    """
    settings = load_settings()
    with databases.ready_database(settings) as conninfo, _connected(conninfo) as conn:
        signer, verifiers = auditing.signing_keys(settings)
        folder = auditing.checkpoint_folder(settings)
        made = making.make(conn, signer, verifiers, folder)
    if as_json:
        row = {
            "position": made.position,
            "origin": made.origin,
            "root_hash": encode64(made.root),
            "chain_hash": encode64(made.chain),
            "file": str(folder / f"{made.position}.txt"),
            "note": made.note,
        }
        typer.echo(json.dumps(row, ensure_ascii=False))
    else:
        typer.echo(made.note, nl=False)


@app.command("checkpoints")
def list_checkpoints(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many rows.")] = 50,
    as_json: Json = False,
) -> None:
    """List the checkpoints that the database keeps, the newest first."""
    rows = []
    for stored in read(lambda conn: keeping.page(conn, None, limit), fresh=False):
        checkpoint = checkpoints.read(stored.note)
        rows.append(
            {
                "position": stored.position,
                "made_at": stored.made_at.isoformat(" ", "seconds"),
                "origin": checkpoint.origin,
                "root_hash": encode64(checkpoint.root),
                "note": stored.note,
            }
        )
    show(rows, ("position", "made_at", "origin", "root_hash"), as_json=as_json)


@app.command()
def keygen(
    origin: Annotated[
        str | None, typer.Option(help="The log's name, like ledger.example.com; else a random one.")
    ] = None,
) -> None:
    """Make the key that signs checkpoints; prints the public one. A ledger of your own makes it by itself.

    It goes to AUDIT_KEY_FILE, else to DATA_DIR/keys/audit.key. All servers of one ledger need the same.
    """
    path = auditing.key_file(load_settings())
    signer = keys.create(path, origin)
    Console(stderr=True, highlight=False).print(
        f"The key is in {path}, for its owner only. Its public key, for everybody:",
        markup=False,
        soft_wrap=True,
    )
    typer.echo(str(signer.verifier))


@app.command("public-key")
def public_key() -> None:
    """Print the public key that checkpoints are checked with: hand it to your auditors."""
    for verifier in keys.load_verifiers(auditing.key_file(load_settings())):
        typer.echo(str(verifier))
