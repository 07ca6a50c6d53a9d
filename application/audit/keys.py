"""The key that signs checkpoints, in a file that only its owner can read, and the public keys beside it."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from application.audit.errors import AuditError
from application.audit.files import place_new_file, replace_file
from application.audit.notes import Signer, Verifier, parse_signer, parse_verifier


class KeyFileError(AuditError):
    """There is no key where one is needed, or there is one where none may be; the message says more."""


def public_file(key_file: Path) -> Path:
    """Where the public keys are, one a line: of this key, and of those that signed before it."""
    return key_file.with_suffix(".pub")


def load_signer(key_file: Path) -> Signer:
    """The key in a file. Raises `KeyFileError` when there is none, `NoteError` when it is damaged."""
    try:
        return parse_signer(key_file.read_text().strip())
    except FileNotFoundError:
        raise KeyFileError(
            f"there is no key to sign with at {key_file}: make one with `daybook audit keygen`, or"
            " set AUDIT_KEY_FILE to where it is"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"the key at {key_file} cannot be read: {error}") from error


def load_verifiers(key_file: Path) -> list[Verifier]:
    """The public keys of a log: that of the key, and those beside it. Raises `KeyFileError`, `NoteError`."""
    public = public_file(key_file)
    found = read_verifiers(public) if public.exists() else []
    if key_file.exists() or not found:
        own = load_signer(key_file).verifier
        found = [own, *(verifier for verifier in found if verifier != own)]
    return found


def read_verifiers(path: Path) -> list[Verifier]:
    """The public keys in a file, one a line. Raises `KeyFileError`, `NoteError`."""
    try:
        lines = path.read_text().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"the public key at {path} cannot be read: {error}") from error
    found = [parse_verifier(line) for line in lines if line.strip()]
    if not found:
        raise KeyFileError(f"{path} has no public key in it")
    return found


def create(key_file: Path, origin: str | None = None) -> Signer:
    """Make a key that signs for the log `origin`, by default a new name, and put its public key beside it.

    Raises `KeyFileError` when there is a key already: it is never replaced.
    """
    signer = Signer.generate(origin or f"daybook.local/{secrets.token_hex(6)}")
    key_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        place_new_file(key_file, signer.secret() + "\n", mode=0o600)
    except FileExistsError:
        raise KeyFileError(
            f"there is a key at {key_file} already: to sign with a new one, move that file away and"
            f" keep {public_file(key_file).name}, so that what it signed can still be checked"
        ) from None
    _publish(key_file, signer.verifier)
    return signer


def load_or_create(key_file: Path) -> Signer:
    """The key in a file, made on the way when there is none."""
    if not key_file.exists():
        with suppress(KeyFileError):  # another process was faster: its key is the one
            return create(key_file)
    return load_signer(key_file)


def _publish(key_file: Path, verifier: Verifier) -> None:
    public = public_file(key_file)
    earlier = public.read_text() if public.exists() else ""
    replace_file(public, f"{verifier}\n{earlier}", mode=0o644)
