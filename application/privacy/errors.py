"""What cannot be sealed or opened, in a sentence for the person who asked."""

from __future__ import annotations


class PrivacyError(Exception):
    """A key or a sealed text cannot be used; the message says which and what to do, never its content."""
