"""What keeps an export from being made."""

from __future__ import annotations


class ExportError(Exception):
    """The folder can't take this export; the message says why, and what to do."""
