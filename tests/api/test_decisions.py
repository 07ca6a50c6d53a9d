"""Decision tables by the API: which are in force, what one says of facts, and of applications decided."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api import deciding
from application.countries.catalogue import COUNTRIES, decision_files
from application.decisions import drafts
from application.ledger import Ledger
from tests.api.cli.conftest import CommandLine
from tests.api.conftest import Bank, Json, problem_of
from tests.application.decisions.building import changed, document, joined, rules, table_in
from tests.conftest import Database
from tests.support.credit import Desk, submit
from tests.support.processes import settings_of
from tests.support.serving import client_of
from tests.support.waiting import until

PATH = "/api/decisions"

STRICT = rules(
    ("low", "< 700", "", "reject", "Below 700"),
    ("much", "", "> 60000", "reject", "Above 60,000"),
    ("fine", ">= 700", "", "approve", "Fine"),
)


@pytest.fixture(scope="module")
def desk(api_database: Database) -> Iterator[Desk]:
    with Ledger(api_database.url) as ledger:
        yield Desk(ledger, api_database.url)


@pytest.fixture(scope="module")
def decided(client: httpx2.Client, desk: Desk) -> dict[int | None, str]:
    """Applications in Mexico by their scores; they ask for 60,000.00 with an income of 25,000.00. Another
    is in Spain, and one in Mexico is not decided."""
    found: dict[int | None, str] = {}
    for score in (599, 650, 699, 700, None):
        found[score] = submit(client, "MX")["id"]
        desk.report(found[score], score)
    desk.report(submit(client, "ES")["id"], 650)
    submit(client, "MX")
    return found


def facts(**more: object) -> Json:
    return {
        "credit_score": 650, "monthly_income": "25000.00", "amount_requested": "60000.00",
        "total_debt": "0.00", **more,
    }  # fmt: skip


def dry_run(client: httpx2.Client, country: str = "MX", **more: object) -> httpx2.Response:
    of = more.pop("facts", None) or facts()
    return client.post(f"{PATH}/dry-run", json={"country": country, "facts": of, **more})


def judged(client: httpx2.Client, country: str = "MX", **more: object) -> Json:
    answer = dry_run(client, country, **more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def replay(client: httpx2.Client, table: Json = STRICT, **more: Any) -> httpx2.Response:
    return client.post(f"{PATH}/replay", json={"table": table, **more})


def replayed(client: httpx2.Client, bank: Bank, table: Json = STRICT, **more: Any) -> Json:
    bank.get("/api/applications", min_position=bank.head())  # the read model is there
    answer = replay(client, table, **more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_every_country_has_one_table_in_force(client: httpx2.Client) -> None:
    rows = client.get(PATH).json()["data"]
    assert [row["country"] for row in rows if row["in_force"]] == sorted(COUNTRIES)
    for row in rows:
        file = next(f for f in decision_files(row["country"]) if f.stem == row["version"])
        assert row["digest"] == hashlib.sha256(file.read_bytes()).hexdigest()
        if row["in_force"]:
            country = client.get(f"/api/countries/{row['country']}").json()
            assert (country["rules"], country["rules_version"]) == (row["rules"], row["version"])


@pytest.mark.parametrize("score", [499, 599, 600, None])
def test_a_dry_run_decides_as_a_worker_does(
    client: httpx2.Client, bank: Bank, desk: Desk, score: int | None
) -> None:
    said = judged(client, facts=facts(credit_score=score))
    id_ = submit(client, "MX")["id"]
    desk.report(id_, score)
    there = bank.get(f"/api/applications/{id_}", min_position=bank.head())
    decision = there["decision"]
    assert (said["decision"], said["reasons"]) == (decision["decision"], there["decision_reasons"])
    assert (said["table"], said["version"]) == (decision["table"], decision["table_version"])
    assert (said["row"], said["digest"]) == (decision["row"], decision["digest"])


def test_all_rows_that_fit_are_told(client: httpx2.Client) -> None:
    said = judged(client, facts=facts(credit_score=499, amount_requested="100000.01"))
    assert (said["decision"], said["max_approved_amount"]) == ("reject", None)
    assert said["matched"][0]["row"] == said["row"]
    assert {row["decision"] for row in said["matched"]} == {"reject"}
    assert (
        [row["reason"] for row in said["matched"]]
        == said["reasons"]
        == [
            "Very low credit score",
            "Low credit score for Mexico",
            "Requested amount exceeds 4x monthly income (MX limit)",
        ]
    )
    assert said["inputs"]["amount_requested"] == "100000.01"


def test_amounts_are_of_the_country(client: httpx2.Client) -> None:
    said = judged(client, "IN", facts=facts(monthly_income="80000", amount_requested="3000000"))
    assert (said["currency"], said["max_approved_amount"]) == ("INR", "3840000.00")
    assert said["decision"] == "pre_approve"
    problem_of(dry_run(client, facts=facts(amount_requested="1.001")), 400, "invalid_amount_format")


def test_what_no_table_was_asked_about_fits_no_row(client: httpx2.Client) -> None:
    said = judged(client, facts=facts(credit_score=None))
    assert (said["decision"], said["reasons"]) == ("manual_review", ["Banking data missing"])
    assert (said["row"], said["matched"]) == ("", [])


def test_a_table_that_is_sent_along_decides(client: httpx2.Client) -> None:
    said = judged(client, table=STRICT)
    assert (said["decision"], said["reasons"]) == ("reject", ["Below 700"])
    assert (said["table"], said["version"], said["digest"]) == ("Credit", None, None)
    said = judged(client, table=STRICT, facts=facts(credit_score=1, amount_requested="60000.01"))
    assert [row["row"] for row in said["matched"]] == ["low", "much"]


def deep(levels: int) -> Json:
    tree: Json = {}
    for _ in range(levels):
        tree = {"a": tree}
    return tree


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "nodes"),
        (document() | {"edges": []}, "in one line"),
        (changed(lambda tree: table_in(tree)["rules"][0].update(s="< salary")), "salary"),
        (deep(150), "nodes"),
        (document() | {"name": "x" * 70_000}, "64 KiB"),
        (changed(joined(3, 50)), "+ is for numbers only"),
    ],
)
def test_a_table_that_may_not_decide_is_refused_with_what_is_wrong(
    client: httpx2.Client, table: Json, words: str
) -> None:
    for answer in (dry_run(client, table=table), replay(client, table)):
        problem = problem_of(answer, 422, "unsound_table")
        assert words in problem["detail"]
        assert words in " ".join(problem["details"]["problems"])


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"country": "FR", "facts": facts()}, 422, "unsupported_country"),
        ({"country": "CO", "facts": facts(), "table": STRICT}, 422, "table_of_another_country"),
        ({"country": "MX", "facts": facts(document_type="dni")}, 422, "invalid_document"),
        ({"country": "MX", "facts": facts(loan_type="HOME")}, 422, "invalid_loan_type"),
        ({"country": "MX", "facts": facts(months=599)}, 422, "invalid_months"),
        ({"country": "MX", "facts": facts(credit_score=-1)}, 400, "invalid_request"),
        ({"country": "MX", "facts": facts(credit_score="650")}, 400, "invalid_request"),
        ({"country": "MX", "facts": facts(total_debt="-0.01")}, 400, "invalid_amount_format"),
        ({"country": "MX", "facts": facts(monthly_income="0")}, 400, "negative_amount"),
        ({"country": "MX", "facts": facts(full_name="Ana")}, 400, "unknown_fields"),
        ({"country": "MX", "facts": facts(), "table": []}, 400, "invalid_request"),
        ({"country": "MX", "facts": {}}, 400, "missing_fields"),
        ({"facts": facts()}, 400, "missing_fields"),
    ],
)
def test_facts_that_there_cannot_be_are_refused(
    client: httpx2.Client, body: Json, status: int, reason: str
) -> None:
    problem_of(client.post(f"{PATH}/dry-run", json=body), status, reason)


def test_who_would_be_decided_differently_is_listed_with_why(
    client: httpx2.Client, bank: Bank, decided: dict[int | None, str]
) -> None:
    found = replayed(client, bank, country="MX")
    items = {item.pop("application_id"): item for item in found["items"]}
    assert {id_ for id_ in decided.values() if id_ in items} == {decided[650], decided[699]}
    assert items[decided[650]] == {
        "country": "MX", "before": "approve", "after": "reject", "reasons": ["Below 700"],
    }  # fmt: skip
    changes = found["changed"]
    assert changes["count"] == len(items)
    assert changes["by_country"] == {"MX": len(items)}
    assert sum(changes["by_change"].values()) == len(items)
    assert found["evaluated"] >= len(decided)
    assert (found["country"], found["has_more"], found["next_cursor"]) == ("MX", False, None)


def test_a_replay_goes_on_where_it_ended(
    client: httpx2.Client, bank: Bank, decided: dict[int | None, str]
) -> None:
    whole = replayed(client, bank)
    items, evaluated, cursor = [], 0, None
    while True:
        part = replayed(client, bank, limit=2, **({"cursor": cursor} if cursor else {}))
        assert part["evaluated"] <= 2
        items += part["items"]
        evaluated += part["evaluated"]
        cursor = part["next_cursor"]
        if cursor is None:
            break
    assert (items, evaluated) == (whole["items"], whole["evaluated"])
    problem_of(replay(client, cursor="x"), 400, "invalid_cursor")
    problem_of(replay(client, limit=1001), 400, "invalid_request")


PAGES = """
from application.decisions import trying
trying._PAGE_CHARACTERS = -1
trying.main()
"""

LIMITED = """
import os, signal
os.kill(os.getpid(), signal.SIGXCPU)
"""

HELD = """
import sys
from pathlib import Path
from application.decisions import trying
Path(sys.argv[1]).touch()
open(sys.argv[2], "w").close()  # waits until somebody reads it
trying.main()
"""


def program(monkeypatch: pytest.MonkeyPatch, code: str, *arguments: object) -> None:
    """What tables that are sent are tried by."""
    whole = (sys.executable, "-P", "-c", code, *map(str, arguments))
    monkeypatch.setattr(drafts, "PROGRAM", whole)


def test_what_takes_long_is_replayed_in_parts(
    client: httpx2.Client,
    bank: Bank,
    decided: dict[int | None, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = replayed(client, bank)
    program(monkeypatch, PAGES)
    first = replayed(client, bank)
    assert (first["evaluated"], first["has_more"]) == (1, True)
    monkeypatch.undo()
    rest = replayed(client, bank, cursor=first["next_cursor"])
    assert rest["evaluated"] == whole["evaluated"] - 1
    assert first["items"] + rest["items"] == whole["items"]


def test_a_table_that_takes_too_much_is_ended_and_said_to(
    client: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(monkeypatch, LIMITED)
    problem_of(dry_run(client, table=STRICT), 422, "table_too_costly")
    problem_of(replay(client), 422, "table_too_costly")
    assert judged(client)["version"] is not None, "those in force decide"


@contextmanager
def held(
    monkeypatch: pytest.MonkeyPatch, folder: Path, base_url: str
) -> Iterator[Future[httpx2.Response]]:
    """A table that is being tried as long as the block runs."""
    begun, gate = folder / "begun", folder / "gate"
    os.mkfifo(gate)
    program(monkeypatch, HELD, begun, gate)

    def send() -> httpx2.Response:
        with client_of(base_url) as another:
            return dry_run(another, table=STRICT)

    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(send)
        until(begun.exists)
        try:
            yield sent
        finally:
            gate_is_open = os.open(gate, os.O_RDONLY | os.O_NONBLOCK)
            sent.result()
            os.close(gate_is_open)


def test_nobody_waits_for_a_table_that_is_tried(
    client: httpx2.Client, base_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with held(monkeypatch, tmp_path, base_url) as sent:
        assert client.get("/api/health/live").status_code == 200
        assert judged(client)["version"] is not None
        assert not sent.done()
    assert sent.result().json()["reasons"] == ["Below 700"]


def test_a_table_whose_turn_does_not_come_can_be_sent_again(
    client: httpx2.Client, base_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(deciding, "PATIENCE_S", 0.01)
    with held(monkeypatch, tmp_path, base_url):
        problem_of(dry_run(client, table=STRICT), 503, "service_unavailable")
    monkeypatch.undo()
    assert judged(client, table=STRICT)["row"] == "low"


def test_a_replay_is_of_a_time(
    client: httpx2.Client, bank: Bank, decided: dict[int | None, str]
) -> None:
    long_ago: Json = {"from": str(datetime.now(UTC).date() - timedelta(days=2))}
    whole = replayed(client, bank)["evaluated"]
    assert replayed(client, bank, **long_ago)["evaluated"] == whole
    assert replayed(client, bank, to=long_ago["from"])["evaluated"] == 0
    since: Json = {"from": bank.get(f"/api/applications/{decided[700]}")["decided_at"]}
    before = replayed(client, bank, to=since["from"])["evaluated"]
    assert 3 <= before < whole
    assert replayed(client, bank, **since)["evaluated"] == whole - before


def test_a_replay_is_of_its_tables_country(client: httpx2.Client) -> None:
    problem_of(replay(client, country="CO"), 422, "table_of_another_country")
    problem_of(replay(client, country="FR"), 422, "unsupported_country")


def test_the_command_line_replays_too(
    client: httpx2.Client,
    bank: Bank,
    api_database: Database,
    decided: dict[int | None, str],
    tmp_path: Path,
) -> None:
    file = tmp_path / "strict.json"
    file.write_text(json.dumps(STRICT))
    whole = replayed(client, bank)
    daybook = CommandLine(settings_of(api_database)).here
    (told,) = daybook.json("decisions", "replay", file, "--country", "MX")
    assert told["items"] == whole["items"]
    assert (told["evaluated"], told["changed"]) == (whole["evaluated"], whole["changed"])
    text = daybook.done("decisions", "replay", file)
    assert decided[699] in text
    count, evaluated = whole["changed"]["count"], whole["evaluated"]
    assert f"{count} of {evaluated} applications in MX would be decided differently" in text
    nobody = daybook.done("decisions", "replay", file, "--to", "2020-01-01")
    assert nobody == "0 of 0 applications in MX would be decided differently\n"
    assert "the table is for MX" in daybook.refused(
        2, "decisions", "replay", file, "--country", "CO"
    )


@pytest.mark.parametrize("levels", [800, 960, 2_000, 100_000])
def test_a_table_of_which_no_end_is_seen_is_refused(client: httpx2.Client, levels: int) -> None:
    """However deep it is, the interpreter's own limit is none that anybody notices."""
    body = '{"table": ' + '{"a":' * levels + "1" + "}" * levels + "}"
    headers = {"content-type": "application/json"}
    answer = client.post(f"{PATH}/replay", content=body, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) in (
        (400, "invalid_json"), (400, "invalid_request"), (422, "unsound_table"),
    )  # fmt: skip


def test_nothing_is_left_of_what_was_tried(client: httpx2.Client, bank: Bank) -> None:
    head = bank.head()
    judged(client, table=STRICT)
    replayed(client, bank)
    assert bank.head() == head


def test_readiness_shows_the_rules(client: httpx2.Client, base_url: str) -> None:
    for path in ("/api/health/ready", "/api/health/detailed"):
        rules_check = client.get(path).json()["checks"]["rules"]
        assert rules_check["status"] == "ok"
        assert rules_check["countries"] == dict.fromkeys(sorted(COUNTRIES), "ok")
