"""How much is measured: enough for steady figures, or just enough to see that all rows come out."""

from __future__ import annotations

from dataclasses import dataclass

BATCH = 1_000
"""Transfers in a submission and in a batch request."""

ACCOUNTS = 1_000
"""Accounts that the spread transfers go between."""

EVENTS = 3
"""Events of a transfer."""


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
    log_events: int
    """Events of the log that is rebuilt from, verified, and asked about its past."""
    rebuilds: int
    """Rounds of rebuilds and verifications, which take seconds each on such a log."""
    past_questions: int
    visible_s: float
    least_pace: float
    """Share of the commands that must be sent in time."""
    hot_entries: int
    cold_loads: int
    flow_rounds: int
    flows: int
    """Investments that are asked for at once."""
    paced_flows: int
    jobs: int
    """Jobs of a round; hundreds."""
    application_rounds: int
    applications: int
    """Applications for credit that are made at once."""
    paced_applications: int


FULL = Sizes(
    rounds=9,
    round_transfers=20_000,
    library_transfers=200,
    http_s=1.5,
    log_events=3_000_000,
    rebuilds=2,
    past_questions=100,
    visible_s=20.0,
    least_pace=0.8,
    hot_entries=1_000_000,
    cold_loads=20,
    flow_rounds=3,
    flows=500,
    paced_flows=100,
    jobs=2_000,
    application_rounds=1,
    applications=10_000,
    paced_applications=200,
)
QUICK = Sizes(
    rounds=2,
    round_transfers=2_000,
    library_transfers=30,
    http_s=0.2,
    log_events=20_000,
    rebuilds=1,
    past_questions=30,
    visible_s=1.0,
    least_pace=0.1,
    hot_entries=20_000,
    cold_loads=5,
    flow_rounds=1,
    flows=10,
    paced_flows=5,
    jobs=100,
    application_rounds=1,
    applications=20,
    paced_applications=10,
)
