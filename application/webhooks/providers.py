"""Those whose webhooks are taken in, in one place: a further one is a line here and a reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from application.bureaus import look_now
from application.outbound.bank import UnreadableAnswerError, answer_of
from application.webhooks.incoming import MessageError, Provider, Told, is_word
from domain.credit_applications import STATUSES, MoveApplication
from domain.movements import ReportMovement
from domain.texts import MAX_DESCRIPTION

_BANK_FIELDS = ("movement_id", "status", "sequence")


_BUREAU_FIELDS = ("report_id", "application_id")

_DECISION_FIELDS = ("application_id", "status")

DECIDER = "decisions"


def providers(
    bank_secrets: Sequence[str],
    bureau_secrets: Sequence[str] = (),
    decision_secrets: Sequence[str] = (),
) -> Mapping[str, Provider]:
    """By the name in the path. Who has no secret yet is not there."""
    found = {
        "bank": Provider(tuple(bank_secrets), read_bank),
        "bureau": Provider(tuple(bureau_secrets), read_bureau),
        DECIDER: Provider(tuple(decision_secrets), read_decision),
    }
    return {name: provider for name, provider in found.items() if provider.secrets}


def read_bank(type_: str, data: Mapping[str, Any]) -> Told:
    """What a bank says of a movement; other things that it may tell are nothing of ours.

    Raises `MessageError`.
    """
    if not type_.startswith("movement."):
        return Told("", None)
    if missing := [name for name in _BANK_FIELDS if data.get(name) is None]:
        raise MessageError("missing_fields", *missing)
    try:
        answer = answer_of(data)
    except UnreadableAnswerError:
        raise MessageError("invalid_request", *_BANK_FIELDS) from None
    report = ReportMovement(
        answer.movement_id, answer.status, answer.bank_reference, answer.reason, answer.sequence
    )
    return Told(str(answer.movement_id), report)


def read_bureau(type_: str, data: Mapping[str, Any]) -> Told:
    """A credit bureau says that a report is ready, which is then fetched: what it says of a person is
    nowhere on the way. Other things that it may tell are nothing of ours.

    Raises `MessageError`.
    """
    if type_ != "report.ready":
        return Told("")
    if missing := [name for name in _BUREAU_FIELDS if data.get(name) is None]:
        raise MessageError("missing_fields", *missing)
    try:
        report_id, application_id = (msgspec.convert(data[name], UUID) for name in _BUREAU_FIELDS)
    except msgspec.ValidationError:
        raise MessageError("invalid_request", *_BUREAU_FIELDS) from None
    return Told(str(application_id), job=look_now(application_id, report_id))


def read_decision(type_: str, data: Mapping[str, Any]) -> Told:
    """What a partner who decides on applications says of one; other things that it may tell are nothing of
    ours. Whether its status may be that now, the country's table says.

    Raises `MessageError`.
    """
    if type_ != "application.status":
        return Told("")
    if missing := [name for name in _DECISION_FIELDS if data.get(name) is None]:
        raise MessageError("missing_fields", *missing)
    try:
        application_id = msgspec.convert(data["application_id"], UUID)
    except msgspec.ValidationError:
        raise MessageError("invalid_request", "application_id") from None
    if data["status"] not in STATUSES:
        raise MessageError("invalid_request", "status")
    reason = "" if data.get("reason") is None else data["reason"]
    if not is_word(reason, MAX_DESCRIPTION):
        raise MessageError("invalid_request", "reason")
    command = MoveApplication(application_id, data["status"], DECIDER, reason)
    return Told(str(application_id), command)
