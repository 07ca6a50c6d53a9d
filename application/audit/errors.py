"""What cannot be proved, in a sentence for the person who asked."""

from __future__ import annotations


class AuditError(Exception):
    """Something is not as it was signed, or cannot be signed; the message says what, and what to do."""
