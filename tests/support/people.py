"""Who asks, in tests: tokens that a server with the tests' secrets takes, without a login."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from api.settings import Settings
from application.identity.tokens import Signer

JWT_SECRET = "signs tokens of tests and of nothing else at all: 0123456789-ABCDEFGHIJKLM"
ENCRYPTION_KEY = "dGVzdHMgd3JhcCB0aGVpciBrZXlzIHdpdGggdGhpcyE="
"""32 bytes."""

ADMIN = UUID("ad000000-0000-4000-8000-00000000000a")

_OFTEN = "1000000/second"
_MADE: dict[str, Any] = {
    "JWT_SECRET": JWT_SECRET,
    "ENCRYPTION_KEY": ENCRYPTION_KEY,
    "ARGON2_MEMORY_KIB": 8,
    "ARGON2_TIME_COST": 1,
    "ARGON2_PARALLELISM": 1,
    # Its notices would come into logs whose events are counted.
    "FEATURE_SECURITY_AUDIT": False,
    "RATE_LIMIT": _OFTEN,
    "RATE_LIMIT_WRITES": _OFTEN,
    "RATE_LIMIT_MACHINE": _OFTEN,
    "RATE_LIMIT_ADDRESS": _OFTEN,
    "RATE_LIMIT_LOGIN": _OFTEN,
    "RATE_LIMIT_LOGIN_ADDRESS": _OFTEN,
}

ENVIRONMENT = {name: str(value) for name, value in _MADE.items()}
"""The same for processes that tests start."""

_SIGNER = Signer([JWT_SECRET])


def settings(**more: Any) -> Settings:
    """The settings of a server for tests."""
    return Settings(**{**_MADE, **more})


def token(role: str = "admin", user_id: UUID = ADMIN) -> str:
    """An access token of a session of its own."""
    return _SIGNER.issue_access(user_id, role, uuid4(), datetime.now(UTC)).token


def bearer(role: str = "admin", user_id: UUID = ADMIN) -> dict[str, str]:
    """The header that says so."""
    return {"Authorization": f"Bearer {token(role, user_id)}"}
