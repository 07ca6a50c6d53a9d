"""Checkpoints (c2sp.org/tlog-checkpoint): the log up to a position, as one signed statement."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from application.audit.merkle import HASH_BYTES
from application.audit.notes import (
    NoteError,
    Signer,
    Verifier,
    decode64,
    encode64,
    open_note,
    text_of,
)

_CHAIN = "chain-hash "
_SIZE = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


class Checkpoint(NamedTuple):
    """What the log was when it had `position` events; `note` is the statement as it was signed."""

    origin: str
    position: int
    root: bytes
    chain: bytes
    note: str


def sign(signer: Signer, position: int, root: bytes, chain: bytes) -> Checkpoint:
    """State that the log's first `position` events have this root and end in this chain hash."""
    text = f"{signer.name}\n{position}\n{encode64(root)}\n{_CHAIN}{encode64(chain)}\n"
    return Checkpoint(signer.name, position, root, chain, signer.sign(text))


def open_checkpoint(note: str, verifiers: Sequence[Verifier]) -> Checkpoint:
    """The checkpoint in a note that one of the keys signed for its own log. Raises `NoteError`."""
    _, verifier = open_note(note, verifiers)
    checkpoint = read(note)
    if checkpoint.origin != verifier.name:
        raise NoteError(
            f"this checkpoint is of the log {checkpoint.origin}, not of {verifier.name}"
        )
    return checkpoint


def read(note: str) -> Checkpoint:
    """What a checkpoint says, whoever signed it. Raises `NoteError`."""
    text = text_of(note)
    try:
        origin, size, root, *more = text.removesuffix("\n").split("\n")
        if not (origin.isprintable() and origin and _SIZE.fullmatch(size) and all(more)):
            raise ValueError(text)
        (chain,) = (line.removeprefix(_CHAIN) for line in more if line.startswith(_CHAIN))
        checkpoint = Checkpoint(origin, int(size), decode64(root), decode64(chain), note)
        if {len(checkpoint.root), len(checkpoint.chain)} != {HASH_BYTES}:
            raise ValueError(text)
    except ValueError:
        raise NoteError("this note is no checkpoint of a Daybook log") from None
    return checkpoint
