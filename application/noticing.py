"""Brings notices of what was refused at the edge into the security log, what is personal of them sealed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from msgspec.structs import replace
from psycopg import AsyncConnection

from application.ledger import Answer, Ledger, Outcome, Receipt, Submission
from application.privacy import month_keys
from application.privacy.master_keys import MasterKeys
from application.privacy.sealing import place, seal
from domain.provenance import Provenance
from domain.refusals import Refusal
from domain.security import NoteSecurity, Noticed, stream_of

_SYSTEM = Provenance(actor="system")
_CALLER = "system:security"
_AGGREGATE = "security"


async def write(
    ledger: Ledger,
    conn: AsyncConnection[Any],
    masters: MasterKeys,
    batch_id: UUID,
    notices: Sequence[Noticed],
) -> None:
    """Write notices once, however often they are given with the same `batch_id`.

    Their addresses and user agents are in clear. Raises as `Ledger.post` does, and `PrivacyError`.
    """
    while True:
        month = await month_keys.current(conn, masters)
        key = month.key
        sealed = tuple(_sealed(notice, key.person_id, key.key) for notice in notices)
        submission = Submission(
            [NoteSecurity(stream_of(month.moment), sealed)],
            _SYSTEM,
            receipt=Receipt(_CALLER, str(batch_id), b"", _answer),
            beside=partial(month_keys.keep, masters=masters, key=key) if month.is_new else None,
        )
        try:
            await ledger.post(submission)
        except Refusal:
            continue  # another server has made the month's key: now it is there
        return


def field_place(key_id: UUID, field: str) -> str:
    """What `address` and `user_agent` of a notice are sealed for."""
    return place(key_id, _AGGREGATE, field)


def _sealed(notice: Noticed, key_id: UUID, key: bytes) -> Noticed:
    personal = {"address": notice.address, "user_agent": notice.user_agent}
    return replace(
        notice,
        **{
            name: seal(key, text, field_place(key_id, name))
            for name, text in personal.items()
            if text
        },
    )


def _answer(outcomes: Sequence[Outcome]) -> Answer:
    """Nobody is answered: it is kept so that the same notices are not written twice."""
    return Answer(200, b"", 0)
