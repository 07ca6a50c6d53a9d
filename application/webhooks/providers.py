"""Those whose webhooks are taken in, in one place: a further one is a line here and a reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from application.outbound.bank import UnreadableAnswerError, answer_of
from application.webhooks.incoming import MessageError, Provider, Told
from domain.movements import ReportMovement

_BANK_FIELDS = ("movement_id", "status", "sequence")


def providers(bank_secrets: Sequence[str]) -> Mapping[str, Provider]:
    """By the name in the path. Who has no secret yet is not there."""
    found = {"bank": Provider(tuple(bank_secrets), read_bank)}
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
