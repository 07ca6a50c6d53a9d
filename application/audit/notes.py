"""Signed notes (c2sp.org/signed-note): a text, an empty line, and who signed it with Ed25519."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from application.audit.errors import AuditError

_ED25519 = b"\x01"
"""The format's number for this kind of signature."""

_SIGNED_BY = "— "
_PRIVATE = "PRIVATE+KEY+"
_MAX_SIGNATURES = 100


class NoteError(AuditError):
    """A note or a key that cannot be trusted or read; the message says why."""


class Verifier(NamedTuple):
    """A public key with the name that it signs for."""

    name: str
    key_id: bytes
    public_key: bytes

    def __str__(self) -> str:
        """The key as `name+id+key`, the form in which keys of notes are handed around."""
        return f"{self.name}+{self.key_id.hex()}+{encode64(_ED25519 + self.public_key)}"

    @property
    def label(self) -> str:
        """Short enough for a sentence."""
        return f"{self.name}+{self.key_id.hex()}"

    def holds(self, text: str, signature: bytes) -> bool:
        """Whether this key signed that text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


class Signer:
    """A private key with its name, which is also the origin of the log that it signs for."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._seed = seed
        public = self._key.public_key().public_bytes_raw()
        self.verifier = Verifier(name, key_id(name, public), public)

    @classmethod
    def generate(cls, name: str) -> Signer:
        """A new key. Raises `NoteError` when the name cannot be a key's."""
        _check_name(name)
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @property
    def name(self) -> str:
        return self.verifier.name

    def secret(self) -> str:
        """The key as one line, to be kept secret: `PRIVATE+KEY+name+id+key`."""
        return (
            f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{encode64(_ED25519 + self._seed)}"
        )

    def sign(self, text: str) -> str:
        """The signed note over a text that ends with a newline."""
        assert text.endswith("\n"), "a note's text ends with a newline"
        signature = encode64(self.verifier.key_id + self._key.sign(text.encode()))
        return f"{text}\n{_SIGNED_BY}{self.name} {signature}\n"


def key_id(name: str, public_key: bytes) -> bytes:
    """The four bytes that tell keys of one name apart."""
    return sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:4]


def parse_signer(line: str) -> Signer:
    """A private key from its line. Raises `NoteError`, without repeating the line."""
    try:
        if not line.startswith(_PRIVATE):
            raise ValueError("no private key")
        name, id_, seed = _parts(line.removeprefix(_PRIVATE))
        signer = Signer(name, seed)
    except ValueError:
        raise NoteError(
            "this is no private key for checkpoints: it is one line PRIVATE+KEY+NAME+ID+KEY, as"
            " `daybook audit keygen` writes it"
        ) from None
    if signer.verifier.key_id != id_:
        raise NoteError("the private key's id does not fit to it: the line was damaged")
    return signer


def parse_verifier(line: str) -> Verifier:
    """A public key from its line. Raises `NoteError`."""
    try:
        name, id_, public_key = _parts(line)
    except ValueError:
        raise NoteError(
            f"{line[:100]!r} is no public key for checkpoints: it is one line NAME+ID+KEY, as"
            " `daybook audit public-key` prints it"
        ) from None
    if key_id(name, public_key) != id_:
        raise NoteError(f"the public key {name} does not fit to its id: the line was damaged")
    return Verifier(name, id_, public_key)


def open_note(note: str, verifiers: Sequence[Verifier]) -> tuple[str, Verifier]:
    """The text of a note that one of the keys signed, and the key. Raises `NoteError`.

    Signatures of other keys are left alone; a wrong one of a known key spoils the note.
    """
    text, signatures = _split(note)
    signed_by = None
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    for name, blob in signatures:
        verifier = known.get((name, blob[:4]))
        if verifier is None:
            continue
        if not verifier.holds(text, blob[4:]):
            raise NoteError(f"the signature of {verifier.label} is wrong: the text was changed")
        signed_by = signed_by or verifier
    if signed_by is None:
        signers = ", ".join(f"{name}+{blob[:4].hex()}" for name, blob in signatures)
        wanted = ", ".join(verifier.label for verifier in verifiers) or "none"
        raise NoteError(f"signed by another key: {signers}; known here: {wanted}")
    return text, signed_by


def text_of(note: str) -> str:
    """What a note says, whoever signed it. Raises `NoteError`."""
    return _split(note)[0]


def encode64(value: bytes) -> str:
    return b64encode(value).decode()


def decode64(text: str) -> bytes:
    """Bytes from base64 in its one right spelling. Raises `ValueError`."""
    try:
        value = b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    if encode64(value) != text:
        raise ValueError("not the shortest form of base64")
    return value


def _split(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    if any(c < " " and c != "\n" for c in note):
        raise NoteError("this is no signed note: it has control characters")
    head, blank, tail = note.rpartition("\n\n")
    lines = tail.split("\n")
    if not blank or lines.pop() or not 0 < len(lines) <= _MAX_SIGNATURES:
        raise NoteError("this is no signed note: an empty line and signatures must end it")
    return head + "\n", [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes]:
    try:
        name, blob = line.removeprefix(_SIGNED_BY).split(" ")
        if not line.startswith(_SIGNED_BY) or not _is_name(name):
            raise ValueError(line)
        raw = decode64(blob)
    except ValueError:
        raise NoteError(f"this is no signature of a note: {line[:100]!r}") from None
    if len(raw) <= 4:
        raise NoteError("a signature of the note is empty")
    return name, raw


def _parts(line: str) -> tuple[str, bytes, bytes]:
    """Name, id and key of a key's line. Raises `ValueError`."""
    name, id_, blob = line.strip().split("+", 2)
    raw = decode64(blob)
    if not _is_name(name) or len(id_) != 8 or raw[:1] != _ED25519 or len(raw) != 33:
        raise ValueError(line)
    return name, bytes.fromhex(id_), raw[1:]


def _is_name(name: str) -> bool:
    # Printable, since names are shown to people before anything is known of who wrote them.
    return name.isprintable() and not any(c.isspace() or c == "+" for c in name) and name != ""


def _check_name(name: str) -> None:
    if not _is_name(name):
        raise NoteError(f"{name!r} cannot name a log: use letters, digits, dots and slashes")
