"""Has a table that somebody sent tried by a process of its own, which may take only so much and is then
ended: whoever serves others meanwhile is not held up."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date

import msgspec
from msgspec import Struct

from application.decisions.files import UnsoundTableError, parse, schema_of
from application.decisions.graph import in_line
from application.decisions.judging import Explained
from application.decisions.replaying import Comparison, PastCase
from application.decisions.verdicts import MANUAL_REVIEW, Facts, Verdict

PROGRAM = (sys.executable, "-P", "-m", "application.decisions.trying")

MAX_CPU_S = 5
MAX_MEMORY = 1024**3
"""Bytes of addresses; the interpreter and the engine take a quarter of it."""

MAX_WAIT_S = 30.0
"""A busy machine takes longer over the same work."""


class Asked(Struct, frozen=True, kw_only=True):
    """A table's file, and what it is asked: to decide about `facts` on a day, or about past `cases`."""

    text: str
    on: date = date.min
    facts: Facts | None = None
    cases: list[PastCase] = []


class Told(Struct, frozen=True, kw_only=True):
    """What came of it: `problems` of a table that may not decide, else what was asked for.

    `answer`: about the facts, `manual_review` where none were asked about. `found`: of the cases.
    `done`: how many cases were looked at before it was long enough; at least one, when there are any.
    """

    problems: list[str] = []
    answer: Explained = Explained(Verdict(decision=MANUAL_REVIEW, reasons=()))
    found: Comparison = Comparison(0, ())
    done: int = 0


class TooCostlyError(Exception):
    """It was ended because it took too long, or too much memory."""


def try_out(asked: Asked, max_wait_s: float = MAX_WAIT_S) -> Told:
    """Blocks: for a thread. Raises `TooCostlyError`."""
    path = os.pathsep.join(each for each in sys.path if each)
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            PROGRAM,
            input=msgspec.json.encode(asked),
            capture_output=True,
            timeout=max_wait_s,
            env={"PYTHONPATH": path},  # and none of the secrets that are in this one's
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TooCostlyError from None
    if done.returncode < 0:  # a limit ends it by a signal
        raise TooCostlyError
    if done.returncode:
        raise RuntimeError(
            f"a table cannot be tried: {done.stderr.decode(errors='replace')[-2000:]}"
        )
    return msgspec.json.decode(done.stdout, type=Told)


def country_in(text: str) -> str | None:
    """The country that a table says it is for, before anything else of it is believed; None, it says none."""
    try:
        schema = schema_of(in_line(parse(text).file)[0])
    except UnsoundTableError:
        return None
    named = schema.properties.get("country")
    return named.const if named else None
