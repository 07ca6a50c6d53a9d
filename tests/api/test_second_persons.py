"""What moves money waits for a second person above the limit: each kind over HTTP, from asking to doing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest

from application.ledger import Ledger
from domain.transfers import PostTransfer
from tests.api.conftest import Bank, Json, problem_of, some_id
from tests.conftest import Database
from tests.support.credit import Desk, submit
from tests.support.flows import IBAN, investing, make_fund, transferring
from tests.support.ledgers import accepted
from tests.support.people import ADMIN
from tests.support.serving import client_of, serving
from tests.support.staff import as_user, make

HINT = "DE" + "*" * 16 + "3000"
ABOVE = "1000.01"
"""More than one person may move alone."""


class World(NamedTuple):
    """Somebody with money and a loan, staff of whom nobody has registered another, and where to lend."""

    anna: httpx2.Client
    anna_id: str
    account: str
    loan: str
    fund: str
    cash: str
    admin: httpx2.Client
    checker: httpx2.Client
    olga: httpx2.Client
    otto: httpx2.Client
    desk: Desk

    def in_review(self) -> str:
        """An application for 60,000.00 that an officer is to look at."""
        id_: str = submit(self.anna, "ES")["id"]
        assert self.desk.no_report(id_).status == "manual_review"
        return id_

    def at(self, path: str, who: httpx2.Client | None = None) -> httpx2.Response:
        """What is at a path now."""
        head = Bank(self.admin).head()
        return (who or self.checker).get(path, params={"min_position": head})


@pytest.fixture(scope="module")
def base_url(api_database: Database) -> Iterator[str]:
    with serving(api_database.url, FOUR_EYES_ABOVE="EUR:1000.00") as url:
        yield url


@pytest.fixture(scope="module")
def world(base_url: str, client: httpx2.Client, api_database: Database) -> Iterator[World]:
    user, bank = make(client), Bank(client)
    account, cash = bank.open(owner_id=user["id"]), bank.open("cash")
    with (
        as_user(base_url, user) as anna,
        client_of(base_url, "admin", uuid4()) as checker,
        client_of(base_url, "officer", uuid4()) as olga,
        client_of(base_url, "officer", uuid4()) as otto,
        Ledger(api_database.url) as ledger,
    ):
        desk = Desk(ledger, api_database.url)
        money = PostTransfer(uuid4(), UUID(cash), UUID(account), 50_000_00, "EUR")
        accepted(ledger, money)
        body = {"source_account_id": cash, "amount": "9000.00", "currency": "EUR"}
        lending = client.post("/api/loans/funding", json=body)
        assert checker.post(f"{lending.headers['location']}/approve").status_code == 200
        lent = submit(anna, "ES", amount_requested="9000.00", months=12, account_id=account)["id"]
        desk.report(lent)
        assert anna.post(f"/api/applications/{lent}/accept").status_code == 200
        loan = desk.go_on(lent).loan_id
        yield World(
            anna, user["id"], account, str(loan), make_fund(client, seats=99), cash, client,
            checker, olga, otto, desk,
        )  # fmt: skip


class Asking(NamedTuple):
    """A request above the limit: whose, where, and what the approval shows of it; `done` is where that is
    which it leads to, from the id that the approval shows."""

    who: httpx2.Client
    path: str
    body: Json
    kind: str
    shown: Json
    done: Callable[[str], str]


def withdrawal(w: World) -> Asking:
    body = transferring(w.account, ABOVE, reference="rent")
    shown = {
        "kind": "withdrawal", "account_id": w.account, "bank_account": HINT, "reference": "rent",
    }  # fmt: skip
    path = "/api/withdrawals"
    return Asking(w.anna, path, body, "bank_transfer", shown, f"{path}/{{}}".format)


def investment(w: World) -> Asking:
    body = investing(w.account, w.fund, ABOVE)
    shown = {"investor_account_id": w.account, "fund_id": w.fund}
    return Asking(
        w.anna, "/api/investments", body, "investment", shown, "/api/investments/{}".format
    )


def repayment(w: World) -> Asking:
    path = f"/api/loans/{w.loan}/repayments"
    body = {"account_id": w.account, "amount": ABOVE}
    shown = {"loan_id": w.loan, "account_id": w.account}
    return Asking(w.anna, path, body, "repayment", shown, f"{path}/{{}}".format)


def funding(w: World) -> Asking:
    body = {"source_account_id": w.cash, "amount": ABOVE, "currency": "EUR"}
    shown = {"source_account_id": w.cash}
    path = "/api/loans/funding"
    return Asking(w.admin, path, body, "funding", shown, "/api/transfers/{}".format)


def review(w: World) -> Asking:
    id_ = w.in_review()
    path, body = f"/api/applications/{id_}/approve", {"amount": ABOVE, "reason": "payslips"}
    shown = {"application_id": id_, "reason": "payslips"}
    return Asking(w.olga, path, body, "review", shown, lambda _: f"/api/applications/{id_}")


KINDS = (withdrawal, investment, repayment, funding, review)


def ask(asking: Asking, **more: object) -> tuple[Json, httpx2.Response]:
    body = asking.body | ({} if asking.kind == "review" else {"id": some_id()}) | more
    answer = asking.who.post(asking.path, json=body)
    assert answer.status_code == 202, answer.text
    asked = answer.json()
    assert answer.headers["location"] == f"/api/approvals/{asked['id']}"
    again = asking.who.post(asking.path, json=body)
    assert (again.status_code, again.content) == (202, answer.content)
    assert again.headers["location"] == answer.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    return asked, answer


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_asked_for_shown_and_done_when_another_agrees(
    kind: Callable[[World], Asking], world: World
) -> None:
    asking = kind(world)
    asked, answer = ask(asking)
    path = answer.headers["location"]
    assert (asked["status"], asked["kind"], asked["checker_id"]) == ("pending", asking.kind, None)
    what = asked[asking.kind]
    assert asking.shown.items() <= what.items()
    assert (what["amount"], what["currency"]) == (ABOVE, "EUR")
    others = {"transfer", "role_change", "investment", "bank_transfer", "repayment", "funding"}
    assert not any(asked[name] for name in {*others, "review"} - {asking.kind})
    read = world.at(path)
    assert {**read.json(), **asked} == {**asked, **read.json()}
    assert IBAN not in (told := answer.text + read.text)
    assert "sealed:" not in told
    done = asking.done(what.get("id", ""))
    if asking.kind == "review":
        assert world.at(done).json()["status"] == "manual_review"
    else:
        assert world.at(done).status_code == 404
    own = asking.who.post(f"{path}/approve")
    reason = "insufficient_permissions" if asking.who is world.anna else "cannot_approve_own"
    problem_of(own, 403, reason)
    agreed = (world.otto if asking.kind == "review" else world.checker).post(f"{path}/approve")
    assert (agreed.status_code, agreed.json()["status"]) == (200, "approved"), agreed.text
    found = world.at(done).json()
    if asking.kind == "review":
        assert (found["status"], found["max_approved_amount"]) == ("approved", ABOVE)
    else:
        assert (found["id"], found["amount"]) == (what["id"], ABOVE)
    body = asking.body | ({} if asking.kind == "review" else {"id": what["id"]})
    again = asking.who.post(asking.path, json=body)
    assert (again.status_code, again.content) == (202, answer.content), "also once it is done"


def test_it_is_rejected_or_withdrawn_and_nothing_is_done(world: World) -> None:
    for kind in KINDS:
        asking = kind(world)
        ids = set()
        for verb, status in (("reject", "rejected"), ("withdraw", "withdrawn")):
            asked, answer = ask(asking)
            ids.add(asked["id"])
            path = answer.headers["location"]
            who = world.checker if verb == "reject" else asking.who
            over = who.post(f"{path}/{verb}", json={"reason": "too much"})
            assert (over.status_code, over.json()["status"]) == (200, status), over.text
            problem_of(world.checker.post(f"{path}/approve"), 409, "approval_not_pending")
        assert len(ids) == 2, "what is over is asked for anew"


def test_the_limit_itself_needs_nobody_and_what_cannot_be_done_is_refused_at_once(
    world: World,
) -> None:
    refusals = {
        "withdrawal": ({"amount": "999999.00"}, 422, "insufficient_funds"),
        "investment": ({"amount": "5000.01"}, 422, "above_maximum_investment"),
        "repayment": ({"amount": "99999.00"}, 422, "exceeds_outstanding"),
        "funding": ({"source_account_id": some_id()}, 404, "account_not_found"),
        "review": ({"amount": "60000.01"}, 422, "amount_exceeds_request"),
    }
    for kind in KINDS:
        asking = kind(world)
        more, status, reason = refusals[kind.__name__]
        problem_of(asking.who.post(asking.path, json=asking.body | more), status, reason)
        answer = asking.who.post(asking.path, json=asking.body | {"amount": "1000.00"})
        assert answer.is_success, answer.text
        assert "maker_id" not in answer.json()


def test_what_comes_in_needs_nobody(world: World) -> None:
    answer = world.anna.post("/api/deposits", json=transferring(world.account, ABOVE))
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"].startswith("/api/deposits/")


def test_what_is_impossible_by_then_is_refused_and_goes_on_waiting(world: World) -> None:
    """And is done once it is possible again."""
    asked, answer = ask(withdrawal(world))
    path = answer.headers["location"]
    assert world.checker.post(f"/api/accounts/{world.account}/freeze").is_success
    problem_of(world.checker.post(f"{path}/approve"), 422, "account_frozen")
    assert world.at(path).json()["status"] == "pending"
    assert world.checker.post(f"/api/accounts/{world.account}/unfreeze").is_success
    assert world.checker.post(f"{path}/approve").is_success
    assert world.at(f"/api/withdrawals/{asked['bank_transfer']['id']}").status_code == 200


def test_officers_agree_to_what_is_of_their_trade_and_see_no_more(world: World) -> None:
    asked = {kind.__name__: ask(kind(world))[1].headers["location"] for kind in KINDS}
    for kind, path in asked.items():
        seen = kind in ("repayment", "funding", "review")
        assert world.at(path, world.otto).status_code == (200 if seen else 404)
        if kind == "review":
            continue
        for verb in ("approve", "reject"):
            refused = world.otto.post(f"{path}/{verb}")
            if seen:
                problem_of(refused, 403, "insufficient_permissions")
            else:
                problem_of(refused, 404, "approval_not_found")
    rows = world.at("/api/approvals", world.otto).json()["data"]
    assert {row["kind"] for row in rows} == {"repayment", "funding", "review"}
    assert world.otto.post(f"{asked['review']}/approve").status_code == 200
    mine = world.at("/api/approvals", world.anna).json()["data"]
    assert {row["maker_id"] for row in mine} == {world.anna_id}
    for path in asked.values():
        assert world.checker.post(f"{path}/reject").status_code in (200, 409)


def test_customers_see_and_withdraw_their_own_alone(
    world: World, base_url: str, client: httpx2.Client
) -> None:
    with as_user(base_url, make(client)) as bert:
        for kind in (withdrawal, investment, repayment):
            path = ask(kind(world))[1].headers["location"]
            problem_of(world.at(path, bert), 404, "approval_not_found")
            problem_of(bert.post(f"{path}/withdraw"), 404, "approval_not_found")
            assert bert.get("/api/approvals").json()["data"] == []
            stolen = kind(world)._replace(who=bert)
            theirs = bert.post(stolen.path, json=stolen.body)
            assert theirs.status_code == 404, theirs.text
            assert world.anna.post(f"{path}/withdraw").status_code == 200


def test_of_who_is_erased_nothing_is_done_and_nothing_shown(
    world: World, client: httpx2.Client, bank: Bank, api_database: Database
) -> None:
    user = make(client)
    account = bank.open(owner_id=user["id"])
    for _ in range(2):
        assert bank.move(bank.open("cash"), account, "1000.00").status_code == 201
    answer = client.post("/api/withdrawals", json=transferring(account, ABOVE))
    path = answer.headers["location"]
    assert world.at(path).json()["bank_transfer"]["bank_account"] == HINT
    assert client.post(f"/api/users/{user['id']}/erase").is_success
    problem_of(world.checker.post(f"{path}/approve"), 409, "person_erased")
    assert world.at(path).json()["bank_transfer"]["bank_account"] == "[erased]"
    rejected = world.checker.post(f"{path}/reject")
    assert rejected.json()["bank_transfer"]["bank_account"] == "[erased]"
    stream = path.rpartition("/")[2]
    for told in (f"/api/streams/{stream}/events", f"/api/streams/{stream}/state"):
        text = world.at(told).text
        assert HINT not in text
        assert "[erased]" in text
    with psycopg.connect(api_database.url) as conn:
        rows = conn.execute("SELECT asked::text FROM approvals.approval").fetchall()
    assert "sealed:" not in str(rows)


def test_what_was_answered_before_is_answered_without_the_account_of_who_is_erased(
    base_url: str, client: httpx2.Client, bank: Bank
) -> None:
    user, boss = make(client), make(client, "admin")
    account, cash = bank.open(owner_id=user["id"]), bank.open("cash")
    for _ in range(2):
        assert bank.move(cash, account, "1000.00").status_code == 201
    requests = []
    for path, amount in (("withdrawals", ABOVE), ("withdrawals", "5.00"), ("deposits", "5.00")):
        body = transferring(account, amount, id=some_id())
        requests.append((f"/api/{path}", body, {"Idempotency-Key": some_id()}))
    cancel = f"/api/deposits/{requests[-1][1]['id']}/cancel"
    requests.append((cancel, {}, {"Idempotency-Key": some_id()}))
    with as_user(base_url, boss) as staff:
        for path, body, key in requests:
            answer = staff.post(path, json=body, headers=key)
            assert answer.is_success, answer.text
            assert HINT in answer.text
        assert client.post(f"/api/users/{user['id']}/erase").is_success
        for path, body, key in requests:
            is_known_by_id = body.get("amount") == "5.00"
            for headers in (key, {}) if is_known_by_id else (key,):
                again = staff.post(path, json=body, headers=headers)
                assert again.is_success, again.text
                assert again.headers["idempotent-replayed"] == "true"
                assert HINT not in again.text
                assert '"bank_account":"[erased]"' in again.text


def test_what_customers_said_when_they_asked_no_longer_is_forgotten_with_them(
    world: World, client: httpx2.Client, bank: Bank, base_url: str
) -> None:
    user, words = make(client), "my number is 0171 5550123"
    account, cash = bank.open(owner_id=user["id"]), bank.open("cash")
    for _ in range(2):
        assert bank.move(cash, account, "1000.00").status_code == 201
    with as_user(base_url, user) as bert:
        for path, body in (
            ("/api/withdrawals", transferring(account, ABOVE)),
            ("/api/investments", investing(account, world.fund, ABOVE)),
        ):
            asked = bert.post(path, json=body).headers["location"]
            assert bert.post(f"{asked}/withdraw", json={"reason": words}).is_success
    stream = asked.rpartition("/")[2]
    for is_said in (True, False):
        for told in (
            asked, "/api/approvals", f"/api/streams/{stream}/events", f"/api/streams/{stream}/state",
        ):  # fmt: skip
            assert (words in world.at(told).text) == is_said, told
        audited = bank.get("/api/audit", stream_id=stream, min_position=bank.head())
        assert audited["data"][0]["summary"] == "withdrawn"
        if is_said:
            assert client.post(f"/api/users/{user['id']}/erase").is_success


def test_what_an_officer_approved_before_a_report_came_is_asked_for_anew(world: World) -> None:
    asking = review(world)
    _, before = ask(asking)
    application_id = asking.path.split("/")[3]
    assert world.desk.report(application_id, 560, 9_000_000).status == "manual_review"
    agreed = world.otto.post(f"{before.headers['location']}/approve")
    problem_of(agreed, 409, "application_changed")
    assert world.at(f"/api/applications/{application_id}").json()["status"] == "manual_review"
    _, anew = ask(asking)
    assert world.otto.post(f"{anew.headers['location']}/approve").status_code == 200
    asked = {"application_id": application_id, "min_position": str(Bank(world.admin).head())}
    rows = world.otto.get("/api/approvals", params=asked).json()["data"]
    shown = [(f"/api/approvals/{row['id']}", row["status"]) for row in rows]
    assert shown == [
        (anew.headers["location"], "approved"),
        (before.headers["location"], "pending"),
    ]
    assert world.anna.get("/api/approvals", params=asked).json()["data"] == []


def test_who_applied_for_somebody_does_not_agree_to_it(world: World, base_url: str) -> None:
    clerk_id = uuid4()
    with client_of(base_url, "officer", clerk_id) as clerk:
        brought = submit(clerk, "ES", applicant_user_id=world.anna_id)["id"]
        world.desk.no_report(brought)
        claimed = world.olga.post(f"/api/applications/{brought}/claim")
        assert claimed.status_code == 200
        asked = world.olga.post(f"/api/applications/{brought}/approve")
        assert (asked.status_code, asked.json()["review"]["amount"]) == (202, "60000.00")
        path = asked.headers["location"]
        problem_of(clerk.post(f"{path}/approve"), 403, "own_application")
    assert world.otto.post(f"{path}/approve").status_code == 200, "her claim is not in the way"
    officer = world.at(f"/api/applications/{brought}").json()["officer_id"]
    assert officer == asked.json()["maker_id"] != str(ADMIN)
