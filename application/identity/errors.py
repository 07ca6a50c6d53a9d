"""Why somebody is not let in, as codes of the problem catalogue."""

from __future__ import annotations


class TokenError(Exception):
    """A token or an API key is not taken. `reason` is a code of the problem catalogue."""

    def __init__(self, reason: str, **details: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.details = details


class HasherBusyError(Exception):
    """So many passwords wait to be checked that another would wait too long. Try again in a moment."""
