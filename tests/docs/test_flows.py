"""What the documents on processes, jobs and the sandbox list is what there is."""

from __future__ import annotations

import re

from api.routes.processes import NAMES
from api.sandbox import bureau_faults, faults, rules
from api.settings import Settings
from api.workers import concurrency
from application import banking, bureaus
from application.jobs import retrying
from application.jobs.workers import CONCURRENCY
from application.notifications import choosing, emailing
from application.outbound.bank import REASONS, Handling
from application.processes import credit
from application.processes.asking import CANCEL, INSTRUCT, LOOK
from application.processes.definitions import STATUSES
from application.processes.notifications import TELL
from application.webhooks import deliveries, delivering
from domain import bank_transfers, funds, investments
from projections.flows.steps import event_name
from tests.support.processes import ROOT


def section(document: str, title: str) -> str:
    """The text under a heading, up to the next."""
    text = (ROOT / "docs" / document).read_text()
    (found,) = re.findall(rf"^##+ {title}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    return str(found)


def rows(text: str) -> list[list[str]]:
    """The cells of the tables in a text, without their heads."""
    lines = re.findall(r"^\|(.*)\|$", text, re.MULTILINE)
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    rules = {number for number, row in enumerate(cells) if set("".join(row)) == {"-"}}
    return [row for number, row in enumerate(cells) if not {number, number + 1} & rules]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_jobs_are_tried_again_as_the_document_says() -> None:
    def told(category: str) -> list[str]:
        tries = retrying.TRIES[category]
        if tries.attempts == 1:
            return ["1", "", ""]
        return [str(tries.attempts), f"{tries.first_wait_s:g} s", f"{tries.factor:g} times as long"]

    text = section("jobs.md", "Tried again")
    shown = {words(row[0])[0]: row[2:] for row in rows(text) if len(row) == 5}
    assert shown == {category: told(category) for category in retrying.TRIES}
    assert f"| {retrying.MAX_LOST} workers have ended" in text
    waits = {kind: row[2] for row in rows(text) if len(row) == 3 for kind in words(row[0])}
    assert waits == {
        **dict.fromkeys((INSTRUCT, CANCEL, LOOK), figures(banking.WAITS_S)),
        **dict.fromkeys((credit.REQUEST, credit.LOOK), figures(bureaus.WAITS_S)),
        TELL: "1, 5, 30, 300",
        choosing.EMAIL: figures(emailing.WAITS_S),
        deliveries.DELIVER: figures(delivering.WAITS_S),
        **dict.fromkeys((delivering.FAN_OUT, choosing.LOG), ""),
    }


def figures(waits_s: tuple[float, ...]) -> str:
    return ", ".join(f"{wait:.0f}" for wait in waits_s)


def test_the_queues_and_their_limits_are_those_of_a_worker() -> None:
    text = (ROOT / "docs" / "jobs.md").read_text()
    found = re.findall(r"^\| `(\w+)` \| `JOBS_(\w+)` \((\d+)\)", text, re.MULTILINE)
    assert [name.lower() for _, name, _ in found] == [queue for queue, *_ in found]
    assert {queue: int(number) for queue, _, number in found} == concurrency(Settings())
    assert concurrency(Settings()) == dict(CONCURRENCY)


def test_the_faults_are_those_of_the_bank() -> None:
    shown = [words(row[0])[0] for row in rows(section("sandbox.md", "Faults")) if len(row) == 3]
    plain = rules.BEFORE | rules.AFTER | faults.MOVEMENT
    assert sorted(shown) == sorted([*plain, *(f"{name}:REASON" for name in faults.WITH_REASON)])


def test_the_faults_are_those_of_the_bureau() -> None:
    text = section("sandbox.md", "A credit bureau")
    shown = [words(row[0])[0] for row in rows(text) if len(row) == 3]
    more = bureau_faults.REPORT | bureau_faults.ANSWER
    assert sorted(shown) == sorted([*more, f"{bureau_faults.REFUSE}:REASON"])
    assert all(f"`{name}`" in text for name in rules.BEFORE | rules.AFTER)


def test_the_reasons_are_dealt_with_as_the_document_says() -> None:
    shown = [words(row[0]) for row in rows(section("sandbox.md", "Faults")) if len(row) == 2]
    by_handling = [
        [reason for reason, handling in REASONS.items() if handling == wanted]
        for wanted in (Handling.FAILURE, Handling.RETRY, Handling.MANUAL)
    ]
    assert shown == by_handling


def test_the_statuses_of_processes_are_those_that_there_are() -> None:
    shown = [words(row[0])[0] for row in rows(section("processes.md", "How a process works"))]
    assert sorted(shown) == sorted(STATUSES)
    text = (ROOT / "docs" / "processes.md").read_text()
    assert all(f"`{name}`" in text for name in NAMES)


def test_the_steps_and_statuses_of_investments_are_those_that_there_are() -> None:
    table = rows(section("processes.md", "Investments"))
    legs = ("withdrawal", "deposit", "refund")
    own = {event_name(event) for event in investments.EVENTS} - {"instructed"}  # type: ignore[arg-type]
    assert {step for row in table for step in words(row[0])} == {
        *own,
        "criteria_checked",
        *(event_name(event) for event in (funds.SeatReserved, funds.SeatReleased)),  # type: ignore[arg-type]
        event_name(funds.AllocationTaken),  # type: ignore[arg-type]
        *(f"{leg}_{name}" for leg in legs for name in ("instructed", "sent", "accepted")),
        *("overdue", "unresolved", "returned"),
    }
    assert {status for row in table for status in words(row[2])} == set(investments.STATUSES)
    text = section("processes.md", "Deposits and withdrawals")
    assert all(f"`{status}`" in text for status in bank_transfers.STATUSES)


def test_each_word_of_a_bank_that_calls_an_operator_has_a_row_that_says_what_to_do() -> None:
    told = {
        word
        for row in rows(section("processes.md", "What an operator does"))
        for word in words(row[1])
    }
    manual = {reason for reason, handling in REASONS.items() if handling == Handling.MANUAL}
    assert manual <= told
