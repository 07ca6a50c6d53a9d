"""What a submission writes beside its events: in their transaction, once, and only when they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import Connection, errors

from application.ledger import Accepted, Ledger, Receipt, Submission
from application.ledger.outcomes import Command, Done
from domain.accounts import OpenAccount
from domain.refusals import Refusal
from tests.conftest import Database
from tests.support.ledgers import WHO, accepted, open_account, pay, receipt, submission, submit
from tests.support.log import assert_sound, busy, head, writers_waiting
from tests.support.proxy import Moment, Proxy
from tests.support.waiting import until

Beside = Callable[[Connection[Any]], None]


@pytest.fixture(autouse=True)
def _no_revocations(admin: psycopg.Connection[Any]) -> None:
    admin.execute("TRUNCATE revocations")


def note(id_: UUID) -> Beside:
    """Writes a row, which is there once or the second time fails."""

    def beside(conn: Connection[Any]) -> None:
        conn.execute("INSERT INTO revocations (id, until) VALUES (%s, now())", (id_,))

    return beside


def refuse(conn: Connection[Any]) -> None:
    note(uuid4())(conn)
    raise Refusal("email_already_exists")


def break_down(conn: Connection[Any]) -> None:
    note(uuid4())(conn)
    conn.execute("SELECT 1 / 0")


def noted(conn: psycopg.Connection[Any]) -> list[UUID]:
    return [id_ for (id_,) in conn.execute("SELECT id FROM revocations ORDER BY id").fetchall()]


def with_beside(
    *commands: Command, beside: Beside, linked: bool = False, receipt: Receipt | None = None
) -> Submission:
    return Submission(commands, WHO, linked, receipt, beside)


def opening(id_: UUID | None = None) -> OpenAccount:
    return OpenAccount(id_ or uuid4(), "any", "checking", "EUR")


@pytest.mark.parametrize("linked", [False, True])
def test_it_is_written_in_the_transaction_of_the_events(
    linked: bool, ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    """So whoever sees one of them sees both, whatever was killed in between."""
    ids = [uuid4() for _ in range(3)]
    commands = [opening(id_) for id_ in ids]
    ledger.submit_and_wait(with_beside(*commands, beside=note(ids[0]), linked=linked))
    assert noted(admin) == [ids[0]]
    transactions = admin.execute(
        "SELECT xmin::text FROM events WHERE originator_id = ANY(%s)"
        " UNION SELECT xmin::text FROM revocations UNION SELECT xmin::text FROM ledger_head",
        (ids,),
    ).fetchall()
    assert len(transactions) == 1


def test_the_events_are_there_for_it(ledger: Ledger) -> None:
    id_ = uuid4()
    seen = []

    def beside(conn: Connection[Any]) -> None:
        row = conn.execute("SELECT count(*) FROM events WHERE originator_id = %s", (id_,))
        seen.append(row.fetchone())

    ledger.submit_and_wait(with_beside(opening(id_), beside=beside))
    assert seen == [(1,)]


@pytest.mark.parametrize("linked", [False, True])
def test_it_is_not_written_when_a_command_is_refused(
    linked: bool, ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    commands = [pay(house, shop, 1), pay(shop, house, 1_000)]
    ledger.submit_and_wait(with_beside(*commands, beside=note(uuid4()), linked=linked))
    ledger.submit_and_wait(with_beside(commands[1], beside=note(uuid4())))
    assert noted(admin) == []


@pytest.mark.parametrize("writer", ["ledger", "other_ledger"])
@pytest.mark.parametrize("key", [None, "k"])
def test_it_is_not_written_again_for_a_repeat(
    key: str | None,
    writer: str,
    ledger: Ledger,
    request: pytest.FixtureRequest,
    admin: psycopg.Connection[Any],
) -> None:
    ids = sorted([uuid4(), uuid4()])
    command = opening()
    kept = receipt(key) if key else None
    ledger.submit_and_wait(with_beside(command, beside=note(ids[0]), receipt=kept))
    before = head(admin)
    again: Ledger = request.getfixturevalue(writer)
    done = again.submit_and_wait(with_beside(command, beside=note(ids[1]), receipt=kept))
    assert done.replayed or isinstance(done.outcomes[0], Accepted)
    assert noted(admin) == [ids[0]]
    assert head(admin) == before


def test_the_same_key_twice_in_one_batch_writes_it_once(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    ids, command = sorted([uuid4(), uuid4()]), opening()
    first, second = together(
        ledger,
        admin,
        *(with_beside(command, beside=note(id_), receipt=receipt("k")) for id_ in ids),
    )
    assert first.result(30).answer == second.result(30).answer
    assert noted(admin) == ids[:1]


def together(
    ledger: Ledger, conn: psycopg.Connection[Any], *submissions: Submission
) -> list[Future[Done]]:
    """Submissions that are written in one batch."""
    with busy(conn):
        ledger.submit(submission())
        until(lambda: writers_waiting(conn) == 1)
        return [ledger.submit(each) for each in submissions]


@pytest.mark.parametrize(
    ("fails", "error"), [(refuse, Refusal), (break_down, errors.DivisionByZero)]
)
def test_what_it_raises_is_its_submitters_alone(
    fails: Beside, error: type[Exception], ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop, gone = open_account(ledger, "cash"), open_account(ledger), uuid4()
    ids = sorted([uuid4(), uuid4()])
    before = head(admin)[0]
    first, bad, last = together(
        ledger,
        admin,
        with_beside(pay(house, shop, 5), beside=note(ids[0])),
        with_beside(opening(gone), pay(house, shop, 1), beside=fails, receipt=receipt("k")),
        with_beside(pay(shop, house, 5), beside=note(ids[1])),
    )
    assert isinstance(first.result(30).outcomes[0], Accepted)
    assert isinstance(last.result(30).outcomes[0], Accepted)
    with pytest.raises(error):
        bad.result(30)
    assert noted(admin) == ids
    assert head(admin)[0] == before + 6
    assert gone not in assert_sound(admin)
    assert admin.execute("SELECT FROM idempotency_keys").fetchall() == []


def test_after_a_refusal_the_same_request_may_succeed(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    """Nothing was kept of it: no account, no answer, and no state in the writer's memory."""
    id_, command = uuid4(), opening()
    with pytest.raises(Refusal, match="email_already_exists"):
        ledger.submit_and_wait(with_beside(command, beside=refuse, receipt=receipt("k")))
    done = ledger.submit_and_wait(with_beside(command, beside=note(id_), receipt=receipt("k")))
    assert not done.replayed
    assert noted(admin) == [id_]
    outcome = done.outcomes[0]
    assert isinstance(outcome, Accepted)
    assert (outcome.state.version, outcome.replayed) == (1, False)
    assert_sound(admin)


def test_two_that_want_the_same_row_do_not_both_get_it(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    """As two who register with one address, in one batch."""
    id_ = uuid4()
    futures = together(ledger, admin, *(with_beside(opening(), beside=note(id_)) for _ in range(3)))
    errors_ = [future.exception(30) for future in futures]
    assert [type(error) for error in errors_].count(type(None)) == 1
    assert sum(isinstance(error, errors.UniqueViolation) for error in errors_) == 2
    assert noted(admin) == [id_]
    assert head(admin)[0] == 1


@pytest.fixture
def proxy(database: Database) -> Iterator[Proxy]:
    with Proxy(database.url) as proxy:
        yield proxy


@pytest.mark.parametrize("moment", ["before", "after", "under way", "late"])
def test_a_commit_whose_answer_got_lost_has_written_it_once(
    moment: Moment, proxy: Proxy, admin: psycopg.Connection[Any]
) -> None:
    """The row would clash with itself if it were written twice."""
    id_, other = sorted([uuid4(), uuid4()])
    with Ledger(proxy.conninfo) as far:
        submit(far, opening())
        proxy.cut_at(moment, deliver_when=lambda: until(lambda: writers_waiting(admin) == 1))
        done = far.submit_and_wait(with_beside(opening(), beside=note(id_), receipt=receipt("k")))
        assert isinstance(done.outcomes[0], Accepted)
        assert proxy.cuts == 1
        assert noted(admin) == [id_]
        assert head(admin)[0] == 2
        far.submit_and_wait(with_beside(opening(), beside=note(other)))
    assert noted(admin) == [id_, other]
    assert_sound(admin)


def test_an_ordinary_command_brings_nothing_beside(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    accepted(ledger, opening())
    assert noted(admin) == []
