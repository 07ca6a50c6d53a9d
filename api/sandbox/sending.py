"""Sends webhooks of the sandbox, each until it is taken: over connections that are kept, many a second."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from api.sandbox.records import Webhook
from api.sandbox.signing import headers_of, key_of

_AT_ONCE = 8
_TIME_LIMIT_S = 15.0
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0


class TargetError(Exception):
    """Webhooks cannot be sent there, or not signed so; the message says why."""


class Sender:
    """`delivered` hears the id of each webhook that was taken, all copies of it."""

    def __init__(self, url: str, secret: str, delivered: Callable[[str], None]) -> None:
        self._target = _Target(url)
        try:
            self._key = key_of(secret)
        except ValueError as error:
            raise TargetError(str(error)) from error
        self._delivered = delivered
        self._waiting: asyncio.Queue[tuple[Webhook, int]] = asyncio.Queue()

    def post(self, webhook: Webhook) -> None:
        """Send it soon."""
        self._waiting.put_nowait((webhook, 0))

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as senders:
            for _ in range(_AT_ONCE):
                senders.create_task(self._send_all())

    async def _send_all(self) -> None:
        connection = _Connection(self._target)
        try:
            while True:
                webhook, tried = await self._waiting.get()
                if await self._send(connection, webhook):
                    self._delivered(webhook.id)
                else:
                    pause_s = min(_FIRST_PAUSE_S * 2**tried, _LONGEST_PAUSE_S)
                    again = (webhook, min(tried + 1, 10))
                    asyncio.get_running_loop().call_later(pause_s, self._waiting.put_nowait, again)
        finally:
            connection.close()

    async def _send(self, connection: _Connection, webhook: Webhook) -> bool:
        headers = headers_of(self._key, webhook.id, int(time.time()), webhook.body)
        try:
            for _ in range(webhook.copies):
                async with asyncio.timeout(_TIME_LIMIT_S):
                    status = await connection.post(headers, webhook.body)
                if not 200 <= status < 300:
                    return False
        except (OSError, EOFError, ValueError, LookupError, asyncio.LimitOverrunError):
            connection.close()
            return False
        return True


class Outbox:
    """A service's webhooks, signed with `secret`: from the first `aim` on they are sent."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._sender: Sender | None = None
        self._sending: asyncio.Task[None] | None = None

    def aim(self, url: str, delivered: Callable[[str], None]) -> None:
        """Send them there from now on; `delivered` hears what a `Sender`'s does. Raises `TargetError`."""
        self._sender = Sender(url, self._secret, delivered)
        if self._sending is not None:
            self._sending.cancel()
        self._sending = asyncio.create_task(self._sender.run())

    def post(self, webhook: Webhook) -> None:
        """Send it soon, if it is known where to."""
        if self._sender is not None:
            self._sender.post(webhook)

    async def close(self) -> None:
        """Send no more."""
        if self._sending is not None:
            self._sending.cancel()
            with suppress(asyncio.CancelledError):
                await self._sending


class _Target:
    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TargetError(f"webhooks go to http://... or https://..., not to {url!r}")
        self.host = parts.hostname
        self.tls = ssl.create_default_context() if parts.scheme == "https" else None
        self.port = parts.port or (443 if self.tls else 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.head = (
            f"POST {path} HTTP/1.1\r\nhost: {parts.netloc.rpartition('@')[2]}\r\n"
            "user-agent: daybook-sandbox\r\ncontent-type: application/json\r\n"
        )


class _Connection:
    """One at a time, kept as long as the other side does. A general client costs five times the time."""

    def __init__(self, target: _Target) -> None:
        self._target = target
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, headers: dict[str, str], body: bytes) -> int:
        """The status of the answer. Raises `OSError`, `EOFError` or `ValueError`."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = f"{self._target.head}{lines}content-length: {len(body)}\r\n\r\n".encode() + body
        if self._streams is not None:
            with suppress(OSError, EOFError):  # the other side may have ended it in the meantime
                return await self._exchange(*self._streams, request)
            self.close()
        self._streams = await asyncio.open_connection(
            self._target.host, self._target.port, ssl=self._target.tls
        )
        return await self._exchange(*self._streams, request)

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> int:
        writer.write(request)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        status = int(head[0].split(" ")[1])
        fields = dict(line.partition(":")[::2] for line in head[1:] if line)
        if status in (204, 304):
            return status
        length = fields.get("content-length", "").strip()
        if length.isdecimal() and "close" not in fields.get("connection", ""):
            await reader.readexactly(int(length))
        else:
            self.close()  # where its body ends is not worth knowing
        return status

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
