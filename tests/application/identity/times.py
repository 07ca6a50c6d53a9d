"""The time that these tests take it to be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 3, 4, 12, 30, 15, 250_000, tzinfo=UTC)


def after(**time: float) -> datetime:
    """Later than `NOW`: `after(minutes=5)`."""
    return NOW + timedelta(**time)
