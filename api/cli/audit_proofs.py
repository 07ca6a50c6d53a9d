"""`daybook audit prove`, `check` and their like: proofs for people outside, and how these check them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from psycopg import AsyncConnection

from api import auditing
from api.cli.output import Json, console
from api.cli.reading import read
from api.settings import Settings, load_settings
from application.audit import checkpoints, keys, proofs
from application.audit import kept as keeping
from application.audit.checkpoints import Checkpoint
from application.audit.errors import AuditError
from application.audit.files import replace_file
from application.audit.keys import KeyFileError
from application.audit.notes import Verifier, parse_verifier
from application.audit.proofs import Proven
from application.event_store.chain import Row
from application.importing.texts import clean
from projections import log

PublicKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--public-key",
        help="The public key to trust, or a file with it; else the one beside this ledger's key.",
    ),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write to this file; else print.")
]


def add_to(app: typer.Typer) -> None:
    app.command()(prove)
    app.command()(check)
    app.command("prove-extension")(prove_extension)
    app.command("check-extension")(check_extension)


def good_mark() -> str:
    """What stands before a sentence that says that all is well."""
    return "✓" if console.encoding.startswith("utf") else "ok:"


def bad_mark() -> str:
    """What stands before a sentence that says what is wrong."""
    return "✗" if console.encoding.startswith("utf") else "WRONG:"


def has_keys(settings: Settings) -> bool:
    """Whether this installation knows the public key of its log."""
    path = auditing.key_file(settings)
    return path.exists() or keys.public_file(path).exists()


def trusted(settings: Settings, given: list[str] | None) -> Sequence[Verifier]:
    """The public keys that were given, else this installation's own. Raises `AuditError`."""
    if given is None:
        try:
            return keys.load_verifiers(auditing.key_file(settings))
        except KeyFileError as error:
            raise KeyFileError(
                f"there is no public key to check with: give it with --public-key ({error})"
            ) from error
    found: list[Verifier] = []
    for one in given:
        # Not Path.is_file, which fails for a line that is too long for a file's name.
        is_file = os.path.isfile(one)
        found += keys.read_verifiers(Path(one)) if is_file else [parse_verifier(one)]
    return found


def prove(
    position: Annotated[int, typer.Argument(min=1, help="The event's position.")],
    checkpoint: Annotated[
        Path | None, typer.Option(help="Prove against this one; else against the newest.")
    ] = None,
    output: Output = None,
    public_key: PublicKeys = None,
) -> None:
    """Make the proof that an event is in the log that was signed: some kilobytes, checked offline."""
    settings = load_settings()
    given = None
    if checkpoint is not None:
        given = keeping.open_file(checkpoint, trusted(settings, public_key)).checkpoint

    async def make(conn: AsyncConnection[Any]) -> str:
        head = await log.head(conn)
        if position > head:
            raise AuditError(f"there is no event {position}: the log ends at {head}")
        against = given or await _newest(conn)
        if position > against.position:
            raise AuditError(
                f"the checkpoint of position {against.position} does not cover event {position}: make"
                " a new one with `daybook audit checkpoint`"
            )
        return await proofs.prove(conn, position, against)

    _put(read(make, fresh=False), output)


def check(
    proof: Annotated[Path, typer.Argument(metavar="PROOF", help="A file made by `prove`.")],
    checkpoint: Annotated[
        Path | None, typer.Option(help="The proof must be against this one, which you kept.")
    ] = None,
    public_key: PublicKeys = None,
    as_json: Json = False,
) -> None:
    """Check a proof, without any database: shows the event that is proved. Exit status 1 when it is not."""
    verifiers = trusted(load_settings(), public_key)
    proven = proofs.check(keeping.read_file(proof), verifiers)
    if checkpoint is not None:
        wanted = keeping.open_file(checkpoint, verifiers).checkpoint
        if proven.checkpoint[:4] != wanted[:4]:
            raise AuditError(
                f"the proof is against the checkpoint of position {proven.checkpoint.position}, not"
                f" against the one in {checkpoint}"
            )
    if as_json:
        typer.echo(json.dumps(_event(proven), ensure_ascii=False))
        return
    event, signed = proven.event, proven.checkpoint
    console.print(
        f"{good_mark()} Event {event.position} is in the log of {signed.origin}, as signed when it had"
        f" {signed.position} events:",
        markup=False,
        soft_wrap=True,
    )
    for name, value in _shown(event).items():
        console.print(f"  {name:<12} {value}", markup=False, soft_wrap=True)


def prove_extension(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="A checkpoint that you kept.")],
    new: Annotated[Path | None, typer.Option("--to", help="A newer one; else the newest.")] = None,
    output: Output = None,
    public_key: PublicKeys = None,
) -> None:
    """Make the proof that the log of a newer checkpoint begins with the log of an older one."""
    verifiers = trusted(load_settings(), public_key)
    older = keeping.open_file(old, verifiers).checkpoint
    newer = None if new is None else keeping.open_file(new, verifiers).checkpoint

    async def make(conn: AsyncConnection[Any]) -> str:
        return await proofs.prove_extension(conn, older, newer or await _newest(conn))

    _put(read(make, fresh=False), output)


def check_extension(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The checkpoint that you kept.")],
    proof: Annotated[Path, typer.Argument(metavar="PROOF", help="Made by `prove-extension`.")],
    public_key: PublicKeys = None,
) -> None:
    """Check a proof of extension, without any database. Exit status 1 when it does not hold."""
    verifiers = trusted(load_settings(), public_key)
    older = keeping.open_file(old, verifiers).checkpoint
    newer = proofs.check_extension(keeping.read_file(proof), older, verifiers)
    console.print(
        f"{good_mark()} The log of {newer.origin} as signed with {newer.position} events begins with the"
        f" {older.position} events that were signed before.",
        markup=False,
        soft_wrap=True,
    )


async def _newest(conn: AsyncConnection[Any]) -> Checkpoint:
    stored = await keeping.newest_of_log(conn)
    if stored is None:
        raise AuditError("nothing is signed yet: make a checkpoint with `daybook audit checkpoint`")
    return checkpoints.read(stored.note)


def _put(text: str, output: Path | None) -> None:
    if output is None:
        typer.echo(text, nl=False)
    else:
        replace_file(output, text, mode=0o644)
        typer.echo(f"written to {output}")


def _event(proven: Proven) -> dict[str, Any]:
    return {
        "ok": True,
        "origin": proven.checkpoint.origin,
        "tree_size": proven.checkpoint.position,
        "event": _shown(proven.event),
    }


def _shown(event: Row) -> dict[str, Any]:
    """An event for people and their terminals: without control characters."""
    return {
        "position": event.position,
        "stream_id": str(event.stream_id),
        "version": event.version,
        "topic": clean(event.topic),
        "recorded_at": event.recorded_at.isoformat(),
        "metadata": clean(event.metadata.decode(errors="replace"), len(event.metadata)),
        "data": clean(event.state.decode(errors="replace"), len(event.state)),
        "hash": event.hash.hex(),
    }
