"""A follower that hangs: its machine is gone or stopped, and its session holds the process."""

from __future__ import annotations

import threading

import psycopg

from application.processes.catalogue import processes
from application.processes.follower import Follower
from tests.support.money import AMOUNT, Money
from tests.support.waiting import until


def test_a_follower_that_stands_still_is_relieved_by_one_that_stands_by(money: Money) -> None:
    process = processes()["investments"]
    with money.connect() as hanging:
        hanging.execute("SELECT pg_advisory_lock(x'5052'::int, hashtext('investments'))")
        investment_id = money.invest(money.fund(), money.customer(AMOUNT))
        stop = threading.Event()
        follower = Follower(money.conninfo, money.ledger, process, hangs_s=0.5)
        thread = threading.Thread(target=follower.run, args=(stop,))
        thread.start()
        try:
            until(lambda: money.state(investment_id).status == "withdrawal_pending")
        finally:
            stop.set()
            thread.join()
        assert is_ended(hanging)


def test_a_follower_that_has_seen_all_there_is_may_be_as_quiet_as_it_likes(money: Money) -> None:
    process = processes()["investments"]
    with money.connect() as quiet, money.connect() as conn:
        quiet.execute("SELECT pg_advisory_lock(x'5052'::int, hashtext('investments'))")
        conn.execute(
            "INSERT INTO process_checkpoints (name, position)"
            " SELECT 'investments', position FROM ledger_head"
        )
        follower = Follower(money.conninfo, money.ledger, process, hangs_s=0.0)
        follower.stand_by(conn, Thrice())
        assert not is_ended(quiet)


class Thrice(threading.Event):
    """Is set once it has been waited for three times."""

    def wait(self, timeout: float | None = None) -> bool:
        self.waits = getattr(self, "waits", 0) + 1
        if self.waits == 3:
            self.set()
        return self.is_set()


def is_ended(conn: psycopg.Connection[object]) -> bool:
    try:
        conn.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False
