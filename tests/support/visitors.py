"""People who come to an API without credentials: they register, log in, and read their mail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from tests.support.serving import NO_TLS

PASSWORD = "password123!"

_numbers = count(1)


class Login(NamedTuple):
    """The tokens that somebody got."""

    access: str
    refresh: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}


@contextmanager
def visiting(base_url: str, address: str = "127.0.0.1") -> Iterator[httpx2.Client]:
    """A client that nobody knows, which comes from an address of this machine."""
    transport = httpx2.HTTPTransport(local_address=address, verify=NO_TLS)
    with httpx2.Client(base_url=base_url, timeout=30, transport=transport) as client:
        yield client


def new_email() -> str:
    """An address that nobody has yet."""
    return f"person-{next(_numbers)}@example.com"


def registration(email: str | None = None, **more: object) -> dict[str, object]:
    """The body of a registration."""
    return {
        "email": email or new_email(),
        "full_name": "Ann Lee",
        "password": PASSWORD,
        "password_confirmation": PASSWORD,
        **more,
    }


def register(client: httpx2.Client, email: str | None = None, **more: object) -> dict[str, Any]:
    """A new user, as it is answered."""
    answer = client.post("/api/users", json=registration(email, **more))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def try_login(client: httpx2.Client, email: str, password: str = PASSWORD) -> httpx2.Response:
    return client.post("/api/auth/login", json={"email": email, "password": password})


def log_in(client: httpx2.Client, email: str, password: str = PASSWORD) -> Login:
    answer = try_login(client, email, password)
    assert answer.status_code == 200, answer.text
    return login_of(answer)


def login_of(answer: httpx2.Response) -> Login:
    """The tokens in an answer."""
    body = answer.json()
    return Login(body["access_token"], body["refresh_token"])


def refresh(client: httpx2.Client, login: Login) -> httpx2.Response:
    return client.post("/api/auth/refresh", json={"refresh_token": login.refresh})


def mails(data_dir: Path) -> list[Message]:
    """What is in the mailbox of an installation, the oldest first."""
    return [
        message_from_bytes(path.read_bytes()) for path in sorted(data_dir.glob("mailbox/*.eml"))
    ]


def link_in(mail: Message) -> str:
    """The link that a mail wants to be opened."""
    found = re.search(r"^https?://\S+$", str(mail.get_payload()), re.MULTILINE)
    assert found is not None, mail
    return found[0]
