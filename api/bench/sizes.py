"""How much is measured: enough for steady figures, or just enough to see that all rows come out."""

from __future__ import annotations

from dataclasses import dataclass

BATCH = 1_000
"""Transfers in a submission and in a batch request."""

ACCOUNTS = 1_000
"""Accounts that the spread transfers go between."""


@dataclass(frozen=True)
class Sizes:
    rounds: int
    """Many short rounds rather than few long ones: a median then shrugs off a busy neighbour."""
    round_transfers: int
    """Transfers in a round of bulk posting."""
    library_transfers: int
    """Transfers in a round of plain eventsourcing, which is slower by two orders."""
    http_s: float
    """Seconds a round of requests takes."""
    rebuild_events: int
    rebuilds: int
    visible_s: float
    hot_entries: int
    cold_loads: int


FULL = Sizes(
    rounds=9,
    round_transfers=20_000,
    library_transfers=200,
    http_s=1.5,
    rebuild_events=300_000,
    rebuilds=3,
    visible_s=20.0,
    hot_entries=1_000_000,
    cold_loads=20,
)
QUICK = Sizes(
    rounds=2,
    round_transfers=10_000,
    library_transfers=60,
    http_s=0.7,
    rebuild_events=60_000,
    rebuilds=1,
    visible_s=5.0,
    hot_entries=100_000,
    cold_loads=5,
)
