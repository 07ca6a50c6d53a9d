"""Whose an account is: a command may come from somebody who may touch his own only."""

from __future__ import annotations

from typing import TypeGuard
from uuid import UUID

from domain.accounts import Account

Owner = UUID | None
"""The only person whose accounts a command may touch; None: everybody's."""


def is_within_reach(account: Account | None, owner_id: Owner) -> TypeGuard[Account]:
    """Whether an account is there for a command of this owner: another's is as if it were not."""
    return account is not None and owner_id in (None, account.owner_id)
