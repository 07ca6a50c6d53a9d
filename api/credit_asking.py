"""Makes of what somebody asks for the commands on applications, with all that is personal sealed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from fastapi import Request
from psycopg import Connection

from api.callers import Caller, caller_of
from api.credit_models import ApplicationChangeIn, ApplicationIn
from api.credit_sealing import (
    Document,
    check_age,
    check_amount,
    check_loan_type,
    check_months,
    document_of,
    key_of,
    opened,
    person_of,
    sealed,
)
from api.ids import id_for, new_id
from api.models import in_currency
from api.problems import ProblemError
from api.state import State
from api.writing import Beside
from application.countries import country_of
from application.privacy import person_keys
from domain.credit_applications import (
    ChangeApplication,
    Changed,
    CreditApplication,
    SubmitApplication,
    Submitted,
)
from domain.refusals import Refusal
from domain.versions import Expected
from projections.histories import last_version, state_at


class Asked(NamedTuple):
    """A new application's command, and the key that is kept with it, if it has one of its own."""

    command: SubmitApplication
    beside: Beside | None


async def submission(request: Request, state: State, body: ApplicationIn) -> Asked:
    """Raises `unsupported_country`, `invalid_document`, `user_not_found`, and what is wrong with the rest
    by the rules of the country."""
    caller = caller_of(request)
    country = country_of(body.country)
    document = document_of(state.vault, country, body.document_type, body.document_number)
    income = in_currency(body.monthly_income, country.currency)
    amount = check_amount(country, in_currency(body.amount_requested, country.currency))
    months = check_months(country, body.months)
    loan_type = check_loan_type(country, body.loan_type)
    born = check_age(body.date_of_birth, datetime.now(UTC).date())
    application_id = id_for(body.id, caller.owner_id)
    owner_id = _whose(caller, body.applicant_user_id)
    person = await person_of(state, application_id, owner_id)

    def seal(field: str, text: str | None) -> str:
        return sealed(person.key, application_id, field, text)

    submitted = Submitted(
        country=country.code,
        full_name=seal("full_name", body.full_name),
        document_type=document.kind,
        document_number=seal("document_number", document.number),
        applicant_id=document.applicant_id,
        currency=country.currency,
        monthly_income=income,
        amount_requested=amount,
        months=months,
        annual_rate_bps=country.terms.annual_rate_bps,
        method=country.terms.method,
        day_count=country.terms.day_count,
        offer_days=country.terms.offer_days,
        owner_id=owner_id,
        person_id=person.id,
        submitted_by=str(caller.user_id),
        document_hint=document.hint,
        loan_type=loan_type,
        account_id=body.account_id,
        date_of_birth=seal("date_of_birth", born),
        email=seal("email", body.email),
        phone=seal("phone", body.phone),
    )
    command = SubmitApplication(
        application_id, submitted, new_id(), country.bureau, country.same_document_hours
    )
    return Asked(command, person.beside)


def _whose(caller: Caller, applicant_id: UUID | None) -> UUID | None:
    """Whose application it is. Raises `insufficient_permissions` for who applies for another."""
    if caller.owner_id is None:
        return applicant_id
    if applicant_id not in (None, caller.owner_id):
        raise ProblemError(
            "insufficient_permissions",
            action="applications.submit",
            role=caller.role,
            why="applicant_user_id is for those who bring the applications of others",
        )
    return caller.owner_id


async def application_now(state: State, caller: Caller, application_id: UUID) -> CreditApplication:
    """An application as the log has it at this moment. Raises `application_not_found`, for another's too."""
    async with state.pool.connection() as conn:
        version = await last_version(conn, application_id)
        found = (await state_at(conn, application_id, version)).state if version else None
    if not isinstance(found, CreditApplication) or not caller.sees(found.owner_id):
        raise ProblemError("application_not_found", application_id=application_id)
    return found


async def while_known(state: State, caller: Caller, application_id: UUID) -> Beside:
    """What goes beside a command that grants something: refuses `person_erased` when the key of who asks
    was destroyed, in the transaction of the command. Raises `application_not_found`."""
    there = await application_now(state, caller, application_id)
    return while_key_is_there(there.submitted.person_id or application_id)


def while_key_is_there(person_id: UUID) -> Beside:
    """As `while_known`, for a person."""

    def beside(conn: Connection[Any]) -> None:
        if not person_keys.is_there(conn, person_id):
            raise Refusal("person_erased")

    return beside


async def changing(
    request: Request,
    state: State,
    application_id: UUID,
    body: ApplicationChangeIn,
    expected: Expected,
) -> ChangeApplication:
    """What is asked for from now on: what is given, and the rest as it is."""
    caller = caller_of(request)
    there = await application_now(state, caller, application_id)
    asked, country = there.asked, country_of(there.country)
    key = await key_of(state, asked.person_id)
    if key is None:
        raise ProblemError("person_erased")
    document = _document_in(state, there, body)
    name = asked.full_name
    if body.full_name not in (None, opened(key, application_id, "full_name", name)):
        name = sealed(key, application_id, "full_name", body.full_name)
    number = asked.document_number
    if document.applicant_id != asked.applicant_id:
        number = sealed(key, application_id, "document_number", document.number)
    income, amount = asked.monthly_income, asked.amount_requested
    if body.monthly_income is not None:
        income = in_currency(body.monthly_income, country.currency)
    if body.amount_requested is not None:
        amount = check_amount(country, in_currency(body.amount_requested, country.currency))
    changed = Changed(
        full_name=name,
        document_type=document.kind,
        document_number=number,
        applicant_id=document.applicant_id,
        monthly_income=income,
        amount_requested=amount,
        months=asked.months if body.months is None else check_months(country, body.months),
        document_hint=document.hint,
        loan_type=(
            asked.loan_type if body.loan_type is None else check_loan_type(country, body.loan_type)
        ),
        by=str(caller.user_id),
    )
    return ChangeApplication(
        application_id, changed, new_id(), country.bureau, country.same_document_hours,
        caller.owner_id, expected,
    )  # fmt: skip


def _document_in(state: State, there: CreditApplication, body: ApplicationChangeIn) -> Document:
    """The document that is given, or the one that was."""
    asked = there.asked
    if body.document_number is None:
        if body.document_type is not None:
            raise ProblemError("missing_fields", fields=["document_number"])
        return Document(asked.document_type, "", asked.document_hint, asked.applicant_id)
    kind = body.document_type or asked.document_type
    return document_of(state.vault, country_of(there.country), kind, body.document_number)
