"""The services that stand in for those of others where all of it runs on one machine."""

from __future__ import annotations

import base64
import secrets
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from api.settings import Settings
from application.audit.files import replace_file

_HOST = "127.0.0.1"
_SETTLE_AFTER_S = 2.0
"""Long enough to see each step."""


class Sandbox(NamedTuple):
    """A service that is to run: by `command` with `secrets` in its environment, and with `settings` in that
    of those who ask it. The person whose installation it is finds its token in `header`, a file that
    curl takes."""

    name: str
    url: str
    header: Path
    command: tuple[str, ...]
    secrets: Mapping[str, str]
    settings: Mapping[str, str]


def needed(settings: Settings) -> list[Sandbox]:
    """One for each service that an installation does not have. Their secrets are new each time: nobody else
    knows them. Leaves their tokens in the installation's folder, which has to be there."""
    found = []
    if settings.BANK_URL is None:
        found.append(_bank(settings))
    if settings.BUREAU_URL is None:
        found.append(_bureau(settings))
    return found


def _bank(settings: Settings) -> Sandbox:
    return _sandbox(
        settings, "bank", _port(settings.PORT + 10), settings.BANK_WEBHOOK_SECRET,
        "--data", str(settings.DATA_DIR / "sandbox-bank.db"),
        "--settle-after", str(_SETTLE_AFTER_S),
    )  # fmt: skip


def _bureau(settings: Settings) -> Sandbox:
    port = _port(settings.PORT + 11)
    return _sandbox(settings, "bureau", port, settings.BUREAU_WEBHOOK_SECRET)


def _sandbox(
    settings: Settings, what: str, port: int, old_secrets: Sequence[str], *options: str
) -> Sandbox:
    token = secrets.token_urlsafe(24)
    signs_by = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
    command = (
        "sandbox", what, "--host", _HOST, "--port", str(port),
        "--webhook-url", f"http://{host}:{settings.PORT}/api/webhooks/incoming/{what}",
        *options,
    )  # fmt: skip
    url, header = f"http://{_HOST}:{port}", settings.DATA_DIR / f"sandbox-{what}.txt"
    replace_file(header, f"Authorization: Bearer {token}\n", mode=0o600)
    service = what.upper()
    return Sandbox(
        what,
        url,
        header,
        command,
        {"SANDBOX_WEBHOOK_SECRET": signs_by, "SANDBOX_TOKEN": token},
        {
            f"{service}_URL": url,
            f"{service}_TOKEN": token,
            f"{service}_WEBHOOK_SECRET": ",".join([signs_by, *old_secrets]),
        },
    )


def _port(wanted: int) -> int:
    """The port, or when that is taken or there is none such, one that is free."""
    for port in (wanted if wanted <= 65_535 else 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise AssertionError("there is always a port that is free")
