"""What can go wrong with a call to the outside world, so that a caller knows what to do next."""

from __future__ import annotations

import re

UNKNOWN_CODE = "bank_api_error"
"""Of an error that the other side gives no code for, or only free text."""

_CODE = re.compile("[a-z][a-z0-9_]{0,59}")


def is_code(word: str) -> bool:
    """Whether this is a code, which may be kept and shown; free text may name people and accounts."""
    return _CODE.fullmatch(word) is not None


class OutboundError(Exception):
    """A call that did not end well; the message is a sentence for the person who looks at it.

    `outcome_unknown`: the other side may have done what was asked. `transient`: the same call may
    work later, not before `retry_after_s` when that is known. `reason` is a code to tell and to sort by.
    """

    def __init__(
        self,
        service: str,
        message: str,
        *,
        reason: str,
        outcome_unknown: bool = False,
        transient: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.service = service
        self.reason = reason
        self.outcome_unknown = outcome_unknown
        self.transient = transient
        self.retry_after_s = retry_after_s


class ConnectionFailedError(OutboundError):
    """No connection, or one that broke. `outcome_unknown` when it broke after something was sent."""

    def __init__(self, service: str, why: str, *, sent: bool) -> None:
        message = f"the connection to {service} " + (
            f"broke before it answered ({why}): it may have done what was asked"
            if sent
            else f"could not be made ({why})"
        )
        super().__init__(
            service, message, reason="connection_failed", outcome_unknown=sent, transient=True
        )


class TimedOutError(OutboundError):
    """A time limit was over. `outcome_unknown` unless it was the one for making a connection."""

    def __init__(self, service: str, *, sent: bool) -> None:
        message = f"{service} " + (
            "did not answer in time: it may have done what was asked"
            if sent
            else "could not be connected to in time"
        )
        super().__init__(service, message, reason="timeout", outcome_unknown=sent, transient=True)


class BadResponseError(OutboundError):
    """An answer that is not the one hoped for. `code` is the other side's own word for it, or empty;
    nothing else of the answer is in here."""

    def __init__(
        self,
        service: str,
        status: int,
        *,
        code: str = "",
        retry_after_s: float | None = None,
        transient: bool | None = None,
        outcome_unknown: bool | None = None,
        problem: str = "",
    ) -> None:
        word = f" ({code})" if code else ""
        super().__init__(
            service,
            f"{service} answered {status}{word}" + (f": {problem}" if problem else ""),
            reason=code or UNKNOWN_CODE,
            outcome_unknown=status >= 500 and status not in _DID_NOTHING
            if outcome_unknown is None
            else outcome_unknown,
            transient=status >= 500 or status in _LATER if transient is None else transient,
            retry_after_s=retry_after_s,
        )
        self.status = status
        self.code = code


_LATER = frozenset({408, 425, 429})
_DID_NOTHING = frozenset({501, 503})


class CircuitOpenError(OutboundError):
    """Not called at all: it failed too often just now. Try again after `retry_after_s`."""

    def __init__(self, service: str, retry_after_s: float) -> None:
        super().__init__(
            service,
            f"{service} failed too often just now and is left alone for {retry_after_s:.0f} s",
            reason="circuit_open",
            transient=True,
            retry_after_s=retry_after_s,
        )


class BlockedAddressError(OutboundError):
    """The address that a name stands for must not be called; trying again does not help."""

    def __init__(self, service: str, address: str) -> None:
        message = f"{service} is at {address}, which must not be called"
        super().__init__(service, message, reason="blocked_address")


class NeedsPersonError(OutboundError):
    """The other side said something that only a person can settle; `reason` is its word."""

    def __init__(self, service: str, reason: str, problem: str = "") -> None:
        message = f"{service} says {reason}: an operator has to look into it"
        super().__init__(service, message + (f" ({problem})" if problem else ""), reason=reason)
