"""Handles the jobs that tell people by mail: an address is opened here, and nowhere before."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct, convert
from psycopg import Connection

from application.jobs import BusinessError, ExternalError, Job, Kind
from application.ledger.reading import load
from application.notifications.templates import TEMPLATES, link_to
from application.people.registering import Mail
from application.people.vault import Vault, is_erased
from application.privacy import person_keys
from domain.users import User

Connect = Callable[[], AbstractContextManager[Connection[Any]]]

Deliver = Callable[[Mail, UUID, datetime], None]
"""Hands a mail over, which has an id and was written at a time; raises `NotSentError`."""

WAITS_S = (30.0, 300.0, 1_800.0, 7_200.0, 21_600.0)
"""Between tries: a mail server may be away for a night."""


class NotSentError(ExternalError):
    """A mail was not handed over; the message names nobody."""


class _Asked(Struct, frozen=True):
    person_id: UUID
    template: str
    values: dict[str, str]


class Emailer:
    """Sends mails; several threads may at once. Links in them begin with `public_url`."""

    def __init__(self, connect: Connect, vault: Vault, deliver: Deliver, public_url: str) -> None:
        self._connect = connect
        self._vault = vault
        self._deliver = deliver
        self._public_url = public_url

    def kind(self) -> Kind:
        """What a worker has to know of these jobs."""
        return Kind(handler=self.send, time_limit_s=60, waits_s=WAITS_S)

    def send(self, job: Job, ctx: object) -> dict[str, Any]:
        """Tell somebody, who may be gone by now. A try that is repeated sends a mail with the same id."""
        asked = convert(job.payload, _Asked)
        template = TEMPLATES.get(asked.template)
        if template is None:
            raise BusinessError(f"there is no mail called {asked.template}")
        address = self._address_of(asked.person_id)
        if address is None:
            return {"sent": False, "why": "there is nobody to send it to any more"}
        link = link_to(self._public_url, asked.values["flow"], asked.values["id"])
        words = {"flow": asked.values["flow"], "link": link}
        mail = Mail(address, template.subject.format(**words), template.text.format(**words))
        self._deliver(mail, job.id, job.created_at)
        return {"sent": True}

    def _address_of(self, person_id: UUID) -> str | None:
        """None of somebody who is unknown, barred, deleted or erased."""
        with self._connect() as conn:
            user = load(conn, [person_id])[person_id]
            key = person_keys.load_sync(conn, self._vault.masters, [person_id]).get(person_id)
        if not isinstance(user, User) or user.status != "active":
            return None
        address: str = self._vault.open_user(key, person_id, {"email": user.email})["email"]
        return None if is_erased(address) else address
