"""The port to a credit bureau: what it is asked about a person, and what comes back."""

from __future__ import annotations

from typing import Literal, Protocol
from uuid import UUID

from msgspec import Struct
from msgspec.structs import force_setattr

from application.outbound.client import Answer
from application.outbound.errors import BadResponseError, is_code
from application.outbound.service import HttpService
from domain.money import format_amount

SERVICE = "bureau"

REFUSED = "bureau_refused"
"""Why there is no report, where the bureau gives no code for it, or only free text."""

NO_REPORT = frozenset(
    {"no_file", "person_not_found", "invalid_document", "frozen_by_person", "consent_missing",
     "country_not_supported"}
)  # fmt: skip
"""What a bureau may say for good: asked again, it says the same."""


class Inquiry(Struct, frozen=True):
    """Whom a bureau is asked about, in clear; never to be kept. `monthly_income` is in minor units."""

    report_id: UUID
    application_id: UUID
    country: str
    document_type: str
    document_number: str
    full_name: str
    monthly_income: int
    currency: str
    loan_type: str = ""

    def __repr__(self) -> str:
        return f"Inquiry({self.report_id})"  # nobody finds a person in a log


class BureauAnswer(Struct, frozen=True):
    """`ready`, with the report in the country's own shape; `later`; or `unavailable` for good, and why.

    The reason goes into the log, for ever: whatever a bureau writes, it is a code.
    """

    report_id: UUID
    status: Literal["ready", "later", "unavailable"]
    raw: dict[str, object] = {}
    reason: str = ""

    def __post_init__(self) -> None:
        if self.status == "unavailable" and not is_code(self.reason):
            force_setattr(self, "reason", REFUSED)

    def __repr__(self) -> str:
        return f"BureauAnswer({self.report_id}, {self.status!r})"


class Bureau(Protocol):
    """Knows how people pay what they owe. Each raises `OutboundError`."""

    def check(self) -> None:
        """Raises `CircuitOpenError` while it is known not to be asked."""
        ...

    def request(self, inquiry: Inquiry) -> BureauAnswer:
        """Ask for a report; asked again with the same id, it is the same report."""
        ...

    def look(self, report_id: UUID) -> BureauAnswer | None:
        """What has become of a report; None if the bureau has never been asked for it."""
        ...


class _Told(Struct):
    report_id: UUID
    status: Literal["ready", "later", "unavailable"]
    report: dict[str, object] | None = None
    reason: str | None = None


class HttpBureau(HttpService):
    """A bureau with an HTTP interface like that of `daybook sandbox bureau`."""

    name = SERVICE

    def check(self) -> None:
        self._client.check()

    def request(self, inquiry: Inquiry) -> BureauAnswer:
        asked = {
            "report_id": inquiry.report_id,
            "application_id": inquiry.application_id,
            "country": inquiry.country,
            "document_type": inquiry.document_type,
            "document_number": inquiry.document_number,
            "full_name": inquiry.full_name,
            "monthly_income": format_amount(inquiry.monthly_income, inquiry.currency),
            "loan_type": inquiry.loan_type,
        }
        key = str(inquiry.report_id)
        try:
            answer = self._client.call("POST", "/v1/reports", json=asked, idempotency_key=key)
        except BadResponseError as error:
            if error.transient or error.code not in NO_REPORT:
                raise
            return BureauAnswer(inquiry.report_id, "unavailable", reason=error.code)
        return self._read(answer, inquiry.report_id)

    def look(self, report_id: UUID) -> BureauAnswer | None:
        try:
            answer = self._client.call("GET", f"/v1/reports/{report_id}")
        except BadResponseError as error:
            if error.code == "report_not_found":
                return None
            raise
        return self._read(answer, report_id)

    def _read(self, answer: Answer, report_id: UUID) -> BureauAnswer:
        told = self._decoded(answer, _Told)
        if told.report_id != report_id:
            raise self._senseless(answer, "it is about another report")
        if told.status == "ready" and told.report is None:
            raise self._senseless(answer, "it is ready, and not there")
        raw = told.report if told.status == "ready" else None
        return BureauAnswer(report_id, told.status, raw or {}, told.reason or "")
