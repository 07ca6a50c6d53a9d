"""What the doctor finds, and how much of it is serious."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

Severity = Literal["warning", "wrong"]
Status = Literal["ok", "warning", "wrong"]


class Finding(NamedTuple):
    """Something that is the matter, with its figures, and what to do about it.

    `wrong`: somebody is shown or told something false, or will be, or data may be lost. `warning`:
    it may become so.
    """

    severity: Severity
    sentence: str
    advice: str


class Looked(NamedTuple):
    """What a check has looked at, in words, and found. `is_hopeless`: others need not look at all."""

    at: str
    findings: Sequence[Finding] = ()
    is_hopeless: bool = False


class Checked(NamedTuple):
    """A check that was made. `looked_at` is empty when it could not be done."""

    name: str
    looked_at: str
    findings: Sequence[Finding]

    @property
    def status(self) -> Status:
        severities = {finding.severity for finding in self.findings}
        if "wrong" in severities:
            return "wrong"
        return "warning" if severities else "ok"


def wrong(sentence: str, advice: str) -> Finding:
    return Finding("wrong", sentence, advice)


def warning(sentence: str, advice: str) -> Finding:
    return Finding("warning", sentence, advice)


def count(many: int, what: str) -> str:
    """A number of things for a sentence: `1 account`, `3,000 accounts`."""
    return f"{many:,} {what}{'s' * (many != 1)}"


def span(seconds: float) -> str:
    """A length of time for a sentence: `40 s`, `12 min`, `3 h`, `2 days`."""
    for size, unit in ((172_800, "days"), (7_200, "h"), (120, "min")):
        if seconds >= size:
            return f"{seconds / {'days': 86_400, 'h': 3_600, 'min': 60}[unit]:.0f} {unit}"
    return f"{seconds:.0f} s"
