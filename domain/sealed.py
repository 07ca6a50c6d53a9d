"""What a sealed text looks like, and what stands in its place for those who cannot or may not read it."""

from __future__ import annotations

from typing import TypeGuard

# Stored for ever: another way of sealing gets another number.
SEALED_PREFIX = "sealed:1:"
"""What every sealed text begins with."""

SEALED = "[sealed]"
"""Shown instead of what the caller may not see."""
ERASED = "[erased]"
"""What stands for personal data whose key was destroyed: nobody can open it any more."""


def is_sealed(value: object) -> TypeGuard[str]:
    """Whether a value is a sealed text, by how it begins: also when it can no longer be opened."""
    return isinstance(value, str) and value.startswith(SEALED_PREFIX)
