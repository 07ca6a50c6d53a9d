"""Every command that a document shows is run, and does what is said beside it."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import httpx2
import pytest

from api.cli.commands import daybook
from tests.docs.conftest import Reader
from tests.docs.documents import blocks, commands, inline_code
from tests.support.processes import ROOT

Json = dict[str, Any]

RUN_HERE = {"sh tour", "sh cli", "sh flows", "sh credit", "sh statements"}
RUN_BY_OTHERS = {"sh served", "sh compose"}
"""In tests/deploy: on the served stack, or as far as that goes without containers."""
PLAIN = [block.text for block in blocks() if not block.language]


def shown(language: str) -> list[str]:
    """All commands of the blocks in this language."""
    found = [c for b in blocks() if b.language == language for c in commands(b.text)]
    assert found, f"no document has a block in {language!r}"
    return found


def test_no_shell_block_goes_without_being_run() -> None:
    shell = {b.language for b in blocks() if re.match(r"(ba|z)?sh\b|shell|console", b.language)}
    assert shell == RUN_HERE | RUN_BY_OTHERS
    for text in PLAIN:
        assert not re.search(r"^\$ |^(\.venv/bin/)?daybook |^curl ", text, re.MULTILINE), text


def test_the_tour(reader: Reader) -> None:
    login, *others = shown("sh tour")
    assert reader.types(login) == ""
    answers = [reader.types(command) for command in others]
    replayed, _, body = answers.pop(3).partition("\n\n")
    bodies: list[Json] = [json.loads(answer) for answer in answers]
    trial, carol, lunch, refusal, held, posted, entries, then, events, projections = bodies
    assert {total["difference"] for total in trial["data"]} == {"0.00"}
    assert carol["position"] > trial["position"]
    assert carol["id"] == lunch["destination_account_id"]
    assert [lunch[side]["balance"] for side in ("source", "destination")] == ["987.50", "12.50"]
    assert "\nidempotent-replayed: true" in replayed.lower()
    assert json.loads(body) == lunch
    assert refusal["reason"] == "insufficient_funds"
    assert "12.50" in refusal["detail"]
    assert "1000000.00" in refusal["detail"]
    assert (held["status"], held["amount"]) == ("pending", "10.00")
    assert (posted["status"], posted["amount"]) == ("posted", "4.00")
    assert (posted["source"]["held"], posted["source"]["available"]) == ("0.00", "8.50")
    assert [line["balance"] for line in entries["data"]] == ["8.50", "12.50"]
    assert then["as_of"]["position"] == 10
    assert [event["version"] for event in events["data"]][:2] == [1, 2]
    assert {model["health"] for model in projections["data"]} == {"ok"}
    assert httpx2.get(f"http://127.0.0.1:{reader.port}/docs").status_code == 200


def test_money_that_takes_days(reader: Reader) -> None:
    log_in, *_ = shown("sh tour")
    reader.types(log_in)
    in_readme, in_processes = (
        [*commands(block.text)] for block in blocks() if block.language == "sh flows"
    )
    told = [reader.types_until(words_for(command), command) for command in in_readme]
    processes = told[-2]
    streams = [text for text in told if text.startswith("event: ")]
    bodies: list[Any] = [json.loads(text) for text in told[:-2] if text not in streams]
    fund, deposit, _, investment, fewer, arrived, withdrawal, rules, refused, sent = bodies
    assert (fund["seats_left"], fewer["seats_left"]) == (100, 99)
    assert (deposit["status"], arrived["status"]) == ("pending", "completed")
    assert (withdrawal["status"], sent["status"]) == ("pending", "completed")
    assert [rule["fault"] for rule in rules] == ["reject:account_closed"]
    assert [investment["status"], refused["status"]] == ["completed", "initiated"]
    assert [leg["status"] for leg in investment["legs"]] == ["COMPLETED", "COMPLETED"]
    completed, undone = (steps_in(stream) for stream in streams)
    assert completed[-3:] == ["deposited", "allocation_taken", "completed"]
    assert undone[-3:] == ["refunded", "seat_released", "failed"]
    assert "FailLeg" in processes

    fault, invest, stuck, *others = in_processes
    for command in (fault, invest):
        assert json.loads(reader.types(command))
    reader.types_until("withdrawal: suspected_fraud", stuck)
    dead, retried, cleared = (reader.types(command) for command in others)
    assert "suspected_fraud" in dead
    assert "retry by an operator" in retried
    assert cleared == "waiting again: 1\n"


def test_credit(reader: Reader) -> None:
    log_in, *_ = shown("sh tour")
    reader.types(log_in)
    told = [reader.types_until(words_for(command), command) for command in shown("sh credit")]
    assert told.pop(8) == "", "the officer's login goes into a file"
    bodies: list[Json] = [json.loads(text) for text in told]
    spain, applied, decided, accepted, loan, schedule, repaid, large, queue, *others = bodies
    claimed, approved, verdict, totals = others
    assert [document["code"] for document in spain["documents"]] == ["dni", "nie"]
    assert applied["status"] == "pending"
    assert (decided["status"], decided["document_number"]) == ("approved", "12*****8Z")
    assert [step["name"] for step in decided["steps"]][-2:] == ["decided", "offered"]
    assert accepted["offer"]["status"] == "accepted"
    assert (loan["status"], loan["principal"]) == ("active", "5000.00")
    assert len(schedule["data"]) == 12
    assert schedule["data"][-1]["balance_after"] == "0.00"
    assert repaid["amount"] == "1000.00"
    assert large["status"] == "pending"
    assert [row["id"] for row in queue["data"]] == [large["id"]]
    assert claimed["status"] == "manual_review"
    assert (approved["status"], approved["max_approved_amount"]) == ("approved", "40000.00")
    assert verdict["decision"] == "reject"
    assert len(verdict["reasons"]) == 2, "every reason there is"
    assert {row["country"] for row in totals["data"]} == {"ES"}


def test_statements(reader: Reader) -> None:
    log_in, *_ = shown("sh tour")
    reader.types(log_in)
    as_json, named, as_csv, said, as_camt = (
        reader.types(command) for command in shown("sh statements")
    )
    one: Json = json.loads(as_json)
    assert one["entries"][-1]["balance"] == one["closing_balance"]
    assert named == ""
    (file,) = reader.folder.glob("statement-da4b0000-*.xml")
    assert file.read_text().partition("<BkTo")[0] == as_camt.partition("<BkTo")[0]
    rows = [row.split(",") for row in as_csv.splitlines()]
    assert (rows[-1][0], rows[-1][4]) == ("closing", rows[-2][4])
    assert re.search(r"opening 0\.00, \d+ movements, closing \d+\.\d\d EUR", said)
    assert (reader.folder / "alice.pdf").read_bytes().startswith(b"%PDF-")


def words_for(command: str) -> str:
    """What a reader waits for who sees what comes by itself, on a machine that may be busy."""
    if "-X POST" in command:
        return ""
    for part, words in (
        ("/api/deposits/", '"status":"completed"'),
        ("/api/withdrawals/", '"status":"completed"'),
        ("jobs list", "notify.email"),
        ("/api/applications/queue", '"status":"manual_review"'),
        ("/api/loans/", '"data"' if command.strip().endswith("/schedule") else '"status":"active"'),
        ("/api/applications/99999999-9999-4999-8999-999999999999", '"offer":{"status":'),
    ):
        if part in command:
            return words
    return ""


def steps_in(stream: str) -> list[str]:
    """The names of the steps that a stream of server-sent events told."""
    events = [event.splitlines() for event in stream.split("\n\n")]
    return [
        json.loads(lines[1].removeprefix("data: "))["name"]
        for lines in events
        if lines and lines[0] == "event: step"
    ]


def test_the_commands(reader: Reader) -> None:
    for command in shown("sh cli"):
        assert reader.types(command).strip(), command


@pytest.mark.parametrize("text", [text for text in PLAIN if text.startswith("make ")])
def test_make_has_the_targets_of_the_blocks(text: str) -> None:
    for line in text.splitlines():
        assert_make_knows(line)


def test_make_has_the_targets_of_the_text() -> None:
    found = [code for _, code in inline_code() if re.fullmatch(r"make \w+", code)]
    assert found
    for code in found:
        assert_make_knows(code)


def assert_make_knows(line: str) -> None:
    command = ["make", "--dry-run", "--no-print-directory", *line.split()[1:]]
    tried = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stderr


def test_the_command_line_has_the_commands_of_the_text() -> None:
    found = [code for _, code in inline_code() if code.startswith("daybook ")]
    assert found
    for code in found:
        known: Any = daybook.loaded()
        for word in code.split()[1:]:
            if known is None or word.startswith("-"):
                break
            assert word in known, code
            known = getattr(known[word], "commands", None)
