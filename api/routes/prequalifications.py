"""Applications in India as clients of the older API bring them and ask for them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from api import credit_views
from api.callers import caller_of
from api.credit_asking import submission
from api.credit_models import ApplicantName, ApplicationIn, Day, DocumentNumber, LoanType, Phone
from api.credit_reading import row_for
from api.models import Amount, Id, Reading, problem, shape, text
from api.people_models import Email
from api.problems import ProblemError
from api.responses import TAGGED, problems
from api.state import Running
from api.strict_json import StrictRoute
from api.writing import create, json_response

router = APIRouter(prefix="/applications", tags=["applications"], route_class=StrictRoute)

COUNTRY = "IN"

_MAX_PART = 49
"""Of a name in two parts, so that both fit into one."""
_STATUSES = {
    "pending": "PENDING",
    "risk_check": "PENDING",
    "manual_review": "MANUAL_REVIEW",
    "pre_approved": "PRE_APPROVED",
    "approved": "PRE_APPROVED",
    "rejected": "REJECTED",
    "withdrawn": "WITHDRAWN",
}
_KEPT = ("ETag", "Daybook-Position", "Idempotent-Replayed")


def _as_text(value: object) -> object:
    """Older clients send numbers. A float is written as it was read, which is exact for money."""
    if isinstance(value, bool):
        raise problem("invalid_amount_format")
    return str(value) if isinstance(value, int | float) else value


Rupees = Annotated[
    Amount,
    BeforeValidator(_as_text),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 10**12},
                {"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,2})?$"},
            ]
        }
    ),
]
NamePart = Annotated[str, text("invalid_name_format", 1, _MAX_PART), shape(1, _MAX_PART)]


class PrequalificationIn(BaseModel):
    """The name is one or in two parts, the amount under one of its two names; what else there is, is
    ignored."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "pan_number": "ABCDE1234F",
                    "applicant_name": "Asha Rao",
                    "monthly_income_inr": 80000,
                    "loan_amount_inr": 1200000,
                    "loan_type": "PERSONAL",
                }
            ]
        },
    )
    pan_number: DocumentNumber
    applicant_name: ApplicantName | None = None
    first_name: NamePart | None = None
    last_name: NamePart | None = None
    monthly_income_inr: Rupees
    loan_amount_inr: Rupees | None = None
    requested_amount: Rupees | None = None
    loan_type: LoanType
    date_of_birth: Day | None = None
    email: Email | None = None
    phone_number: Phone | None = None

    def application(self) -> ApplicationIn:
        """The same in today's words. Raises `missing_fields`."""
        name = self.applicant_name
        if name is None and self.first_name is not None and self.last_name is not None:
            name = f"{self.first_name} {self.last_name}"
        amount = self.loan_amount_inr or self.requested_amount
        missing = [
            field
            for field, value in (("applicant_name", name), ("loan_amount_inr", amount))
            if value is None
        ]
        if name is None or amount is None:
            raise ProblemError("missing_fields", fields=missing)
        return ApplicationIn.model_construct(
            country=COUNTRY,
            full_name=name,
            document_number=self.pan_number,
            monthly_income=self.monthly_income_inr,
            amount_requested=amount,
            loan_type=self.loan_type,
            date_of_birth=self.date_of_birth,
            email=self.email,
            phone=self.phone_number,
        )


class PrequalificationOut(BaseModel):
    application_id: UUID
    status: str = Field(examples=["PENDING"])
    message: str
    created_at: datetime


class PrequalificationStatusOut(BaseModel):
    application_id: UUID
    status: str = Field(description="PENDING, PRE_APPROVED, REJECTED, MANUAL_REVIEW or WITHDRAWN")
    pan_number_masked: str = Field(examples=["XXXXX1234F"])
    credit_score: int | None
    decision_reason: str | None
    max_approved_amount: str | None
    created_at: datetime
    updated_at: datetime


@router.post(
    "",
    status_code=202,
    response_model=PrequalificationOut,
    responses={202: TAGGED, **problems(400, 404, 409, 422)},
)
async def prequalify(request: Request, body: PrequalificationIn, state: Running) -> Response:
    """Apply in India, as clients of the older API do; new ones use `/api/applications`."""
    asked = await submission(request, state, body.application())
    answered = await create(request, state, asked.command, status=202, beside=asked.beside)
    if answered.status_code >= 400:
        return answered
    made: dict[str, Any] = msgspec.json.decode(answered.body)
    told = {
        "application_id": made["id"],
        "status": _STATUSES[made["status"]],
        "message": made["message"],
        "created_at": made["recorded_at"],
    }
    kept = {name: answered.headers[name] for name in _KEPT if name in answered.headers}
    again = json_response(told, kept | {"Location": f"{router.prefix}/{made['id']}/status"})
    again.status_code = 202
    return again


@router.get(
    "/{application_id}/status",
    response_model=PrequalificationStatusOut,
    responses=problems(400, 404),
)
async def prequalification_status(
    request: Request, application_id: Id, state: Running, reading: Annotated[Reading, Query()]
) -> Response:
    """What has become of an application in India, as clients of the older API read it."""
    row = await row_for(caller_of(request), state, application_id, reading.min_position)
    if row.country != COUNTRY:
        raise ProblemError("application_not_found", application_id=application_id)
    now = credit_views.status_row(row)
    return json_response(
        {
            "application_id": row.id,
            "status": _STATUSES[row.status],
            "pan_number_masked": row.document_hint,
            "credit_score": row.credit_score,
            "decision_reason": "; ".join(row.reasons) or None,
            "max_approved_amount": now["max_approved_amount"],
            "created_at": row.submitted_at,
            "updated_at": row.updated_at,
        }
    )
