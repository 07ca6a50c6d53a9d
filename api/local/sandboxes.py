"""The services that stand in for those of others where all of it runs on one machine."""

from __future__ import annotations

import base64
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from api.settings import Settings
from application.audit.files import replace_file

_HOST = "127.0.0.1"
_SETTLE_AFTER_S = 2.0
"""Long enough to see each step."""


class SandboxBank(NamedTuple):
    """A bank that is to run: by `command` with `secrets` in its environment, and with `settings` in that of
    those who ask it. The person whose installation it is finds its token in `header`, a file that
    curl takes."""

    url: str
    header: Path
    command: tuple[str, ...]
    secrets: Mapping[str, str]
    settings: Mapping[str, str]


def bank_for(settings: Settings) -> SandboxBank | None:
    """A bank for an installation that has none. Its secrets are new each time: nobody else knows it.
    Leaves its token in the installation's folder, which has to be there."""
    if settings.BANK_URL is not None:
        return None
    port, token = _port(settings.PORT + 10), secrets.token_urlsafe(24)
    signs_by = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
    command = (
        "sandbox", "bank", "--host", _HOST, "--port", str(port),
        "--data", str(settings.DATA_DIR / "sandbox-bank.db"),
        "--webhook-url", f"http://{host}:{settings.PORT}/api/webhooks/incoming/bank",
        "--settle-after", str(_SETTLE_AFTER_S),
    )  # fmt: skip
    url, header = f"http://{_HOST}:{port}", settings.DATA_DIR / "sandbox-bank.txt"
    replace_file(header, f"Authorization: Bearer {token}\n", mode=0o600)
    return SandboxBank(
        url,
        header,
        command,
        {"SANDBOX_WEBHOOK_SECRET": signs_by, "SANDBOX_TOKEN": token},
        {
            "BANK_URL": url,
            "BANK_TOKEN": token,
            "BANK_WEBHOOK_SECRET": ",".join([signs_by, *settings.BANK_WEBHOOK_SECRET]),
        },
    )


def _port(wanted: int) -> int:
    """The port, or when that is taken, one that is free."""
    for port in (min(wanted, 65_535), 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise AssertionError("there is always a port that is free")
