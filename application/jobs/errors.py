"""How a job fails: the category of its error says whether and when it is tried again."""

from __future__ import annotations

from typing import ClassVar


class JobError(Exception):
    """What a handler raises. `retry_after_s`: no earlier than that, as the other side has asked."""

    category: ClassVar[str] = "system"

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ExternalError(JobError):
    """Somebody outside did not do their part: not reached, no answer in time, or an error of theirs."""

    category = "external"


class InternalError(JobError):
    """Something here did not work. Any other exception of a handler is taken for one of these."""

    category = "system"


class BusinessError(JobError):
    """A "no" that stays a "no": trying again is of no use."""

    category = "business"


class Again(Exception):  # noqa: N818 - nothing failed
    """Raised by a handler that has to look again later. It counts as no failure, and those before are
    forgotten: unless it `has_not_tried`, for then nothing is better than it was."""

    def __init__(self, delay_s: float, *, has_not_tried: bool = False) -> None:
        super().__init__(f"again in {delay_s:g} s")
        self.delay_s = delay_s
        self.has_not_tried = has_not_tried


class LeaseLostError(Exception):
    """The job is no longer this worker's: another has it by now, or it is over. What this one found is
    not to be used."""
