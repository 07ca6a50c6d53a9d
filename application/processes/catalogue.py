"""Every process there is. Registered by value: one that is missing here does not run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from application.processes import bank_transfers, credit, investments, loans, notifications
from application.processes.asking import PATIENCE
from application.processes.definitions import Process, UnknownProcessError


def processes(
    patience: timedelta = PATIENCE,
    *,
    bureau_patience: timedelta = credit.PATIENCE,
    judge: credit.Judge = credit.by_the_tables,
) -> dict[str, Process]:
    """All processes by name; banks and bureaus have so much patience for each thing that they are asked,
    and `judge` decides on applications."""
    every = (
        investments.process(patience),
        bank_transfers.process(patience),
        credit.process(judge, bureau_patience),
        loans.process(),
        notifications.process(),
    )
    return {process.name: process for process in every}


def process_called(name: str, known: Mapping[str, Process]) -> Process:
    """The process of that name. Raises `UnknownProcessError`."""
    try:
        return known[name]
    except KeyError:
        raise UnknownProcessError(name, ", ".join(known)) from None
