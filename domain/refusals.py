"""A command's "no": a reason code for programs, details for people, and nothing written."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """A decision's "no". Raised by decisions, answered to the caller, never stored as an event.

    `reason` is a code of the problem catalogue; `details` are JSON values that a person needs to act.
    Amounts in details are minor units under a key that ends in `_minor`: the edge, which knows the
    currency's decimals, shows them as decimal strings.
    """

    def __init__(self, reason: str, **details: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.details = details
