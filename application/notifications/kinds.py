"""The kinds of jobs that notifications are, for a worker."""

from __future__ import annotations

import logging
from typing import Any

from application.jobs import Job, Kind, Kinds
from application.notifications.choosing import EMAIL, LOG
from application.notifications.emailing import Emailer
from application.webhooks.delivering import Deliverer

_log = logging.getLogger("daybook.notifications")

_URGENT = ("needs_operator", "fraud_alarm.raised")


def kinds(deliverer: Deliverer, emailer: Emailer) -> Kinds:
    """All that `choosing.jobs_for` puts in, and what these put in themselves."""
    return {**deliverer.kinds(), EMAIL: emailer.kind(), LOG: Kind(handler=_write)}


def _write(job: Job, ctx: object) -> dict[str, Any] | None:
    """Tell the house, in its log; what somebody has to look at, as a warning."""
    type_, values = job.payload["type"], job.payload["values"]
    level = logging.WARNING if type_.endswith(_URGENT) else logging.INFO
    told = ", ".join(f"{name} {value}" for name, value in values.items())
    _log.log(level, "%s: %s (%s)", type_, job.payload["id"], told)
    return None
