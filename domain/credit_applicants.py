"""Who asks for credit, by a document: has one open application in a country at most.

An applicant's id stands for a document without telling it, so that two applications with the same one
meet here, whoever brings them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.events import Event
from domain.refusals import Refusal


# Events. Stored for ever: add a field with a default, or a new event; never edit one.
class Opened(Event, frozen=True):
    """An application with the document has begun."""

    topic: ClassVar[str] = "credit_applicant.application_opened"
    application_id: UUID
    country: str
    at: datetime


class Closed(Event, frozen=True):
    """It is decided, withdrawn, or goes on with another document."""

    topic: ClassVar[str] = "credit_applicant.application_closed"
    application_id: UUID
    status: str


EVENTS: tuple[type[Event], ...] = (Opened, Closed)

_FREE = frozenset({"rejected", "changed"})
"""After these nobody has to wait: whose document somebody else gave by mistake may apply at once."""


# State. Runs again at every replay: no rule, no clock, no exception.
class CreditApplicant(Struct, frozen=True):
    """An applicant. `application_id` is the last application, opened `at` then; `status` is empty while
    it is open, else what it was closed as. `version` counts events."""

    id: UUID
    version: int
    application_id: UUID
    at: datetime
    status: str = ""


def evolve(applicant: CreditApplicant | None, event: Event, stream_id: UUID) -> CreditApplicant:
    """The applicant after one more event."""
    version = 1 if applicant is None else applicant.version + 1
    if isinstance(event, Opened):
        return CreditApplicant(stream_id, version, event.application_id, event.at)
    assert isinstance(event, Closed), event
    assert applicant is not None, (
        "an applicant's first event is credit_applicant.application_opened"
    )
    if event.application_id != applicant.application_id:
        return replace(applicant, version=version)
    return replace(applicant, version=version, status=event.status)


def open_application(
    applicant: CreditApplicant | None,
    application_id: UUID,
    country: str,
    now: datetime,
    *,
    again_after: timedelta,
) -> Opened:
    """Refuses `duplicate_application` while another one is open, and within `again_after` of the last one
    unless that was rejected, or goes on with another document."""
    if applicant is not None and applicant.application_id != application_id:
        if not applicant.status:
            raise Refusal("duplicate_application", country=country)
        if applicant.status not in _FREE and now < applicant.at + again_after:
            raise Refusal(
                "duplicate_application",
                country=country,
                again_at=(applicant.at + again_after).isoformat(),
            )
    return Opened(application_id, country, now)
