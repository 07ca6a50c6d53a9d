"""Proofs that need no database to be checked: that an event is in the log, that one log extends another.

An inclusion proof is a text as c2sp.org/tlog-proof says; its `extra` is what the event's chain hash is
made from, the hash before it and its row. A proof of extension is a text as c2sp.org/tlog-witness asks
for: the old size, the hashes, and the new checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from application.audit import merkle, tree
from application.audit.checkpoints import Checkpoint, open_checkpoint
from application.audit.errors import AuditError
from application.audit.merkle import HASH_BYTES, leaf_hash
from application.audit.notes import Verifier, decode64, encode64
from application.event_store.chain import COLUMNS, GENESIS, Row, encode

_HEADING = "c2sp.org/tlog-proof@v1"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class BadProofError(AuditError):
    """A proof does not prove what it claims, or is damaged; the message says why."""


class NoSuchEventError(AuditError):
    """There is no event at the position, or not under the checkpoint."""


class Proven(NamedTuple):
    """What a right inclusion proof shows: this event, under that checkpoint."""

    event: Row
    previous: bytes
    path: list[bytes]
    checkpoint: Checkpoint


async def prove(conn: AsyncConnection[Any], position: int, checkpoint: Checkpoint) -> str:
    """The inclusion proof for one event against a checkpoint.

    Raises `NoSuchEventError`, and `AuditError` when today's log does not extend the checkpoint.
    """
    if not 1 <= position <= checkpoint.position:
        raise NoSuchEventError(
            f"event {position} is not under the checkpoint of position {checkpoint.position}"
        )
    cursor = await conn.execute(
        f"SELECT {COLUMNS} FROM events WHERE notification_id IN (%s, %s)"
        " ORDER BY notification_id DESC".encode(),
        (position, position - 1),
        binary=True,
    )
    rows = [Row(*row) for row in await cursor.fetchall()]
    if len(rows) < min(2, position):
        raise NoSuchEventError(f"event {position} or the one before it is missing in the log")
    extra = (rows[1].hash if position > 1 else GENESIS) + encode(rows[0])
    path = merkle.inclusion_path(position - 1, checkpoint.position)
    hashes = await tree.roots_async(conn, path)
    lines = [
        _HEADING,
        f"extra {encode64(extra)}",
        f"index {position - 1}",
        *map(encode64, hashes),
    ]
    proof = "\n".join(lines) + f"\n\n{checkpoint.note}"
    if _root(sha256(extra).digest(), position - 1, checkpoint.position, hashes) != checkpoint.root:
        raise AuditError(
            f"event {position} cannot be proved: today's log is not what the checkpoint of position"
            f" {checkpoint.position} signed. Run `daybook audit verify`"
        )
    return proof


def check(proof: str, verifiers: Sequence[Verifier]) -> Proven:
    """What a proof shows to whoever trusts one of the keys. Raises `AuditError`."""
    body, _, note = proof.partition("\n\n")
    checkpoint = open_checkpoint(note, verifiers)
    try:
        heading, extra, index, *path = body.split("\n")
        sealed = decode64(_after("extra ", extra))
        leaf = _number(_after("index ", index))
        hashes = _hashes(path)
        if heading != _HEADING:
            raise ValueError(heading)
        event = _event(sealed)
    except ValueError:
        raise BadProofError("this is no inclusion proof, or it was damaged") from None
    if event.position != leaf + 1:
        raise BadProofError(f"the proof is of event {leaf + 1}, and shows event {event.position}")
    if _root(event.hash, leaf, checkpoint.position, hashes) != checkpoint.root:
        raise BadProofError(
            f"event {event.position} as shown is not in the log that the checkpoint of position"
            f" {checkpoint.position} signed"
        )
    return Proven(event, sealed[:HASH_BYTES], hashes, checkpoint)


async def prove_extension(conn: AsyncConnection[Any], old: Checkpoint, new: Checkpoint) -> str:
    """The proof that one checkpoint's log begins with another's. Raises `AuditError`."""
    if old.position > new.position:
        raise AuditError(
            f"a log of {new.position} events cannot extend one of {old.position}: give the older"
            " checkpoint first"
        )
    hashes = await tree.roots_async(conn, merkle.consistency_path(old.position, new.position))
    lines = [f"old {old.position}", *map(encode64, hashes)]
    proof = "\n".join(lines) + f"\n\n{new.note}"
    try:
        merkle.check_consistency(old.position, old.root, new.position, new.root, hashes)
    except merkle.ProofError:
        raise AuditError(
            f"the log of checkpoint {new.position} does not extend that of checkpoint"
            f" {old.position}, or today's log is neither. Run `daybook audit verify`"
        ) from None
    return proof


def check_extension(proof: str, old: Checkpoint, verifiers: Sequence[Verifier]) -> Checkpoint:
    """The newer checkpoint that a proof shows to extend `old`. Raises `AuditError`."""
    body, _, note = proof.partition("\n\n")
    new = open_checkpoint(note, verifiers)
    try:
        first, *path = body.split("\n")
        size = _number(_after("old ", first))
        hashes = _hashes(path)
    except ValueError:
        raise BadProofError("this is no proof of extension, or it was damaged") from None
    if size != old.position:
        raise BadProofError(
            f"the proof begins at {size}, the older checkpoint is of {old.position}"
        )
    try:
        merkle.check_consistency(old.position, old.root, new.position, new.root, hashes)
    except merkle.ProofError as error:
        raise BadProofError(
            f"the log of checkpoint {new.position} is not shown to extend that of checkpoint"
            f" {old.position}: {error}"
        ) from None
    return new


def _root(chain: bytes, index: int, size: int, hashes: Sequence[bytes]) -> bytes:
    try:
        return merkle.root_from_inclusion(leaf_hash(chain), index, size, hashes)
    except merkle.ProofError as error:
        raise BadProofError(str(error)) from None


def _after(word: str, line: str) -> str:
    if not line.startswith(word):
        raise ValueError(line)
    return line.removeprefix(word)


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _hashes(lines: Sequence[str]) -> list[bytes]:
    hashes = [decode64(line) for line in lines]
    if any(len(hash_) != HASH_BYTES for hash_ in hashes):
        raise ValueError("not a hash")
    return hashes


def _event(sealed: bytes) -> Row:
    """The event in what its hash is made from: the hash before it and its fields. Raises `ValueError`."""
    fields: list[bytes] = []
    at = HASH_BYTES
    while at < len(sealed):
        length = int.from_bytes(sealed[at : at + 4])
        at += 4 + length
        fields.append(sealed[at - length : at])
    position, stream, version, topic, recorded_at, metadata, state = fields
    if at != len(sealed) or [*map(len, (position, stream, version, recorded_at))] != [8, 16, 8, 8]:
        raise ValueError("not a row")
    return Row(
        int.from_bytes(position, signed=True),
        UUID(bytes=stream),
        int.from_bytes(version, signed=True),
        topic.decode(),
        _moment(int.from_bytes(recorded_at, signed=True)),
        metadata,
        state,
        sha256(sealed).digest(),
    )


def _moment(microseconds: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        raise ValueError("no time that there is") from None
