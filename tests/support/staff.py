"""What administrators do to users in tests, and those users afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx2

from tests.support.serving import client_of
from tests.support.visitors import new_email

STAFF_PASSWORD = "fifteen letters"
"""Long enough for every role."""


def user_body(role: str = "user", email: str | None = None, **more: object) -> dict[str, object]:
    """The body with which an administrator makes a user."""
    return {
        "email": email or new_email(),
        "full_name": "Ann Lee",
        "password": STAFF_PASSWORD,
        "password_confirmation": STAFF_PASSWORD,
        "role": role,
        **more,
    }


def make(
    admin: httpx2.Client, role: str = "user", email: str | None = None, **more: object
) -> dict[str, Any]:
    """A new user, as an administrator is answered."""
    answer = admin.post("/api/users/admin", json=user_body(role, email, **more))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@contextmanager
def as_user(base_url: str, user: dict[str, Any]) -> Iterator[httpx2.Client]:
    """A client that is a user who was made."""
    with client_of(base_url, user["role"], UUID(user["id"])) as client:
        yield client
