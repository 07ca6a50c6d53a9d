"""Two customers who pay each other, and a third who has to do with neither; each has borrowed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx2

from application.ledger import Ledger
from domain.loans import loan_account
from tests.api.conftest import Bank
from tests.support.credit import Desk, submit
from tests.support.flows import transferring
from tests.support.people import bearer
from tests.support.serving import NO_TLS, client_of

ALONE = "EUR:9000.00"
"""FOUR_EYES_ABOVE of the servers that they meet on."""


KINDS = (
    "user", "account", "transfer", "approval", "session", "key",
    "application", "loan", "repayment", "loan_account",
)  # fmt: skip


class Person:
    """A customer: the API in that person's words, and what is that person's."""

    def __init__(self, base_url: str, name: str) -> None:
        self.name = f"{name} Unmistakable"
        self.email = f"{name.lower()}.{uuid4().hex}@example.com"
        self.id = self._register(base_url, f"{name} keeps this")
        self.client = httpx2.Client(
            base_url=base_url, timeout=30, headers=bearer("user", self.id), verify=NO_TLS
        )
        self.bank = Bank(self.client)
        self.things: dict[str, list[str]] = {kind: [] for kind in KINDS} | {"user": [str(self.id)]}
        """Ids by kind."""
        self.secrets: set[str] = {self.name, self.email}

    def _register(self, base_url: str, password: str) -> UUID:
        body = {
            "email": self.email,
            "full_name": self.name,
            "password": password,
            "password_confirmation": password,
        }
        answer = httpx2.post(f"{base_url}/api/users", json=body, timeout=30, verify=NO_TLS)
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["id"])

    @property
    def ids(self) -> list[str]:
        return [id_ for ids in self.things.values() for id_ in ids]

    def open(self) -> str:
        name = f"{self.name}'s account {uuid4().hex}"
        account = self.bank.open(name=name)
        self.secrets.add(name)
        self.things["account"].append(account)
        return account

    def move(self, source: str, destination: str, amount: str, **more: Any) -> str:
        """The id of a transfer, or of the approval that it waits for."""
        words: dict[str, Any] = {
            "description": uuid4().hex,
            "reference": uuid4().hex,
            "metadata": {"k": uuid4().hex},
        }
        answer = self.bank.move(source, destination, amount, **words, **more)
        assert answer.status_code in (201, 202), answer.text
        return str(answer.json()["id"])

    def take_out(self, account: str, amount: str) -> str:
        """The id of the approval that a withdrawal waits for."""
        answer = self.client.post("/api/withdrawals", json=transferring(account, amount))
        assert answer.headers["location"].startswith("/api/approvals/"), answer.text
        self.secrets.add(amount)
        return str(answer.json()["id"])

    def begin_session(self) -> None:
        """A login and an API key."""
        body = {"email": self.email, "password": f"{self.name.split()[0]} keeps this"}
        answer = self.client.post("/api/auth/login", json=body)
        assert answer.status_code == 200, answer.text
        (session,) = self.client.get("/api/auth/sessions").json()["data"]
        key = {"name": f"{self.name}'s key", "scopes": ["accounts:read"]}
        issued = self.client.post("/api/api-keys", json=key)
        assert issued.status_code == 201, issued.text
        self.things["session"].append(session["id"])
        self.things["key"].append(issued.json()["id"])
        self.secrets.add(key["name"])  # type: ignore[arg-type]

    def apply(self, amount: str, **more: object) -> str:
        """The id of an application."""
        asked = submit(self.client, "ES", amount_requested=amount, full_name=self.name, **more)
        self.things["application"].append(asked["id"])
        self.secrets |= {amount, asked["document_number"]}
        return str(asked["id"])

    def borrow(self, desk: Desk, account: str, cents: str) -> None:
        """A loan of which something is paid back, an offer, and an application that waits."""
        lent, offered = self.apply(f"2311{cents}", account_id=account), self.apply(f"3511{cents}")
        for id_ in (lent, offered):
            desk.report(id_)
        assert self.client.post(f"/api/applications/{lent}/accept").status_code == 200
        loan_id = desk.go_on(lent).loan_id
        assert loan_id is not None
        body = {"amount": f"1{cents[1:]}7.31", "account_id": account}
        answer = self.client.post(f"/api/loans/{loan_id}/repayments", json=body)
        assert answer.status_code == 201, answer.text
        self.secrets |= {body["amount"], answer.json()["outstanding"]}
        self.things["loan"].append(str(loan_id))
        self.things["loan_account"].append(str(loan_account(loan_id)))
        self.things["repayment"].append(answer.json()["id"])
        self.apply(f"4711{cents}")


class World(NamedTuple):
    """Anna and Bert pay each other; Carl has to do with neither."""

    admin: Bank
    anna: Person
    bert: Person
    carl: Person
    shared: list[str]
    """Transfers between Anna and Bert."""
    accounts: dict[str, str]
    """The accounts with names."""

    def fresh(self, person: Person) -> list[str]:
        """Two more accounts of a person, of which one has money."""
        one, other = person.open(), person.open()
        assert self.admin.move(self.accounts["cash"], one, "8000.00").status_code == 201
        return [one, other]


@contextmanager
def three_customers(base_url: str, conninfo: str) -> Iterator[World]:
    """A world on a server that wants a second person for `ALONE`, and on its database."""
    with client_of(base_url) as client, Ledger(conninfo) as ledger:
        admin = Bank(client)
        anna, bert, carl = (Person(base_url, name) for name in ("Anna", "Bert", "Carl"))
        cash = admin.open("cash")
        accounts, desk = {"cash": cash}, Desk(ledger, conninfo)
        lending = {"source_account_id": cash, "amount": "8999.00", "currency": "EUR"}
        assert client.post("/api/loans/funding", json=lending).status_code == 201
        for person, cents, more in (
            (anna, ".07", ".16"),
            (bert, ".43", ".55"),
            (carl, ".61", ".92"),
        ):
            one, other = person.open(), person.open()
            letter = person.name[0].lower()
            accounts |= {f"{letter}1": one, f"{letter}2": other}
            for amount in (f"7319{cents}", "5827.00"):
                assert admin.move(cash, one, amount).status_code == 201
            # What is a person's own.
            person.things["transfer"].append(person.move(one, other, f"311{more}"))
            held = person.move(one, other, f"117{more}", pending=True)
            person.things["transfer"].append(held)
            person.things["approval"].append(person.move(one, other, f"9111{more}"))
            person.things["approval"].append(person.take_out(one, f"9011{more}"))
            person.borrow(desk, one, more)
            person.begin_session()
        a1, b1 = accounts["a1"], accounts["b1"]
        shared = [
            anna.move(a1, b1, "27.19"),
            anna.move(a1, b1, "613.17", pending=True),
            bert.move(b1, a1, "31.23"),
            bert.move(b1, a1, "61.77", pending=True),
        ]
        for person in (anna, bert, carl):
            _learn(admin, person)
        yield World(admin, anna, bert, carl, shared, accounts)
        for person in (anna, bert, carl):
            person.client.close()


def _learn(admin: Bank, person: Person) -> None:
    """What nobody else may see of a person's accounts and own transfers."""
    head = admin.head()
    for account in admin.get("/api/accounts", owner_id=str(person.id), min_position=head)["data"]:
        person.secrets |= {account[name] for name in ("balance", "available", "held")}
        lines = admin.get(f"/api/accounts/{account['id']}/entries", min_position=head)["data"]
        person.secrets |= {line["balance"] for line in lines}
        for line in lines:
            if line["counterparty_account_id"] in person.ids:
                person.secrets |= {line["amount"], line["description"], line["reference"]}
    # Nothing short, which the time of day may happen to have in it.
    person.secrets = {secret for secret in person.secrets if len(secret) > len("99.99")}
