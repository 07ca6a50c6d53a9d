"""The secrets that a server starts with: from its settings, or made once for a ledger on this machine."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from api.setting_values import MIN_SECRET_CHARS
from api.settings import Settings, SettingsError
from application.audit.files import place_new_file
from application.privacy import master_keys as masters

_CURSORS = b"daybook cursors 1"
_LIMITS = b"daybook limits 1"


def master_keys(settings: Settings) -> masters.MasterKeys:
    """What the keys of persons are wrapped with, the current key and older ones. Raises `SettingsError`."""
    current = settings.ENCRYPTION_KEY
    if current is None:
        path = encryption_key_file(settings)
        current = _load_or_make(settings, "ENCRYPTION_KEY", path, masters.generate)
        _must_be_whole(path, masters.MasterKeys.parse, current)
    return masters.MasterKeys.parse(current, settings.ENCRYPTION_KEYS_OLD)


def jwt_secrets(settings: Settings) -> tuple[str, ...]:
    """The secret that signs tokens, then those that only verify. Raises `SettingsError`."""
    current = settings.JWT_SECRET
    if current is None:
        path = jwt_key_file(settings)
        current = _load_or_make(settings, "JWT_SECRET", path, new_jwt_secret)
        _must_be_whole(path, _check_length, current)
    return current, *settings.JWT_SECRETS_OLD


def cursor_key(settings: Settings) -> bytes:
    """32 bytes that sign cursors: the same on every server that has the same JWT_SECRET, and of no use
    for signing tokens."""
    return hmac.digest(jwt_secrets(settings)[0].encode(), _CURSORS, "sha256")


def limits_key(settings: Settings) -> bytes:
    """32 bytes that hide who is counted, of the same kind."""
    return hmac.digest(jwt_secrets(settings)[0].encode(), _LIMITS, "sha256")


def encryption_key_file(settings: Settings) -> Path:
    """Where the encryption key is, or would be, when it is not set."""
    return settings.DATA_DIR / "keys" / "encryption.key"


def jwt_key_file(settings: Settings) -> Path:
    """Where the secret of tokens is, or would be, when it is not set."""
    return settings.DATA_DIR / "keys" / "jwt.key"


def _load_or_make(settings: Settings, name: str, path: Path, make: Callable[[], str]) -> str:
    if settings.is_production:
        raise SettingsError(f"{name}: production needs one, and makes none by itself: set it")
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with suppress(FileExistsError):  # another process was faster: its secret is the one
                place_new_file(path, make() + "\n", mode=0o600)
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{name} is not set, and {path} cannot be used instead: make it readable, or set {name}"
        ) from error


def _must_be_whole(path: Path, check: Callable[[str], object], content: str) -> None:
    try:
        check(content)
    except (masters.MasterKeyError, ValueError):
        raise SettingsError(
            f"{path} is damaged: put it back from a backup. Without it, what it has sealed or signed"
            " cannot be read; only if that is no loss, move it away, and a new one is made"
        ) from None


def new_jwt_secret() -> str:
    """As JWT_SECRET takes it, with 64 bytes of randomness."""
    return secrets.token_urlsafe(64)


def _check_length(secret: str) -> None:
    if len(secret) < MIN_SECRET_CHARS:
        raise ValueError
