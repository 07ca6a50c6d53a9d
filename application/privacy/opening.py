"""Opens the sealed texts of an event for who may see them, and hides them from all others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from application.privacy.sealing import ERASED, SEALED, is_sealed, open_sealed, place


def open_event(
    stream_id: UUID, topic: str, data: Mapping[str, Any], key: bytes | None
) -> dict[str, Any]:
    """An event's data with texts in place of sealed ones, or `ERASED` when there is no key.

    A text inside of others is sealed for the field `outer.inner`, in a list for `outer.0`. Raises
    `SealBrokenError`.
    """

    def shown(sealed: str, field: str) -> str:
        return open_text(key, sealed, place(stream_id, topic, field))

    return _replaced(data, shown)


def hide_event(data: Mapping[str, Any], *, erased: bool) -> dict[str, Any]:
    """An event's data with `ERASED` or `SEALED` in place of sealed texts."""
    instead = ERASED if erased else SEALED
    return _replaced(data, lambda _sealed, _field: instead)


def open_text(key: bytes | None, sealed: str, where: str) -> str:
    """The text, or `ERASED` when its person has no key any more. Raises `SealBrokenError`."""
    return ERASED if key is None else open_sealed(key, sealed, where)


def _replaced(data: Mapping[str, Any], shown: Callable[[str, str], str]) -> dict[str, Any]:
    """The data with other texts for sealed ones, which are given together with their field."""

    def walk(value: Any, field: str) -> Any:
        if is_sealed(value):
            return shown(value, field)
        if isinstance(value, Mapping):
            return {name: walk(inner, f"{field}.{name}") for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [walk(inner, f"{field}.{number}") for number, inner in enumerate(value)]
        return value

    return {name: walk(value, name) for name, value in data.items()}
