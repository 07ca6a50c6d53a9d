"""Checks a proof from a Daybook log with its public key alone; needs Python and `cryptography`, no Daybook.

    python verify_proof.py PUBLIC_KEY PROOF [CHECKPOINT]

PUBLIC_KEY is the line that `daybook audit public-key` prints, or a file with it; a file may have several, one
a line. PROOF is a file made by `daybook audit prove`. With CHECKPOINT, one that you kept, the proof must be
against just that one. Prints the event and exits with 0 when it is proved; else says why, and exits with 1.

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
    need(text.isascii() and text.isdecimal() and len(text) <= 19, complaint)
    need(str(int(text)) == text, complaint)
    return int(text)


def parse_key(line: str) -> tuple[str, bytes, bytes]:
    """Name, id and the 32 bytes of a public key's line."""
    need(line.count("+") >= 2, "this is no public key")
    name, key_id, key = line.strip().split("+", 2)
    raw = decode(key, "the public key is damaged")
    expected = sha256(name.encode() + b"\n" + raw).digest()[:4]
    need(is_name(name) and len(raw) == 33 and raw[0] == 1, "the public key is not one of Ed25519")
    need(expected.hex() == key_id.lower(), "the public key does not fit to its id")
    return name, expected, raw[1:]


def is_name(name: str) -> bool:
    # Printable, since names are shown to people before anything is known of who wrote them.
    return name.isprintable() and name != "" and not any(c.isspace() or c == "+" for c in name)


def split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """A signed note's text, and who signed it with what: key id and signature."""
    need(not any(c < " " and c != "\n" for c in note), "the checkpoint has control characters")
    text, blank, tail = note.rpartition("\n\n")
    lines = tail.split("\n")
    need(blank and not lines.pop() and 0 < len(lines) <= 100, "there is no signed checkpoint")
    signatures = []
    for line in lines:
        words = line.split(" ")
        need(len(words) == 3 and words[0] == "—" and is_name(words[1]), "a signature is damaged")
        blob = decode(words[2], "a signature is damaged")
        need(len(blob) > 4, "a signature is damaged")
        signatures.append((words[1], blob))
    return text + "\n", signatures


def open_checkpoint(note: str, public_keys: str) -> tuple[int, bytes, bytes]:
    """Size, root and last chain hash of the log that one of the keys, a line each, signed."""
    keys = [parse_key(line) for line in public_keys.split("\n") if line.strip()]
    need(keys, "there is no public key")
    text, signatures = split_note(note)
    signers = []
    for name, blob in signatures:
        for key_name, key_id, key in keys:
            if (name, blob[:4]) != (key_name, key_id):
                continue  # signatures of others are left alone
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(blob[4:], text.encode())
            except InvalidSignature:
                raise NotProvedError("the signature is wrong") from None
            signers.append(name)
    need(signers, "the checkpoint is signed by another key")
    lines = text[:-1].split("\n")
    need(len(lines) >= 4 and all(lines), "the checkpoint has an empty line, or too few")
    origin, size, root, *more = lines
    need(origin == signers[0], "the checkpoint is of another log than the key")
    chains = [line.removeprefix("chain-hash ") for line in more if line.startswith("chain-hash ")]
    need(len(chains) == 1, "the checkpoint needs one chain hash")
    hashes = [decode(hash_, "the checkpoint is damaged") for hash_ in (root, *chains)]
    need(all(len(hash_) == 32 for hash_ in hashes), "the checkpoint is damaged")
    need(size != "0", "the checkpoint has no size")
    return number(size, "the checkpoint has no size"), hashes[0], hashes[1]


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
        "metadata": fields[5].decode(errors="replace"),
        "data": fields[6].decode(errors="replace"),
        "hash": sha256(sealed).hexdigest(),
    }


def check(proof: str, public_keys: str) -> tuple[dict[str, object], int, bytes, bytes]:
    """The event that a proof shows, and size, root and last chain hash of the log that it is in."""
    body, _, note = proof.partition("\n\n")
    size, root, chain = open_checkpoint(note, public_keys)
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
    return event, size, root, chain


def main(arguments: list[str]) -> None:
    """Check what the command line names."""
    if len(arguments) not in (2, 3):
        sys.exit(__doc__)
    given, proof, *kept = arguments
    public_keys = Path(given).read_text() if os.path.isfile(given) else given
    try:
        event, size, *hashes = check(Path(proof).read_bytes().decode(), public_keys)
        if kept:
            own = open_checkpoint(Path(kept[0]).read_bytes().decode(), public_keys)
            need(own == (size, *hashes), "the proof is not against the checkpoint that you kept")
    except (NotProvedError, ValueError, OverflowError, OSError) as error:
        sys.exit(f"NOT PROVED: {error}")
    sys.stdout.write(f"PROVED: in the log as it was signed with {size} events\n")
    for name, value in event.items():
        shown = "".join(c if c.isprintable() else " " for c in str(value))
        sys.stdout.write(f"{name:<12} {shown}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
