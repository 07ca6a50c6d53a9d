"""What a client wants answers to be like: the version of the API, and plain JSON or the envelope."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import unquote_to_bytes

import msgspec
from starlette.types import Message

VERSIONS = ("1",)

_PARAMETER = b"api_version"
_MEDIA_TYPE = re.compile(r"application/vnd\.daybook\.v([^+;,\s]*)\+json", re.IGNORECASE)
_ENVELOPE = "application/vnd.daybook.envelope+json"

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def unknown_version(headers: Mapping[str, str], query: bytes) -> str | None:
    """The version that the header X-API-Version, the query or Accept asks for in vain.

    Accept is a list to choose from: one version of it that is known is enough.
    """
    given = [headers["x-api-version"]] if "x-api-version" in headers else []
    if _PARAMETER in query:
        given += [unquote_to_bytes(v).decode("latin-1") for v in _versions_in(query)]
    offered = _MEDIA_TYPE.findall(headers.get("accept", ""))
    if not any(version in VERSIONS for version in offered):
        given += offered
    return next((version for version in given if version not in VERSIONS), None)


def without_version(query: bytes) -> bytes:
    """The query as the routes know it."""
    if _PARAMETER not in query:
        return query
    return b"&".join(piece for piece in query.split(b"&") if not _is_version(piece))


def _is_version(piece: bytes) -> bool:
    return piece.partition(b"=")[0] == _PARAMETER


def _versions_in(query: bytes) -> list[bytes]:
    return [piece.partition(b"=")[2] for piece in query.split(b"&") if _is_version(piece)]


def wants_envelope(headers: Mapping[str, str]) -> bool:
    """Whether answers are to be as those of the older API, which had them in an envelope."""
    accept = headers.get("accept", "").lower()
    return _ENVELOPE in accept and any(
        piece.partition(";")[0].strip() == _ENVELOPE for piece in accept.split(",")
    )


class Envelope:
    """Makes an answer of JSON that went well the older API's; other answers stay as they are."""

    def __init__(self, correlation_id: str) -> None:
        self._correlation_id = correlation_id
        self._start: Message | None = None
        self._parts: list[bytes] = []

    def take(self, message: Message) -> list[Message]:
        """Take the next message of the answer; answers those that can be sent by now."""
        if message["type"] == "http.response.start":
            is_ours = 200 <= message["status"] < 300 and _is_json(message["headers"])
            self._start, self._parts = (message, []) if is_ours else (None, [])
            return [] if is_ours else [message]
        if self._start is None:
            return [message]
        self._parts.append(message.get("body", b""))
        return [] if message.get("more_body", False) else self._whole(self._start)

    def _whole(self, start: Message) -> list[Message]:
        headers = dict(start["headers"])
        body = _wrapped(
            b"".join(self._parts), self._correlation_id, headers.get(b"daybook-position")
        )
        kept = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        kept.append((b"content-length", str(len(body)).encode()))
        return [{**start, "headers": kept}, {"type": "http.response.body", "body": body}]


def _is_json(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return dict(headers).get(b"content-type", b"").partition(b";")[0] == b"application/json"


def _wrapped(body: bytes, correlation_id: str, position: bytes | None) -> bytes:
    """A body of JSON in the envelope.

    `position` is that of the header Daybook-Position; without one it is the resource's own, if that
    has one. A list's members other than its rows become metadata.
    """
    data: object = msgspec.Raw(body)
    metadata: dict[str, object] = {}
    if body.startswith(b"{"):
        members = _members.decode(body)
        if "data" in members and "has_more" in members:
            data = members.pop("data")
            metadata.update(members)
        elif "position" in members:
            metadata["position"] = members["position"]
    if position is not None:
        metadata["position"] = msgspec.Raw(position)
    return msgspec.json.encode(
        {
            "data": data,
            "success": True,
            "timestamp": datetime.now(UTC),
            "correlation_id": correlation_id,
            "metadata": metadata,
        }
    )
