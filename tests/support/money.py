"""A small world in which money takes days: investors, a fund, a bank over HTTP, workers, and its books."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg

from api.workers import running_worker
from application.ledger import Accepted, Done, Ledger, Submission
from application.ledger.outcomes import Command
from application.ledger.reading import load
from domain.accounts import OpenAccount
from domain.bank_transfers import RequestBankTransfer
from domain.funds import OpenFund
from domain.house import house_account
from domain.investments import RequestInvestment
from domain.provenance import Provenance
from domain.transfers import PostTransfer
from tests.support.people import settings
from tests.support.waiting import until

CURRENCY = "EUR"
AMOUNT = 100_00
WHO = Provenance(actor="test")

OVER = {"completed", "failed", "returned", "needs_operator"}


class Money:
    """Opens accounts and asks for flows through a ledger; amounts are minor units of euros."""

    def __init__(self, ledger: Ledger, conninfo: str) -> None:
        self.ledger = ledger
        self.conninfo = conninfo
        self._outside = self._open("cash", "Outside", None)
        self.manager = uuid4()

    def submit(self, *commands: Command) -> Done:
        """Submit commands of which none is refused."""
        done = self.ledger.submit_and_wait(Submission(commands, WHO))
        assert all(isinstance(o, Accepted) for o in done.outcomes), done.outcomes
        return done

    def _open(self, type_: str, name: str, owner_id: UUID | None) -> UUID:
        account_id = uuid4()
        self.submit(OpenAccount(account_id, name, type_, CURRENCY, owner_id))
        return account_id

    def customer(self, balance: int = AMOUNT, owner_id: UUID | None = None) -> UUID:
        """An account with money in it."""
        account_id = self._open("investment", "Customer", owner_id or uuid4())
        if balance:
            self.submit(PostTransfer(uuid4(), self._outside, account_id, balance, CURRENCY))
        return account_id

    def fund(self, seats: int = 1_000, minimum: int = 1_00, maximum: int = 0) -> UUID:
        """An open fund."""
        fund_id, account_id = uuid4(), self._open("fund", "Fund", None)
        self.submit(OpenFund(fund_id, "Fund", CURRENCY, account_id, minimum, maximum, seats))
        return fund_id

    def invest(self, fund_id: UUID, account_id: UUID | None = None, amount: int = AMOUNT) -> UUID:
        """Ask for an investment."""
        investment_id = uuid4()
        source = account_id or self.customer(amount)
        self.submit(RequestInvestment(investment_id, source, fund_id, amount, CURRENCY))
        return investment_id

    def bank_transfer(
        self, kind: str, account_id: UUID | None = None, amount: int = AMOUNT
    ) -> UUID:
        """Ask for a deposit or a withdrawal."""
        id_ = uuid4()
        account = account_id or self.customer(amount)
        self.submit(
            RequestBankTransfer(id_, kind, account, CURRENCY, amount, "DE02120300000000202051")
        )
        return id_

    def connect(self) -> psycopg.Connection[Any]:
        """A connection in autocommit mode; use it with `with`."""
        return psycopg.connect(self.conninfo, autocommit=True)

    def state(self, id_: UUID) -> Any:
        """The aggregate as the log has it."""
        return self.states([id_])[id_]

    def states(self, ids: Iterable[UUID]) -> dict[UUID, Any]:
        """Aggregates as the log has them."""
        with self.connect() as conn:
            return load(conn, list(ids))

    def until_over(self, ids: Iterable[UUID], timeout_s: float = 60) -> dict[UUID, str]:
        """Wait until flows are over; their statuses."""
        left = list(ids)
        found: dict[UUID, str] = {}

        def are_over() -> bool:
            for id_, state in self.states(left).items():
                status = getattr(state, "status", "")
                if status in OVER:
                    found[id_] = status
            left[:] = [id_ for id_ in left if id_ not in found]
            return not left

        until(are_over, timeout_s=timeout_s)
        return found

    def balance(self, account_id: UUID) -> int:
        """What an account holds, 0 when it is not there."""
        return int(getattr(self.state(account_id), "balance", 0))

    def house(self, type_: Any) -> int:
        """What an account of the house holds."""
        return self.balance(house_account(type_, CURRENCY))

    def check_books(self) -> None:
        """Nothing is lost or made, and nothing is on its way."""
        with self.connect() as conn:
            rows = conn.execute(
                "SELECT DISTINCT originator_id FROM events WHERE topic = 'account.opened'"
            ).fetchall()
            accounts = load(conn, [id_ for (id_,) in rows]).values()
        assert sum(getattr(account, "balance", 0) for account in accounts) == 0
        assert self.house("clearing") == 0


@contextmanager
def working(conninfo: str, bank_url: str, bank_token: str, **more: Any) -> Iterator[None]:
    """A worker in threads of this process, for a bank."""
    with tempfile.TemporaryDirectory() as folder:
        more.setdefault("DATA_DIR", Path(folder))
        more.setdefault("BANK_LOOK_AFTER_S", 1)
        chosen = settings(BANK_URL=bank_url, BANK_TOKEN=bank_token, **more)
        with running_worker(chosen, conninfo):
            yield
