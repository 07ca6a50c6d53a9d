"""Who was shown what is sealed in an application: staff in clear, or a bureau that is asked."""

from __future__ import annotations

from uuid import UUID

from fastapi import Request, Response

from api.callers import caller_of
from api.credit_reading import row_for
from api.paging import decode_cursor, page
from api.state import State
from api.views import Json
from api.writing import json_response
from domain.credit_applications import Disclosed, OpenedForBureau
from projections import log

_TOPICS = (Disclosed.topic, OpenedForBureau.topic)


async def list_disclosures(
    request: Request,
    state: State,
    application_id: UUID,
    limit: int,
    cursor: str | None,
    min_position: int | None,
) -> Response:
    """A page of them, the last first. Raises `application_not_found`."""
    before = decode_cursor(cursor)
    await row_for(caller_of(request), state, application_id, min_position)
    async with state.pool.connection() as conn:
        found = await log.last_events(conn, application_id, _TOPICS, before=before, limit=limit)
    return json_response(page(found, _disclosure))


def _disclosure(event: log.LoggedEvent) -> Json:
    told: Json = {
        "at": event.recorded_at,
        "who": event.metadata.get("actor", ""),
        "position": event.position,
    }
    match event.data:
        case OpenedForBureau(bureau=bureau, fields=fields, report_id=report_id):
            why = f"asked {bureau or 'the bureau'} for report {report_id}"
            return {
                **told, "service": "worker", "operation": "bureau_report", "fields": fields, "why": why,
            }  # fmt: skip
        case Disclosed(fields=fields, reason=reason):
            return {
                **told, "service": "api", "operation": "reveal", "fields": fields, "why": reason,
            }  # fmt: skip
    raise AssertionError("of these topics only")
