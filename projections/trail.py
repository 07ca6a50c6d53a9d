"""Holds the audit trail against the log, row by row: both have a row for each event, in the same order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from psycopg import Connection, errors

COLUMNS = (
    "position", "stream_id", "version", "recorded_at", "topic", "actor", "correlation_id",
    "causation_id", "command_id",
)  # fmt: skip
"""What of a row can be read from the event by itself, without the words and the stream's beginning."""

_RANGE_EVENTS = 20_000
_BEFORE_ALL = -(2**63)

_DIFFERENT = """
SELECT coalesce(logged.position, shown.position), to_jsonb(logged), to_jsonb(shown)
  FROM (SELECT notification_id AS position, originator_id AS stream_id, originator_version AS version,
               recorded_at, topic, coalesce(origin ->> 'actor', '') AS actor,
               coalesce(origin ->> 'correlation_id', '') AS correlation_id,
               coalesce(origin ->> 'causation_id', '') AS causation_id,
               coalesce(origin ->> 'command_id', '') AS command_id
          FROM events, LATERAL (SELECT convert_from(metadata, 'UTF8')::json) AS read (origin)
         WHERE notification_id > %(after)s AND notification_id <= %(to)s) AS logged
  FULL JOIN
       (SELECT position, stream_id, version, recorded_at, topic, actor, correlation_id,
               causation_id, command_id
          FROM audit.event WHERE position > %(shown_after)s AND position <= %(to)s) AS shown
    ON shown.position = logged.position
 WHERE logged IS DISTINCT FROM shown
 ORDER BY 1 LIMIT %(limit)s
"""


def differences(
    conn: Connection[Any], to: int, limit: int, tell: Callable[[int], object]
) -> list[str]:
    """The first rows that are not as the log's, up to a position. Such rows never change."""
    found: list[str] = []
    for after in range(0, to, _RANGE_EVENTS):
        end = min(after + _RANGE_EVENTS, to)
        # The log begins at 1; what is before that in the read model is not of it.
        shown_after = after or _BEFORE_ALL
        values = {
            "after": after, "shown_after": shown_after, "to": end, "limit": limit - len(found),
        }  # fmt: skip
        try:
            rows = conn.execute(_DIFFERENT, values, prepare=True).fetchall()
        except errors.DataError as error:
            found.append(
                f"audit: events {after + 1} to {end} can't be compared, since the metadata of one"
                f" can't be read: {error.diag.message_primary}."
            )
        else:
            found += [_sentence(*row) for row in rows]
        if len(found) >= limit:
            break
        tell(end)
    return found


def _sentence(position: int, logged: dict[str, Any] | None, shown: dict[str, Any] | None) -> str:
    if logged is None:
        return f"audit: event {position} is there, and not in the log."
    if shown is None:
        return f"audit: event {position} is in the log, and not in the read model."
    odd = [
        f"{name} is {shown[name]}, by the log {logged[name]}"
        for name in COLUMNS
        if shown[name] != logged[name]
    ]
    return f"audit: event {position}: {'; '.join(odd)}."
