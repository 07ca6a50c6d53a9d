"""The same transfers by plain `eventsourcing`, as its documentation writes an application."""

from __future__ import annotations

import time
from collections.abc import Iterable
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from psycopg.conninfo import conninfo_to_dict

from api.bench.posting import Pair, spread
from api.bench.sizes import ACCOUNTS


class Account(Aggregate):
    def __init__(self, name: str, currency: str) -> None:
        self.name = name
        self.currency = currency
        self.balance = 0

    @event("Debited")
    def debit(self, transfer_id: UUID, amount: int) -> None:
        self.balance -= amount

    @event("Credited")
    def credit(self, transfer_id: UUID, amount: int) -> None:
        self.balance += amount


class Transfer(Aggregate):
    def __init__(
        self, source_id: UUID, destination_id: UUID, amount: int, currency: str, description: str
    ) -> None:
        self.source_id = source_id
        self.destination_id = destination_id
        self.amount = amount
        self.currency = currency
        self.description = description


class Transfers(Application[UUID]):
    """Accounts and transfers between them; each transfer and its two entries are one save."""

    def open_accounts(self, names: Iterable[str]) -> list[UUID]:
        accounts = [Account(name, "EUR") for name in names]
        self.save(*accounts)
        return [account.id for account in accounts]

    def transfer(self, source_id: UUID, destination_id: UUID, amount: int) -> UUID:
        source: Account = self.repository.get(source_id)
        destination: Account = self.repository.get(destination_id)
        transfer = Transfer(source_id, destination_id, amount, "EUR", "Benchmark")
        source.debit(transfer.id, amount)
        destination.credit(transfer.id, amount)
        self.save(transfer, source, destination)
        return transfer.id


class LibraryPoster:
    """The library's application on an empty database, by its Postgres module."""

    def __init__(self, url: str, transfers: int) -> None:
        info = conninfo_to_dict(url)
        self._application = Transfers(
            env={
                "PERSISTENCE_MODULE": "eventsourcing.postgres",
                "POSTGRES_DBNAME": str(info["dbname"]),
                "POSTGRES_HOST": str(info["host"]),
                "POSTGRES_PORT": str(info["port"]),
                "POSTGRES_USER": str(info["user"]),
                "POSTGRES_PASSWORD": "unused",  # the socket trusts its owner
            }
        )
        self._transfers = transfers
        names = (f"Account {n}" for n in range(ACCOUNTS))
        self._pair = spread(self._application.open_accounts(names))

    def post(self) -> float:
        """One round: transfers per second."""
        pairs: list[Pair] = [self._pair() for _ in range(self._transfers)]
        start = time.perf_counter()
        for n, (source_id, destination_id) in enumerate(pairs):
            self._application.transfer(source_id, destination_id, 1 + n % 97)
        return self._transfers / (time.perf_counter() - start)

    def close(self) -> None:
        self._application.close()
