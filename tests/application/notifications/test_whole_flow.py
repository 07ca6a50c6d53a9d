"""From an investment to both who hear of it, by webhook and by mail, though one of them fails at first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from psycopg import AsyncConnection
from standardwebhooks import Webhook

from api.secrets import master_keys
from application.ledger import Ledger, Submission
from application.people.registering import registration
from application.people.vault import Vault
from application.webhooks import endpoints
from application.webhooks.endpoints import Registered
from application.webhooks.secrets import Secrets
from domain.accounts import OpenAccount
from domain.funds import OpenFund
from tests.conftest import Database
from tests.support.bank import sandbox_bank
from tests.support.jobs import Jobs
from tests.support.money import AMOUNT, CURRENCY, WHO, Money, working
from tests.support.people import settings
from tests.support.receiver import receiving
from tests.support.waiting import until


@pytest.fixture
def money(database: Database) -> Iterator[Money]:
    with Ledger(database.url) as ledger:
        yield Money(ledger, database.url)


def register(money: Money, email: str) -> UUID:
    user_id, vault = uuid4(), Vault.open(money.conninfo, master_keys(settings()))
    new = registration(vault, user_id, email=email, full_name="A B", password_hash="-")
    money.ledger.submit_and_wait(Submission([new.command], WHO, beside=new.beside))
    return user_id


def hears(money: Money, owner_id: UUID, url: str) -> Registered:
    """An endpoint of somebody."""
    secrets = Secrets.load(money.conninfo, master_keys(settings()))

    async def made() -> Registered:
        async with await AsyncConnection.connect(money.conninfo, autocommit=True) as conn:
            return await endpoints.register(
                conn, secrets, owner_id, url=url, types=["investment.completed"], description=""
            )

    return asyncio.run(made())


def test_investor_and_fund_hear_once_each_by_every_channel(
    money: Money, database: Database, tmp_path: Path
) -> None:
    investor, manager = register(money, "alice@example.com"), register(money, "bob@example.com")
    fund_account, fund_id = uuid4(), uuid4()
    money.submit(
        OpenAccount(fund_account, "Fund", "fund", CURRENCY),
        OpenFund(fund_id, "Fund", CURRENCY, fund_account, 1_00, 0, seats=1, manager_id=manager),
    )
    with (
        receiving() as of_investor,
        receiving() as of_manager,
        sandbox_bank() as bank,
        working(
            money.conninfo,
            bank.url,
            bank.token,
            DATA_DIR=tmp_path,
            WEBHOOKS_ALLOW_PRIVATE=True,
        ),
        database.connect() as conn,
    ):
        secrets = [
            hears(money, investor, of_investor.url).secret,
            hears(money, manager, of_manager.url).secret,
        ]
        of_manager.will(500)
        investment_id = money.invest(fund_id, money.customer(AMOUNT, investor))
        assert money.until_over([investment_id]) == {investment_id: "completed"}
        jobs = Jobs(conn)

        def has_come_again() -> bool:
            jobs.hurry()
            return len(of_manager.got) == 2

        until(has_come_again)
        until(lambda: len(mails(tmp_path)) == 2)
        until(lambda: jobs.count("waiting") + jobs.count("running") == 0)
    assert len(of_investor.got) == 1
    for secret, got in zip(secrets, (of_investor.got[0], of_manager.got[-1]), strict=True):
        told = Webhook(secret).verify(got.body, got.headers)
        assert told["type"] == "investment.completed"
        assert told["data"] == {
            "id": str(investment_id),
            "fund_id": str(fund_id),
            "amount": "100.00",
            "currency": CURRENCY,
        }
    assert sorted(mails(tmp_path)) == [
        ("alice@example.com", "Your investment is complete"),
        ("bob@example.com", "An investment in your fund is complete"),
    ]


def mails(folder: Path) -> list[tuple[str, str]]:
    """To whom, and about what."""
    found = []
    for path in (folder / "mailbox").glob("*.eml"):
        headers = dict(
            line.split(": ", 1) for line in path.read_text().partition("\n\n")[0].splitlines()
        )
        found.append((headers["To"], headers["Subject"]))
    return found
