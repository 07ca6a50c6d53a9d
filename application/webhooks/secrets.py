"""Keeps the secrets of endpoints sealed with a key of the service."""

from __future__ import annotations

from uuid import UUID

import psycopg

from application.privacy import service_keys
from application.privacy.master_keys import MasterKeys
from application.privacy.sealing import open_sealed, place, seal

_NAME = "webhook secrets"


class Secrets:
    """Seals and opens. It has a key of the service in memory, and no secret."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def load(cls, conninfo: str, masters: MasterKeys) -> Secrets:
        """With the key of this database, which is made when it is first asked for.

        Raises `MasterKeyMissingError` when that is wrapped by a key that is not given.
        """
        with psycopg.connect(conninfo, autocommit=True) as conn:
            return cls(service_keys.get_or_make(conn, masters, _NAME))

    def seal(self, endpoint_id: UUID, secret: str) -> str:
        """A secret as it is kept, for this endpoint only."""
        return seal(self._key, secret, _place(endpoint_id))

    def open(self, endpoint_id: UUID, sealed: str) -> str:
        """The secret. Raises `SealBrokenError`."""
        return open_sealed(self._key, sealed, _place(endpoint_id))


def _place(endpoint_id: UUID) -> str:
    return place(endpoint_id, "webhook", "secret")
