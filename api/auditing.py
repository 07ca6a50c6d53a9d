"""Where this installation keeps its key for checkpoints, and whose checkpoints it trusts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from api.local import postmaster
from api.settings import Settings
from application.audit import keys
from application.audit.keeper import CheckpointKeeper
from application.audit.notes import Signer, Verifier


def key_file(settings: Settings) -> Path:
    """Where the key is, or would be."""
    return settings.AUDIT_KEY_FILE or settings.DATA_DIR / "keys" / "audit.key"


def checkpoint_folder(settings: Settings) -> Path:
    """Where checkpoints are kept as files, one a position."""
    return settings.DATA_DIR / "checkpoints"


def signing_keys(settings: Settings) -> tuple[Signer, Sequence[Verifier]]:
    """The key to sign with and the public keys of the log. An embedded ledger makes its key when it
    first needs one; several servers on one database must be given the same. Raises `AuditError`."""
    path = key_file(settings)
    is_own = settings.AUDIT_KEY_FILE is None and _is_embedded(settings)
    signer = keys.load_or_create(path) if is_own else keys.load_signer(path)
    return signer, keys.load_verifiers(path)


def keeper(settings: Settings, conninfo: str) -> CheckpointKeeper:
    """What makes checkpoints while the server runs; to be started."""
    return CheckpointKeeper(
        conninfo,
        lambda: signing_keys(settings),
        checkpoint_folder(settings),
        settings.CHECKPOINT_EVERY,
    )


def _is_embedded(settings: Settings) -> bool:
    """Whether the database is the one that runs in this data folder."""
    if settings.DATABASE_URL is None:
        return True
    # `daybook up` hands its own server's address to its children as a DATABASE_URL.
    running = postmaster.recorded(settings.DATA_DIR.resolve() / "postgres")
    host = conninfo_to_dict(settings.DATABASE_URL).get("host")
    return running is not None and host is not None and Path(str(host)) == running.sockets
