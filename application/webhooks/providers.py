"""Those whose webhooks are taken in, in one place: a further one is a line here and a reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import msgspec

from application.bureaus import look_now
from application.outbound.bank import UnreadableAnswerError, answer_of
from application.webhooks.incoming import MessageError, Provider, Told, is_word
from domain.credit_applications import STATUSES, MoveApplication
from domain.fraud_alarms import SEVERITIES, SUBJECTS, RaiseFraudAlarm
from domain.movements import ReportMovement
from domain.texts import MAX_DESCRIPTION

_BANK_FIELDS = ("movement_id", "status", "sequence")


_BUREAU_FIELDS = ("report_id", "application_id")

_DECISION_FIELDS = ("application_id", "status")

_ALERT_FIELDS = ("alert_id", "severity", "subject", "at")

DECIDER = "decisions"

NEVER = "never"
"""From no severity on."""

_MAX_ALERT_ID = 100
_Aware = Annotated[datetime, msgspec.Meta(tz=True)]


def providers(
    bank_secrets: Sequence[str],
    bureau_secrets: Sequence[str] = (),
    decision_secrets: Sequence[str] = (),
    fraud_secrets: Sequence[str] = (),
    *,
    fraud_stops_from: str = NEVER,
) -> Mapping[str, Provider]:
    """By the name in the path. Who has no secret yet is not there. `fraud_stops_from` is the least severity
    of an alarm that stops something."""
    found = {
        "bank": Provider(tuple(bank_secrets), read_bank),
        "bureau": Provider(tuple(bureau_secrets), read_bureau),
        DECIDER: Provider(tuple(decision_secrets), read_decision),
        "fraud": Provider(tuple(fraud_secrets), partial(read_alert, fraud_stops_from)),
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


def read_alert(stops_from: str, type_: str, data: Mapping[str, Any]) -> Told:
    """What somebody who watches for fraud says of an account, or of what moves its money; other things that
    he may tell are nothing of ours.

    Raises `MessageError`.
    """
    if type_ != "fraud.alert":
        return Told("")
    if missing := [name for name in _ALERT_FIELDS if data.get(name) is None]:
        raise MessageError("missing_fields", *missing)
    alert_id, severity = data["alert_id"], data["severity"]
    reason = "" if data.get("reason") is None else data["reason"]
    subject = data["subject"] if isinstance(data["subject"], dict) else {}
    kind, subject_id = subject.get("kind"), _id_of(subject.get("id"))
    told_at = _moment_of(data["at"])
    wrong = {
        "alert_id": not (is_word(alert_id, _MAX_ALERT_ID) and alert_id),
        "severity": severity not in SEVERITIES,
        "subject": kind not in SUBJECTS or subject_id is None,
        "at": told_at is None,
        "reason": not is_word(reason, MAX_DESCRIPTION),
    }
    if any(wrong.values()):
        raise MessageError("invalid_request", *(name for name in wrong if wrong[name]))
    assert kind is not None, "it is not wrong"
    assert subject_id is not None, "it is not wrong"
    assert told_at is not None, "it is not wrong"
    stops = stops_from != NEVER and SEVERITIES.index(severity) >= SEVERITIES.index(stops_from)
    command = RaiseFraudAlarm(alert_id, severity, kind, subject_id, told_at, reason, stops)
    return Told(str(subject_id), command)


def _id_of(value: object) -> UUID | None:
    try:
        return msgspec.convert(value, UUID)
    except msgspec.ValidationError:
        return None


def _moment_of(value: object) -> datetime | None:
    """A time with its zone, in UTC; none for what is none, at the ends of the calendar in UTC too."""
    try:
        return msgspec.convert(value, _Aware).astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        return None
