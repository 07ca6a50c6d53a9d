"""Flows of money while everything that carries them is killed, flushed and stopped, again and again."""

from __future__ import annotations

import os
import subprocess
import threading
from collections import Counter
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from application.ledger import Ledger
from domain.accounts import OpenAccount
from domain.transfers import PostTransfer
from tests.crash.chaos import Asked, Clients, World, chaotic_world
from tests.projections.running import NAMES, caught_up
from tests.support.log import assert_sound
from tests.support.money import CURRENCY, Money
from tests.support.processes import COMMAND, ROOT, environment
from tests.support.waiting import until

FLOWS = int(os.environ.get("DAYBOOK_CHAOS_FLOWS") or 120)
"""More of them: `DAYBOOK_CHAOS_FLOWS=2000 pytest tests/crash/test_flows_chaos.py`."""

_IS_LONG = FLOWS > 500
KILLS = 40 if _IS_LONG else 6
WITHOUT_REDIS_S = 10.0 if _IS_LONG else 3.0
PAUSES_S = (0.5, 3.0)
"""Between two kills."""

REFUSED_EVERY = 10
"""Of so many investments the fund's bank refuses one, which is refunded."""

IBAN = "DE89370400440532013000"


@pytest.mark.timeout(300 if not _IS_LONG else 3_600)
def test_all_flows_end_whatever_is_killed_meanwhile(random: Random) -> None:
    with chaotic_world(random) as world, Ledger(world.database.url) as ledger:
        money = Money(ledger, world.database.url)
        with world.running():
            owner_id = world.register()
            flows, refused = _flows(money, owner_id, random)
            _set_faults(world, refused)
            with Clients(world.base_url, owner_id, flows) as clients:
                _cause_chaos(world, random, clients)
            world.check_alive()
            assert clients.taken == {flow.id for flow in flows}
            ends = money.until_over(clients.taken, timeout_s=FLOWS * 0.5 + 120)
            until(lambda: _jobs_left(money) == 0, timeout_s=120)
            assert {id_ for id_, end in ends.items() if end == "failed"} == refused.keys()
            assert set(ends.values()) == {"completed", "failed"}
            _check_nothing_lost_or_doubled(world, money)
            _check_read_models(world, money)
        assert world.kills == KILLS


def _set_faults(world: World, refused: dict[UUID, int]) -> None:
    world.bank.set_faults(
        *(
            {"fault": "reject:account_closed", "match": {"kind": "deposit", "amount": amount}}
            for amount in refused.values()
        ),
        {"fault": "drop_after_accepting", "times": 2},
        {"fault": "duplicate_webhook", "match": {"kind": "collection"}},
        {"fault": "out_of_order_webhooks", "match": {"kind": "payout"}},
        {"fault": "lost_webhook", "times": FLOWS // 20},
    )


def _flows(money: Money, owner_id: UUID, random: Random) -> tuple[list[Asked], dict[UUID, int]]:
    """What clients will ask for, in any order; and the investments whose deposit will be refused, with
    their amounts."""
    fund_id, payer = money.fund(seats=FLOWS), uuid4()
    accounts = [uuid4() for _ in range(FLOWS)]
    money.submit(
        OpenAccount(payer, "Payer", "cash", CURRENCY),
        *(OpenAccount(id_, "Customer", "investment", CURRENCY, owner_id) for id_ in accounts),
    )
    money.submit(*(PostTransfer(uuid4(), payer, id_, 10_000_00, CURRENCY) for id_ in accounts))
    flows, refused = [], {}
    for number, account in enumerate(accounts):
        flow_id, amount = uuid4(), 100_00 + number
        sum_ = {"amount": f"{amount // 100}.{amount % 100:02}", "currency": CURRENCY}
        if number % 2:
            path = ("/api/deposits", "/api/withdrawals")[number // 2 % 2]
            body = {"account_id": str(account), "bank_account": {"iban": IBAN}}
        else:
            path = "/api/investments"
            body = {"investor_account_id": str(account), "fund_id": str(fund_id)}
            if number % (2 * REFUSED_EVERY) == 0:
                refused[flow_id] = amount
        flows.append(Asked(flow_id, path, {**body, **sum_}))
    random.shuffle(flows)
    return flows, refused


def _cause_chaos(world: World, random: Random, clients: Clients) -> None:
    pause = threading.Event()
    redis_goes, redis_is_emptied, postgres_goes = random.sample(range(KILLS), 3)
    for number in range(KILLS):
        pause.wait(random.uniform(*PAUSES_S))
        assert not clients.have_failed()
        world.kill_one()
        if number == redis_goes:
            with world.without_redis():
                pause.wait(WITHOUT_REDIS_S)
        if number == redis_is_emptied:
            world.flush_redis()
        if number == postgres_goes:
            world.kill_postgres()


def _jobs_left(money: Money) -> int:
    with money.connect() as conn:
        (row,) = conn.execute("SELECT count(*) FROM jobs WHERE finished_at IS NULL").fetchall()
    return int(row[0])


def _check_nothing_lost_or_doubled(world: World, money: Money) -> None:
    money.check_books()
    assert money.house("suspense") == 0
    accepted = world.bank.accepted()
    assert set(accepted.values()) == {1}, "no call is accepted twice"
    with money.connect() as conn:
        assert_sound(conn)
        instructed = _column(
            conn, "SELECT originator_id FROM events WHERE topic = 'movement.instructed'"
        )
        jobs = _column(
            conn, "SELECT payload->>'movement_id' FROM jobs WHERE kind = 'bank.instruct'"
        )
        assert Counter(map(str, instructed)) == Counter(jobs), "a job for each, and one"
        assert set(_column(conn, "SELECT status FROM jobs")) == {"done"}
        assert set(_column(conn, "SELECT status FROM processes")) <= {"completed", "compensated"}
        assert _column(conn, "SELECT key FROM process_inbox") == []
        assert _column(conn, "SELECT key FROM process_deadlines") == []
    settled = {id_ for id_ in accepted if world.bank.movement(id_)["status"] == "COMPLETED"}
    states = money.states(instructed)
    assert settled == {id_ for id_, state in states.items() if state.status == "completed"}


def _check_read_models(world: World, money: Money) -> None:
    with money.connect() as conn:
        caught_up(conn)
    verified = subprocess.run(
        [*COMMAND, "projections", "verify", *NAMES],
        env=environment(world.settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr


def _column(conn: Any, query: str) -> list[Any]:
    return [value for (value,) in conn.execute(query).fetchall()]
