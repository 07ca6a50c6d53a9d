"""Who the benchmark is to the server that it measures: a secret of its own, and tokens signed with it."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from api.secrets import new_jwt_secret
from application.identity.tokens import Signer

_NEVER_REACHED = "1000000000/minute"


class Badge:
    """An administrator of a server with these `settings`: requests are counted, and never too many."""

    def __init__(self) -> None:
        secret = new_jwt_secret()
        self._signer = Signer([secret])
        self._user_id = uuid4()
        self.settings = {
            "JWT_SECRET": secret,
            "RATE_LIMIT": _NEVER_REACHED,
            "RATE_LIMIT_WRITES": _NEVER_REACHED,
        }
        """Beside the defaults, by which requests are counted."""

    def token(self) -> str:
        """A new access token, good for longer than a measurement takes."""
        now = datetime.now(UTC)
        return self._signer.issue_access(self._user_id, "admin", uuid4(), now).token
