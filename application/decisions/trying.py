"""`python -m application.decisions.trying` tries one table, asked by its input, and ends."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Iterable

import msgspec

from application.decisions.drafts import MAX_CPU_S, MAX_MEMORY, Asked, Told
from application.decisions.files import UnsoundTableError
from application.decisions.judging import Decisions
from application.decisions.replaying import Comparison, Difference, PastCase, compare

_PAGE_CPU_S = MAX_CPU_S / 2
_PAGE_S = 10.0
_PAGE_CHARACTERS = 1024**2


def answer(asked: Asked) -> Told:
    """Of a table that may not decide all problems, else what it says."""
    try:
        table = Decisions.of_file(asked.text)
    except UnsoundTableError as error:
        return Told(problems=[str(problem) for problem in error.problems])
    if asked.facts is not None:
        return Told(answer=table.explain(asked.facts, asked.on))
    return _page(asked.cases, table)


def _page(cases: Iterable[PastCase], table: Decisions) -> Told:
    """As many as can be answered well before the limits; who asked goes on after them."""
    begun = time.monotonic()
    done, judged, characters = 0, 0, 0
    different: list[Difference] = []
    for case in cases:
        found = compare([case], table)
        done += 1
        judged += found.judged
        different += found.different
        characters += sum(len(reason) for one in found.different for reason in one.reasons)
        if (
            time.process_time() > _PAGE_CPU_S
            or time.monotonic() - begun > _PAGE_S
            or characters > _PAGE_CHARACTERS
        ):
            break
    return Told(found=Comparison(judged, tuple(different)), done=done)


def _limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
    try:
        resource.setrlimit(kind, (allowed, hard))
    except (ValueError, OSError):  # not every system limits everything: the time stays limited
        return


def main() -> None:
    _limit(resource.RLIMIT_CPU, MAX_CPU_S)
    _limit(resource.RLIMIT_AS, MAX_MEMORY)
    _limit(resource.RLIMIT_CORE, 0)
    try:
        told = answer(msgspec.json.decode(sys.stdin.buffer.read(), type=Asked))
    except MemoryError:
        os.kill(os.getpid(), signal.SIGKILL)  # as where the engine itself runs out of it
    sys.stdout.buffer.write(msgspec.json.encode(told))


if __name__ == "__main__":
    main()
