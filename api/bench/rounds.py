"""Runs contestants in turns, so that whatever the machine does meanwhile meets all of them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from api.bench.rows import Row, failed, measured

Contestant = Callable[[], float]
"""Runs one round and answers its figure, for example transfers per second."""


@dataclass
class Rounds:
    """The figures of each contestant, round by round, and why those that failed did."""

    figures: dict[str, list[float]]
    problems: dict[str, str] = field(default_factory=dict)

    def rate(self, name: str, contestant: str) -> Row:
        """The row `name`: the figures of one contestant."""
        if contestant in self.problems:
            return failed(name, self.problems[contestant])
        return measured(name, self.figures[contestant])

    def ratio(self, name: str, one: str, other: str, factor: float = 1.0) -> Row:
        """The row `name`: `factor` times `one` over `other`, round by round."""
        for contestant in (one, other):
            if contestant in self.problems:
                return failed(name, self.problems[contestant])
        pairs = zip(self.figures[one], self.figures[other], strict=True)
        return measured(name, [factor * a / b for a, b in pairs])


def interleave(contestants: Mapping[str, Contestant], rounds: int) -> Rounds:
    """Let the contestants take turns: A B C, A B C ... One that fails is left out from then on."""
    result = Rounds({name: [] for name in contestants})
    for _ in range(rounds):
        for name, run in contestants.items():
            if name in result.problems:
                continue
            gc.collect()  # each pays for its own garbage
            try:
                result.figures[name].append(run())
            except Exception as error:  # noqa: BLE001 - the others are to be measured all the same
                result.problems[name] = sentence(error)
    return result


def sentence(error: Exception) -> str:
    """An error in one line, with its kind, for the table and the JSON."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
