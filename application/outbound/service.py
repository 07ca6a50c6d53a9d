"""What the services of others that are asked over HTTP have in common."""

from __future__ import annotations

from typing import ClassVar, Self, TypeVar

import msgspec

from application.outbound.breaker import Breaker
from application.outbound.client import Answer, Client, TimeLimits, Tries
from application.outbound.errors import BadResponseError

T = TypeVar("T")


class HttpService:
    """A service that is asked by `client`."""

    name: ClassVar[str]
    """What errors and its breaker call it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @classmethod
    def at(
        cls,
        url: str,
        token: str,
        breaker: Breaker,
        *,
        limits: TimeLimits | None = None,
        tries: Tries | None = None,
    ) -> Self:
        """A service with a client of its own, known by a bearer token."""
        headers = {"authorization": f"Bearer {token}"}
        return cls(
            Client(cls.name, url, breaker=breaker, headers=headers, limits=limits, tries=tries)
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _decoded(self, answer: Answer, shape: type[T]) -> T:
        """Raises `BadResponseError` for what is not of that shape."""
        try:
            return msgspec.json.decode(answer.body, type=shape)
        except (msgspec.MsgspecError, UnicodeDecodeError):  # which may repeat some of the answer
            raise self._senseless(answer, "it is not as was agreed") from None

    def _senseless(self, answer: Answer, problem: str) -> BadResponseError:
        return BadResponseError(
            self._client.service,
            answer.status,
            problem=problem,
            transient=True,
            outcome_unknown=True,
        )
