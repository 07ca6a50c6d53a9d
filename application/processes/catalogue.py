"""Every process there is. Registered by value: one that is missing here does not run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from application.processes import bank_transfers, investments, notifications
from application.processes.asking import PATIENCE
from application.processes.definitions import Process, UnknownProcessError


def processes(patience: timedelta = PATIENCE) -> dict[str, Process]:
    """All processes by name; banks have `patience` for each thing that they are asked."""
    every = (
        investments.process(patience),
        bank_transfers.process(patience),
        notifications.process(),
    )
    return {process.name: process for process in every}


def process_called(name: str, known: Mapping[str, Process]) -> Process:
    """The process of that name. Raises `UnknownProcessError`."""
    try:
        return known[name]
    except KeyError:
        raise UnknownProcessError(name, ", ".join(known)) from None
