"""Tables that somebody sends are tried by a process of their own, which is ended at its limits."""

from __future__ import annotations

import json
import sys

import pytest

from application.decisions import Decisions, Explained, PastCase, compare, drafts, trying
from application.decisions.drafts import Asked, Told, TooCostlyError, country_in, try_out
from tests.application.decisions.building import TODAY, changed, document, facts, joined

TEXT = json.dumps(document())

CASES = [
    PastCase(str(score), facts(credit_score=score), TODAY, "approve") for score in (500, 599, 600)
]

UNREAD = "from application.decisions import reading as r; r.growth_problems = lambda *_, **__: ();"
"""A reading that overlooks what grows."""


def program(code: str) -> tuple[str, ...]:
    """Does what the program does, with something changed."""
    start = "from application.decisions import drafts, reading"
    end = "from application.decisions import trying\nif SPINS: trying.answer = spin\ntrying.main()"
    return (sys.executable, "-P", "-c", f"{start}\nSPINS = False\n{code}\n{end}")


def test_it_says_what_the_table_says() -> None:
    known = facts(credit_score=1, amount_requested=50_000_00)
    there = Decisions.of_file(TEXT)
    told = try_out(Asked(text=TEXT, facts=known, on=TODAY))
    assert isinstance(told.answer, Explained)
    assert told.answer == there.explain(known, TODAY)
    assert [row.row for row in told.answer.matched] == ["low", "much"]
    told = try_out(Asked(text=TEXT, cases=CASES))
    assert told == Told(found=compare(CASES, there), done=3)
    assert [one.application_id for one in told.found.different] == ["500", "599"]


def test_all_problems_of_a_table_come_back() -> None:
    (problem,) = try_out(Asked(text=json.dumps(changed(joined(1, 2))))).problems
    assert "node X1, column v1: + is for numbers only" in problem


BOMB = json.dumps(changed(joined(3, 90)))
"""Some kilobytes that make 300 megabytes, again and again."""

UNREAD = """
reading.growth_problems = lambda *_, **__: ()
drafts.MAX_CPU_S, drafts.MAX_MEMORY = 600, 400 * 1024**2
"""
SPIN = """
SPINS, drafts.MAX_CPU_S = True, 1
def spin(asked):
    while True: pass
"""


@pytest.mark.parametrize("code", [UNREAD, SPIN], ids=["memory", "time"])
def test_what_takes_too_much_is_ended(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Even if reading it overlooks what grows."""
    monkeypatch.setattr(drafts, "PROGRAM", program(code))
    with pytest.raises(TooCostlyError):
        try_out(Asked(text=BOMB, facts=facts(), on=TODAY))


def test_what_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "PROGRAM", program("import threading; threading.Event().wait()"))
    with pytest.raises(TooCostlyError):
        try_out(Asked(text=TEXT), max_wait_s=0.1)


def test_a_mistake_of_our_own_is_not_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "PROGRAM", program("raise LookupError('nobody knows')"))
    with pytest.raises(RuntimeError, match="nobody knows"):
        try_out(Asked(text=TEXT))


def test_it_is_told_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", "a" * 40)
    monkeypatch.setattr(
        drafts, "PROGRAM", program("import os; assert 'JWT_SECRET' not in os.environ")
    )
    assert try_out(Asked(text=TEXT, cases=CASES)).done == 3


@pytest.mark.parametrize("limit", ["_PAGE_CPU_S", "_PAGE_S", "_PAGE_CHARACTERS"])
def test_what_is_done_before_a_limit_is_answered(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(trying, limit, -1)
    told = trying.answer(Asked(text=TEXT, cases=CASES))
    assert (told.done, told.found.judged, len(told.found.different)) == (1, 1, 1)


@pytest.mark.parametrize(
    ("text", "country"), [(TEXT, "MX"), ("{}", None), ("{", None), (BOMB, "MX")]
)
def test_whose_table_it_is_is_known_before_it_is_believed(text: str, country: str | None) -> None:
    assert country_in(text) == country
