"""Checks a proof from a Daybook log with its public key alone; needs Python and `cryptography`, no Daybook.

    python verify_proof.py PUBLIC_KEY PROOF [CHECKPOINT]

PUBLIC_KEY is the line that `daybook audit public-key` prints, or a file with it. PROOF is a file made by
`daybook audit prove`. With CHECKPOINT, one that you kept, the proof must be against just that one. Prints the
event and exits with 0 when it is proved; else says why not, and exits with 1.

The formats are c2sp.org/tlog-proof, tlog-checkpoint and signed-note; the tree is that of RFC 9162; what is
hashed of an event is in chain.md beside this file.
"""

from __future__ import annotations

import os
import sys
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class NotProvedError(Exception):
    """The proof does not hold; the message says why."""


def need(holds: object, complaint: str) -> None:
    if not holds:
        raise NotProvedError(complaint)


def decode(text: str, complaint: str) -> bytes:
    """Base64 in its one right spelling, so that no changed character goes unnoticed."""
    try:
        value = b64decode(text, validate=True)
    except ValueError:
        raise NotProvedError(complaint) from None
    need(b64encode(value).decode() == text, complaint)
    return value


def number(text: str, complaint: str) -> int:
    need(text.isascii() and text.isdecimal() and str(int(text)) == text, complaint)
    return int(text)


def open_checkpoint(note: str, public_key: str) -> tuple[int, bytes]:
    """Size and root of the tree that the key signed."""
    name, key_id, key = public_key.strip().split("+", 2)
    raw = decode(key, "the public key is damaged")
    expected = sha256(name.encode() + b"\n" + raw).digest()[:4]
    need(len(raw) == 33 and raw[0] == 1, "the public key is not one of Ed25519")
    need(expected.hex() == key_id, "the public key does not fit to its id")
    text, blank, signatures = note.rpartition("\n\n")
    need(blank and signatures.endswith("\n"), "there is no signed checkpoint")
    text += "\n"
    prefix = f"— {name} "
    for line in signatures[:-1].split("\n"):
        need(line.startswith("— "), "a line among the signatures is none")
        blob = decode(line.rpartition(" ")[2], "a signature is damaged")
        if line.startswith(prefix) and blob[:4] == expected:
            try:
                Ed25519PublicKey.from_public_bytes(raw[1:]).verify(blob[4:], text.encode())
            except InvalidSignature:
                raise NotProvedError("the signature is wrong") from None
            break
    else:
        raise NotProvedError("the checkpoint is signed by another key")
    origin, size, root, *_ = text.split("\n")
    need(origin == name, "the checkpoint is of another log than the key")
    return number(size, "the checkpoint has no size"), decode(root, "the checkpoint has no root")


def root_of(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.3.2: the root that a leaf's hash and its path lead to."""
    need(index < size, "the event is not under the checkpoint")
    fn, sn, result = index, size - 1, leaf
    for sibling in path:
        need(sn, "the path is too long")
        if fn & 1 or fn == sn:
            result = sha256(b"\1" + sibling + result).digest()
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            result = sha256(b"\1" + result + sibling).digest()
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0, "the path is too short")
    return result


def event_in(sealed: bytes) -> dict[str, object]:
    """The row in what the event's hash is made from: the hash before it, then fields with lengths."""
    fields, rest = [], sealed[32:]
    while rest:
        length = int.from_bytes(rest[:4], "big")
        need(len(rest) >= 4 + length, "the event is damaged")
        fields.append(rest[4 : 4 + length])
        rest = rest[4 + length :]
    need([len(field) for field in fields[:3]] == [8, 16, 8], "the event is damaged")
    need(len(fields) == 7 and len(fields[4]) == 8, "the event is damaged")
    microseconds = int.from_bytes(fields[4], "big", signed=True)
    recorded_at = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    return {
        "position": int.from_bytes(fields[0], "big"),
        "stream_id": UUID(bytes=fields[1]),
        "version": int.from_bytes(fields[2], "big"),
        "topic": fields[3].decode(),
        "recorded_at": recorded_at.isoformat(),
        "metadata": fields[5].decode(),
        "data": fields[6].decode(),
        "hash": sha256(sealed).hexdigest(),
    }


def check(proof: str, public_key: str) -> tuple[dict[str, object], int, bytes]:
    """The event that a proof shows, and size and root of the tree that it is in."""
    body, _, note = proof.partition("\n\n")
    size, root = open_checkpoint(note, public_key)
    lines = body.split("\n")
    need(lines[0] == "c2sp.org/tlog-proof@v1", "this is no proof")
    need(len(lines) >= 3, "the proof is cut off")
    need(lines[1].startswith("extra ") and lines[2].startswith("index "), "the proof is damaged")
    sealed = decode(lines[1][len("extra ") :], "the event is damaged")
    index = number(lines[2][len("index ") :], "the index is damaged")
    path = [decode(line, "the path is damaged") for line in lines[3:]]
    need(all(len(hash_) == 32 for hash_ in path), "the path is damaged")
    # An event's leaf holds its chain hash, which seals its row and the event before it.
    leaf = sha256(b"\0" + sha256(sealed).digest()).digest()
    need(root_of(leaf, index, size, path) == root, "the event is not in the log that was signed")
    event = event_in(sealed)
    need(event["position"] == index + 1, "the event is of another position")
    return event, size, root


def main(arguments: list[str]) -> None:
    """Check what the command line names."""
    if len(arguments) not in (2, 3):
        sys.exit(__doc__)
    given, proof, *kept = arguments
    public_key = Path(given).read_text() if os.path.isfile(given) else given
    try:
        event, size, root = check(Path(proof).read_bytes().decode(), public_key)
        if kept:
            own = open_checkpoint(Path(kept[0]).read_bytes().decode(), public_key)
            need(own == (size, root), "the proof is not against the checkpoint that you kept")
    except (NotProvedError, ValueError, OverflowError, OSError) as error:
        sys.exit(f"NOT PROVED: {error}")
    sys.stdout.write(f"PROVED: in the log as it was signed with {size} events\n")
    for name, value in event.items():
        shown = "".join(c if c.isprintable() else " " for c in str(value))
        sys.stdout.write(f"{name:<12} {shown}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
