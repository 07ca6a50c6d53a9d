"""Asks banks for movements, and brings what they say into the ledger.

Whatever happens to a worker, a movement is asked for under one id, which is the bank's idempotency key:
asked again, the bank answers what has become of the first. Before the bank is asked, the ledger notes it
(`movement.sent`), so that what was called off by then is not asked for any more, nor what an account pays
that is not active: that is called off instead.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Connection

from application.jobs import (
    Again,
    Bury,
    BusinessError,
    ExternalError,
    Failure,
    Job,
    Kind,
    NewJob,
    finish,
    put,
)
from application.ledger import Accepted, Ledger, Refused, Submission
from application.ledger.outcomes import Command
from application.ledger.reading import load
from application.ledger.steps import NOTHING_NEW
from application.outbound.bank import Bank, BankAnswer
from application.outbound.errors import CircuitOpenError, NeedsPersonError, OutboundError
from application.people.vault import Vault
from application.privacy import person_keys
from application.privacy.sealing import open_sealed, place
from application.processes.asking import CANCEL, INSTRUCT, LOOK, QUEUE, look_id
from domain.movements import OVER, CallOff, GiveUp, Movement, ReportMovement, SendMovement
from domain.provenance import Provenance
from domain.sealed import is_sealed

_log = logging.getLogger("daybook.banking")

WAITS_S = (1.0, 4.0, 15.0, 60.0, 300.0, 900.0, 3_600.0)
"""Between tries: a bank may be away for an hour. After that somebody has to look."""

_LONGEST_LOOK_S = 3_600.0
_LOOKS_AFTER_ALL = 6
"""How often a bank may say that it has never heard of what was written off; half an hour by default."""
_LEAST_WAIT_S = 5.0

Connect = Callable[[], AbstractContextManager[Connection[Any]]]


class _Asked(Struct, frozen=True):
    movement_id: UUID
    reason: str = ""


class Banking:
    """Handles the jobs of the queue `banking`. `look_after` is how long a bank may say nothing before it
    is asked; then it is asked less and less often, once an hour in the end."""

    def __init__(
        self,
        ledger: Ledger,
        bank: Bank,
        connect: Connect,
        vault: Vault,
        *,
        look_after: timedelta = timedelta(seconds=30),
        waits_s: tuple[float, ...] = WAITS_S,
    ) -> None:
        self._ledger = ledger
        self._bank = bank
        self._connect = connect
        self._vault = vault
        self._look_after_s = look_after.total_seconds()
        self._waits_s = waits_s

    def kinds(self) -> dict[str, Kind]:
        """What a worker has to know of these jobs."""
        kind = partial(Kind, time_limit_s=60, waits_s=self._waits_s, on_dead=self._give_up)
        return {
            INSTRUCT: kind(handler=self._instruct),
            CANCEL: kind(handler=self._cancel),
            # What it does not find out, another look may, for as long as the movement is open.
            LOOK: Kind(handler=self._look, time_limit_s=60, waits_s=self._waits_s),
        }

    def _instruct(self, job: Job, ctx: object) -> dict[str, Any]:
        movement = self._movement(job)
        if movement.status == "initiated":
            movement = self._noted(job, movement.id)
        if movement.status in OVER:
            return {"asked": False, "status": movement.status}
        asked = movement.instructed
        answer = _ask(
            self._bank.instruct, movement.id, asked.kind, asked.direction, asked.amount,
            asked.currency, self._account(movement), movement.id.hex,
        )  # fmt: skip
        return self._report(job, answer)

    def _noted(self, job: Job, movement_id: UUID) -> Movement:
        """The movement as the ledger has decided: sent, or called off."""
        outcome = self._tell(job, SendMovement(movement_id))
        state = outcome.state if outcome else None
        return state if isinstance(state, Movement) else self._movement(job)

    def _cancel(self, job: Job, ctx: object) -> dict[str, Any]:
        movement, reason = self._movement(job), _asked(job).reason
        if movement.status in OVER:
            return {"asked": False, "status": movement.status}
        if movement.status == "initiated" and self._tell(job, CallOff(movement.id, reason)):
            return {"asked": False, "status": "cancelled"}
        answer = _ask(self._bank.cancel, movement.id)
        if answer is None:
            # It may be on its way to the bank: only somebody who looks can tell.
            raise ExternalError("the bank has not heard of the movement that is to be called off")
        if answer.status == "cancelled":
            answer = BankAnswer(
                answer.movement_id, "cancelled", answer.bank_reference, reason, answer.sequence
            )
        elif answer.status == "accepted":
            # Too late to call it off, and too late in coming: somebody should know, and it goes on.
            self._tell(job, GiveUp(movement.id, reason))
        return self._report(job, answer)

    def _look(self, job: Job, ctx: object) -> dict[str, Any]:
        movement = self._movement(job)
        if movement.status in OVER and not movement.is_written_off:
            return {"asked": False, "status": movement.status}
        later = Again(min(self._look_after_s * 2 ** min(job.attempt, 20), _LONGEST_LOOK_S))
        try:
            answer = self._bank.status(movement.id)
        except OutboundError as error:
            _log.warning("movement %s is looked for later: %s", movement.id, error)
            raise later from None
        if answer is None and movement.is_written_off and job.attempt > _LOOKS_AFTER_ALL:
            return {"asked": True, "status": "unknown to the bank"}
        if answer is None or answer.status == "accepted":
            raise later
        return self._report(job, answer)

    def _report(self, job: Job, answer: BankAnswer) -> dict[str, Any]:
        """Bring an answer into the ledger, and with it the job's end; look again when it is not over."""
        told = {"status": answer.status, "bank_reference": answer.bank_reference}
        looks = [] if answer.status != "accepted" else [self._next_look(job, answer.movement_id)]

        def end(conn: Connection[Any]) -> None:
            put(conn, looks)
            finish(conn, job, told)

        command = ReportMovement(
            answer.movement_id, answer.status, answer.bank_reference, answer.reason, answer.sequence
        )
        news = self._tell(job, command, end)
        # It may have settled meanwhile, and then there is nothing to look for.
        if not news and looks and self._movement(job).status not in OVER:
            with self._connect() as conn:
                put(conn, looks)
        return told

    def _next_look(self, job: Job, movement_id: UUID) -> NewJob:
        return NewJob(
            id=look_id(movement_id),
            kind=LOOK,
            payload={"movement_id": str(movement_id)},
            queue=QUEUE,
            priority=8,
            delay_s=self._look_after_s,
            correlation_id=job.correlation_id,
            causation_id=str(job.id),
        )

    def _give_up(self, job: Job, failure: Failure, ctx: object, bury: Bury) -> None:
        """There is no further try: somebody has to find out."""
        reason = "bank_silent" if failure.category != "business" else _reason(failure)
        self._tell(job, GiveUp(_asked(job).movement_id, reason), bury)

    def _tell(
        self, job: Job, command: Command, beside: Callable[[Connection[Any]], None] | None = None
    ) -> Accepted | None:
        """What the ledger makes of it; None: it is no news, which is as good, and is not done again."""
        who = Provenance(
            actor="bank", correlation_id=job.correlation_id, causation_id=f"job:{job.id}"
        )
        done = self._ledger.submit_and_wait(Submission([command], who, beside=beside))
        outcome = done.outcomes[0]
        if not isinstance(outcome, Refused):
            return outcome
        if outcome.reason in (NOTHING_NEW, "already_sent"):
            return None
        raise BusinessError(f"refused: {outcome.reason}")

    def _movement(self, job: Job) -> Movement:
        movement_id = _asked(job).movement_id
        with self._connect() as conn:
            movement = load(conn, [movement_id])[movement_id]
        if not isinstance(movement, Movement):
            raise BusinessError(f"there is no movement {movement_id}")
        return movement

    def _account(self, movement: Movement) -> str:
        """The account at the other bank, in clear: it is needed nowhere else."""
        asked = movement.instructed
        if not is_sealed(asked.account):
            return asked.account
        assert asked.person_id is not None, "what is sealed is sealed for somebody"
        with self._connect() as conn:
            keys = person_keys.load_sync(conn, self._vault.masters, [asked.person_id])
        if asked.person_id not in keys:
            raise BusinessError("erased: whose account it is has been forgotten")
        where = place(asked.flow_id, "bank_transfer", "bank_account")
        return open_sealed(keys[asked.person_id], asked.account, where)


def _ask(call: Callable[..., Any], *args: object) -> Any:
    """What a bank answers. Raises what decides whether it is asked again."""
    try:
        return call(*args)
    except CircuitOpenError as error:
        # The bank was not asked: this is no try, and those before still count.
        raise Again(error.retry_after_s or _LEAST_WAIT_S, has_not_tried=True) from None
    except NeedsPersonError as error:
        raise BusinessError(f"{error.reason}: {error}") from error
    except OutboundError as error:
        # Who is not let in can be by the next try: that is for those who gave the token to mend.
        if error.transient or getattr(error, "status", 0) in (401, 403):
            raise ExternalError(str(error), retry_after_s=error.retry_after_s) from error
        raise BusinessError(f"{error.reason}: {error}") from error


def _reason(failure: Failure) -> str:
    """The code that an error begins with, after the name of its class."""
    code = failure.error.removeprefix(f"{BusinessError.__name__}: ").partition(":")[0].strip()
    return code if code.isidentifier() else "bank_api_error"


def _asked(job: Job) -> _Asked:
    return _Asked(UUID(job.payload["movement_id"]), job.payload.get("reason", ""))
