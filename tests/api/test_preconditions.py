"""Preconditions over HTTP: which version an answer shows, and changes to that version only."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import httpx2
import pytest

from tests.api.conftest import Bank, problem_of, some_id
from tests.conftest import Database
from tests.support.serving import client_of

ACCOUNT_VERBS = {
    "freeze": None,
    "unfreeze": "freeze",
    "suspend": None,
    "deactivate": None,
    "activate": "suspend",
    "close": None,
}
"""Each verb, and what must have been done before."""


def pending(bank: Bank) -> str:
    answer = bank.move(bank.funded("50.00"), bank.open(), "40.00", pending=True)
    return str(answer.json()["id"])


def posted(bank: Bank) -> str:
    return str(bank.move(bank.funded("50.00"), bank.open(), "40.00").json()["id"])


def account_for(bank: Bank, verb: str) -> str:
    account = bank.open()
    if before := ACCOUNT_VERBS[verb]:
        assert bank.client.post(f"/api/accounts/{account}/{before}").status_code == 200
    return account


def _verb_route(verb: str) -> Callable[[Bank], tuple[str, str]]:
    return lambda bank: (f"/api/accounts/{account_for(bank, verb)}", verb)


ROUTES: dict[str, Callable[[Bank], tuple[str, str]]] = {
    **{verb: _verb_route(verb) for verb in ACCOUNT_VERBS},
    "post": lambda bank: (f"/api/transfers/{pending(bank)}", "post"),
    "void": lambda bank: (f"/api/transfers/{pending(bank)}", "void"),
    "reverse": lambda bank: (f"/api/transfers/{posted(bank)}", "reverse"),
}
"""Makes what a route changes: its path, and the verb."""


def now(bank: Bank, path: str, **headers: str) -> httpx2.Response:
    """What is at the path by now."""
    bank.get(path, min_position=bank.head())
    return bank.client.get(path, headers=headers)


def version_in_log(bank: Bank, path: str) -> int:
    stream = path.rsplit("/", 1)[1]
    return int(bank.get(f"/api/streams/{stream}/state")["version"])


def change(bank: Bank, path: str, verb: str, if_match: str, **headers: str) -> httpx2.Response:
    return bank.client.post(f"{path}/{verb}", headers={"If-Match": if_match, **headers})


@pytest.fixture(params=list(ROUTES))
def route(request: pytest.FixtureRequest, bank: Bank) -> tuple[str, str]:
    return ROUTES[request.param](bank)


# What answers show.
def test_what_is_made_and_read_has_its_version_as_etag(bank: Bank) -> None:
    body = {"name": "A", "type": "cash", "currency": "EUR"}
    opened = bank.client.post("/api/accounts", json=body)
    assert opened.headers["etag"] == '"1"'
    cash, alice = opened.json()["id"], bank.open()
    moved = bank.move(cash, alice, "10.00")
    assert (moved.headers["etag"], moved.json()["version"]) == ('"1"', 1)
    assert now(bank, f"/api/accounts/{alice}").headers["etag"] == '"2"'
    read = now(bank, f"/api/transfers/{moved.json()['id']}")
    assert (read.headers["etag"], read.json()["version"]) == ('"1"', 1)
    assert bank.client.head(f"/api/accounts/{alice}").headers["etag"] == '"2"'


def test_a_change_answers_with_the_version_that_it_led_to(
    bank: Bank, route: tuple[str, str]
) -> None:
    path, verb = route
    before = version_in_log(bank, path)
    changed = bank.client.post(f"{path}/{verb}")
    assert changed.status_code == 200, changed.text
    read = now(bank, path)
    assert read.headers["etag"] == f'"{before + 1}"' == f'"{version_in_log(bank, path)}"'
    # A reversal answers with the new transfer.
    assert changed.headers["etag"] == ('"1"' if verb == "reverse" else read.headers["etag"])


def test_a_transfers_etag_is_its_streams_version_through_its_life(bank: Bank) -> None:
    path = f"/api/transfers/{pending(bank)}"
    seen = [now(bank, path)]
    for verb, amount in (("post", "30.00"), ("reverse", "10.00"), ("reverse", "5.00")):
        bank.client.post(f"{path}/{verb}", json={"amount": amount})
        seen.append(now(bank, path))
        assert seen[-1].headers["etag"] == f'"{version_in_log(bank, path)}"'
    assert [answer.headers["etag"] for answer in seen] == ['"1"', '"2"', '"3"', '"4"']
    assert all(one.content != other.content for one, other in pairwise(seen))


def test_what_was_has_no_etag(bank: Bank) -> None:
    transfer = bank.move(bank.open("cash"), bank.open(), "1.00").json()
    path = f"/api/transfers/{transfer['id']}"
    now(bank, path)
    star = {"If-None-Match": "*"}
    for then in ({"position": transfer["position"]}, {"at": transfer["recorded_at"]}):
        answer = bank.client.get(path, params=then, headers=star)
        assert (answer.status_code, answer.json()["version"]) == (200, 1)
        assert "etag" not in answer.headers


def test_a_read_model_that_is_behind_shows_the_version_that_it_has(
    bank: Bank, api_database: Database
) -> None:
    path = f"/api/transfers/{posted(bank)}"
    bank.client.post(f"{path}/reverse")
    assert now(bank, path).headers["etag"] == '"2"'
    with api_database.connect() as conn:
        conn.execute(
            "UPDATE transfers.transfer SET position = first_position, reversed = 0 WHERE id = %s",
            (path.rsplit("/", 1)[1],),
        )
    assert now(bank, path).headers["etag"] == '"1"'


def test_a_transfer_whose_entries_are_still_to_come_has_no_etag(
    bank: Bank, api_database: Database
) -> None:
    """Else a caller would keep it without them."""
    path = f"/api/transfers/{posted(bank)}"
    etag = now(bank, path).headers["etag"]
    with api_database.connect() as conn:
        conn.execute(
            "UPDATE transfers.transfer SET credit_position = NULL WHERE id = %s",
            (path.rsplit("/", 1)[1],),
        )
    answer = bank.client.get(path, headers={"If-None-Match": etag})
    assert (answer.status_code, len(answer.json()["entries"])) == (200, 1)
    assert "etag" not in answer.headers


def test_lists_batches_and_problems_have_no_etag(bank: Bank) -> None:
    item = {
        "source_account_id": bank.open("cash"),
        "destination_account_id": bank.open(),
        "amount": "1.00",
        "currency": "EUR",
    }
    batch = bank.client.post("/api/transfers/batch", json={"transfers": [item]})
    assert batch.json()["results"][0]["status"] == "posted"
    missing = bank.client.get(f"/api/accounts/{some_id()}")
    for answer in (batch, missing, bank.client.get("/api/accounts")):
        assert "etag" not in answer.headers


# Reads of what the caller has already.
@pytest.mark.parametrize("if_none_match", ['"2"', 'W/"2"', '"1", "2"', ',"x,y" ,W/"2",', "*"])
def test_a_caller_that_has_the_version_gets_no_body(bank: Bank, if_none_match: str) -> None:
    account, transfer = bank.funded(), posted(bank)
    bank.client.post(f"/api/transfers/{transfer}/reverse")
    for path in (f"/api/accounts/{account}", f"/api/transfers/{transfer}"):
        answer = now(bank, path, **{"If-None-Match": if_none_match})
        assert (answer.status_code, answer.content) == (304, b""), path
        assert answer.headers["etag"] == '"2"'
        assert "content-type" not in answer.headers


@pytest.mark.parametrize("if_none_match", ['"1"', '"22"', '"02"', "2", '"2" "2"', '"1", *', ""])
def test_a_caller_that_has_another_version_gets_all_of_it(bank: Bank, if_none_match: str) -> None:
    path = f"/api/accounts/{bank.funded()}"
    answer = now(bank, path, **{"If-None-Match": if_none_match})
    assert (answer.status_code, answer.json()["version"]) == (200, 2)
    assert answer.headers["etag"] == '"2"'


def test_what_is_not_there_is_not_found_whatever_the_caller_has(bank: Bank) -> None:
    star = {"If-None-Match": "*", "If-Match": '"1"'}
    for kind in ("account", "transfer"):
        path = f"/api/{kind}s/{some_id()}"
        problem_of(bank.client.get(path, headers=star), 404, f"{kind}_not_found")
    problem_of(
        bank.client.post(f"/api/accounts/{some_id()}/close", headers=star), 404, "account_not_found"
    )
    problem_of(
        bank.client.post(f"/api/transfers/{some_id()}/void", headers=star),
        404,
        "transfer_not_found",
    )


# Changes to a version.
def test_a_change_to_the_version_that_there_is_is_made(bank: Bank, route: tuple[str, str]) -> None:
    path, verb = route
    etag = now(bank, path).headers["etag"]
    assert change(bank, path, verb, etag).status_code == 200


def test_a_change_to_any_version_of_a_list_or_to_whatever_there_is_is_made(bank: Bank) -> None:
    path = f"/api/accounts/{bank.open()}"
    assert change(bank, path, "freeze", '"7", "1"').status_code == 200
    assert change(bank, path, "unfreeze", ', W/"2","a,b" , "2",').status_code == 200
    assert change(bank, path, "freeze", "*").status_code == 200
    lines = [("If-Match", '"1"'), ("If-Match", '"4"')]
    assert bank.client.post(f"{path}/unfreeze", headers=lines).status_code == 200


def test_a_change_to_another_version_is_refused_and_nothing_is_written(
    bank: Bank, route: tuple[str, str]
) -> None:
    path, verb = route
    version, head = version_in_log(bank, path), bank.head()
    others = [f'"{version + 1}"', f'W/"{version}"', f'"0{version}"', '""', '"x", "0"', '"é"']
    others.append(f'"{"9" * 5000}"')
    for if_match in others:
        header = {b"If-Match": if_match.encode("latin-1")}
        answer = bank.client.post(f"{path}/{verb}", headers=header)
        details = problem_of(answer, 412, "precondition_failed")["details"]
        assert (details["id"], details["version"]) == (path.rsplit("/", 1)[1], version)
        assert "etag" not in answer.headers
    assert bank.head() == head


def test_the_version_comes_before_what_the_status_would_refuse(bank: Bank) -> None:
    """Who saw another version is told so: the rest follows from that."""
    account, transfer = f"/api/accounts/{bank.open()}", f"/api/transfers/{pending(bank)}"
    bank.client.post(f"{account}/freeze")
    bank.client.post(f"{transfer}/void")
    for path, verb in ((account, "freeze"), (transfer, "post"), (transfer, "reverse")):
        problem_of(change(bank, path, verb, '"1"'), 412, "precondition_failed")
    problem_of(change(bank, account, "freeze", '"2"'), 422, "invalid_transition")
    problem_of(change(bank, transfer, "post", '"2"'), 409, "transfer_not_pending")


def test_a_malformed_condition_is_refused(bank: Bank, route: tuple[str, str]) -> None:
    path, verb = route
    head = bank.head()
    for if_match in ("1", "", '"1', '"1" "2"', '"1", *', "W/1", 'w/"1"', '"a b"', ","):
        problem = problem_of(change(bank, path, verb, if_match), 400, "invalid_if_match")
        assert "in quotes" in problem["detail"], if_match
    assert bank.head() == head


@pytest.mark.parametrize("path", ["/api/accounts", "/api/transfers", "/api/transfers/batch"])
@pytest.mark.parametrize("if_match", ['"1"', "*", "nonsense"])
def test_what_is_new_has_nothing_to_match(bank: Bank, path: str, if_match: str) -> None:
    item = {
        "source_account_id": bank.open("cash"),
        "destination_account_id": bank.open(),
        "amount": "1.00",
        "currency": "EUR",
    }
    body: dict[str, object] = {
        "/api/accounts": {"name": "A", "type": "cash", "currency": "EUR"},
        "/api/transfers": item,
        "/api/transfers/batch": {"transfers": [item]},
    }
    head = bank.head()
    answer = bank.client.post(path, json=body[path], headers={"If-Match": if_match})
    problem = problem_of(answer, 400, "invalid_if_match")
    assert problem["detail"].startswith("There is nothing to match yet")
    assert bank.head() == head


def test_of_many_changes_to_one_version_exactly_one_is_made(bank: Bank, base_url: str) -> None:
    path = f"/api/accounts/{bank.open()}"
    for _ in range(5):
        etag = now(bank, path).headers["etag"]

        def send(number: int, etag: str = etag) -> httpx2.Response:
            # Freezing and unfreezing in turn: without the condition several of them would succeed.
            with client_of(base_url) as client:
                verb = "unfreeze" if number % 2 else "freeze"
                return client.post(f"{path}/{verb}", headers={"If-Match": etag})

        version = version_in_log(bank, path)
        with ThreadPoolExecutor(20) as threads:
            answers = list(threads.map(send, range(20)))
        assert sorted({answer.status_code for answer in answers}) in ([200, 412], [200, 412, 422])
        assert [answer.status_code for answer in answers].count(200) == 1
        assert version_in_log(bank, path) == version + 1


# Together with an Idempotency-Key.
def test_a_repeat_answers_as_the_first_time_whatever_the_version_is_by_now(bank: Bank) -> None:
    path, key = f"/api/accounts/{bank.open()}", {"Idempotency-Key": some_id()}
    first = change(bank, path, "freeze", '"1"', **key)
    bank.client.post(f"{path}/unfreeze")
    again = change(bank, path, "freeze", '"1"', **key)
    assert (again.status_code, again.content) == (200, first.content)
    assert first.headers["etag"] == again.headers["etag"] == '"2"'
    assert again.headers["idempotent-replayed"] == "true"
    assert version_in_log(bank, path) == 3


def test_a_repeated_transfer_has_the_etag_of_the_first_time(bank: Bank) -> None:
    alice, bob, key = bank.funded(), bank.open(), {"Idempotency-Key": some_id()}
    first = bank.move(alice, bob, "10.00", pending=True, headers=key)
    bank.client.post(f"/api/transfers/{first.json()['id']}/post")
    again = bank.move(alice, bob, "10.00", pending=True, headers=key)
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.content, again.headers["etag"]) == (first.content, '"1"')
    assert again.headers["location"] == first.headers["location"]


def test_a_refused_condition_is_kept_too(bank: Bank) -> None:
    path, key = f"/api/accounts/{bank.open()}", {"Idempotency-Key": some_id()}
    first = change(bank, path, "unfreeze", '"2"', **key)
    problem_of(first, 412, "precondition_failed")
    bank.client.post(f"{path}/freeze")
    again = change(bank, path, "unfreeze", '"2"', **key)
    assert (again.status_code, again.content) == (412, first.content)
    assert "etag" not in again.headers


@pytest.mark.parametrize("other", ['"2"', "*", None])
def test_a_key_with_another_condition_is_another_request(bank: Bank, other: str | None) -> None:
    path, key = f"/api/accounts/{bank.open()}", {"Idempotency-Key": some_id()}
    assert change(bank, path, "freeze", '"1"', **key).status_code == 200
    headers = key if other is None else key | {"If-Match": other}
    answer = bank.client.post(f"{path}/freeze", headers=headers)
    problem_of(answer, 422, "idempotency_key_reused")
