"""Names what is wrong where the chain breaks, by trying what somebody may have done to the log."""

from __future__ import annotations

from collections import deque
from hashlib import sha256
from typing import Any, NamedTuple

from psycopg import Connection

from application.audit.findings import Finding, events
from application.audit.walking import (
    PAGE_EVENTS,
    Misfit,
    Place,
    hash_at,
    position_of,
    read_end,
    read_rows,
    seal_at,
    sealed_bytes,
    stored_hash,
)

_LOOK_AHEAD = 1_000_000
"""How many events behind the break are tried, which takes a few seconds."""

_LOOK_AROUND = 1_000
"""How many events may have been put in or taken out in one place, to be recognised as that."""


class _Break(NamedTuple):
    """A row that does not follow from the event before it, and the rows behind it."""

    after: Place
    row: bytes
    next: bytes | None

    @property
    def position(self) -> int:
        return self.after.position + 1


def explain(conn: Connection[Any], misfit: Misfit) -> Finding:
    """The first altered, missing, inserted or reordered event, in a sentence."""
    position = misfit.after.position + 1
    if misfit.row is not None and position_of(misfit.row) < position:
        return _twice(position_of(misfit.row))
    if misfit.row is None or position_of(misfit.row) != position:
        return _missing(conn, position)
    following = [*read_rows(conn, position, position + 1), None][0]
    broken = _Break(misfit.after, misfit.row, following)
    return (
        _inserted_before(conn, broken)
        or _elsewhere(conn, broken)
        or _taken_out(broken)
        or _altered(broken)
    )


def _twice(position: int) -> Finding:
    return Finding(
        position, position, "inserted",
        f"Inserted: there is a second event {position}; the key of the table events, which forbids"
        " it, was taken away.",
    )  # fmt: skip


def _missing(conn: Connection[Any], first: int) -> Finding:
    row = conn.execute(
        "SELECT min(notification_id) FROM events WHERE notification_id >= %s", (first,)
    ).fetchone()
    after = f"after event {first - 1}" if first > 1 else "at the start"
    if row is not None and row[0] is not None:
        gone = events(first, row[0] - 1)
        return Finding(
            first, row[0] - 1, "missing", f"Missing: {gone}; {after} comes event {row[0]}."
        )
    end = read_end(conn)
    last = max(first, end.position if end is not None else first)
    return Finding(
        first, last, "missing",
        f"Missing at the end: {events(first, last)}; the head says that the log ends at {last}.",
    )  # fmt: skip


def _inserted_before(conn: Connection[Any], broken: _Break) -> Finding | None:
    """Events with a right chain of their own were put in, and the later ones renumbered."""
    place, row = broken.after, broken.row
    for inserted in range(1, min(_LOOK_AROUND, place.position) + 1):
        first = broken.position - inserted
        before = hash_at(conn, first - 1)
        if before is not None and seal_at(before, row, first) == stored_hash(row):
            return _inserted(first, broken.position - 1)
    return None


def _inserted(first: int, last: int) -> Finding:
    were = "was" if first == last else "were"
    return Finding(
        first, last, "inserted",
        f"Inserted: {events(first, last)} {were} put in, and what followed was renumbered;"
        f" what was sealed as event {first} is now event {last + 1}.",
    )  # fmt: skip


def _elsewhere(conn: Connection[Any], broken: _Break) -> Finding | None:
    """The event that belongs here stands further on: events changed places, or some were put in."""
    wanted, previous = broken.position, broken.after.hash
    here = stored_hash(broken.row)
    end = read_end(conn)
    to = min(wanted + _LOOK_AHEAD, end.last if end is not None else 0)
    for after in range(wanted, to, PAGE_EVENTS):
        rows = read_rows(conn, after, min(after + PAGE_EVENTS, to))
        for row in rows:
            sealed = seal_at(previous, row, wanted)
            if sealed not in (here, stored_hash(row)):
                continue
            found = position_of(row)
            following = next(rows, None)
            deque(rows, maxlen=0)
            before = sealed if found == wanted + 1 else hash_at(conn, found - 1)
            if _goes_on(sealed, wanted, following, broken.row, before, found):
                return _inserted(wanted, found - 1)
            return Finding(
                wanted, found, "reordered",
                f"Reordered: what was sealed as event {wanted} is now event {found}, and another"
                f" event stands at {wanted}.",
            )  # fmt: skip
    return None


def _goes_on(
    sealed: bytes,
    wanted: int,
    following: bytes | None,
    stranger: bytes,
    before: bytes | None,
    found: int,
) -> bool:
    """Whether the log goes on behind the event that was pushed to `found`, as if from `wanted`."""
    if following is not None:
        return seal_at(sealed, following, wanted + 1) == stored_hash(following)
    # It is the log's last: pushed there by what was put in, or swapped with what stands in its place.
    return before is None or seal_at(before, stranger, found) != stored_hash(stranger)


def _taken_out(broken: _Break) -> Finding | None:
    """Events were taken out, and the later ones renumbered to close the gap."""
    if broken.next is None:
        return None
    for gone in range(1, _LOOK_AROUND + 1):
        if seal_at(stored_hash(broken.row), broken.next, broken.position + 1 + gone) == stored_hash(
            broken.next
        ):
            last = broken.position + gone - 1
            return Finding(
                broken.position, last, "missing",
                f"Missing: {events(broken.position, last)}; what followed was renumbered to hide it.",
            )  # fmt: skip
    return None


def _altered(broken: _Break) -> Finding:
    position, row, next_row = broken.position, broken.row, broken.next

    def leads_on(hash_: bytes) -> bool:
        return next_row is not None and (
            seal_at(hash_, next_row, position + 1) == stored_hash(next_row)
        )

    if leads_on(sha256(broken.after.hash + sealed_bytes(row)).digest()):
        sentence = f"Altered: the stored hash of event {position}; its content is what was sealed."
    else:
        other = f" (or event {position - 1}, together with its hash)" if position > 1 else ""
        next_too = (
            "" if next_row is None or leads_on(stored_hash(row)) else "; nor does what follows"
        )
        sentence = f"Altered: event {position}{other}; content and hash do not fit{next_too}."
    return Finding(position, position, "altered", sentence)
