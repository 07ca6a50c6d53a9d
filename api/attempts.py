"""Counts attempts to prove who one is, so that nobody gets many guesses at a password."""

from __future__ import annotations

from fastapi import Request

from api.limits import headers_of, refuse_beyond
from api.origins import client_key
from api.state import State


async def count_attempt(request: Request, state: State, who: str | None = None) -> None:
    """Count one from the client's address, and of them those for `who`. Raises `rate_limited`."""
    limiter = state.gate.limiter
    if limiter is None:
        return
    address = client_key(request.scope)
    counted = [("login_address", address)]
    if who is not None:
        counted.append(("login", f"{address}|{who}"))
    for kind, key in counted:
        verdict = await limiter.hit(kind, key)
        request.scope["state"]["limit_headers"] = headers_of(verdict)
        refuse_beyond(verdict)
