"""What is stored for ever: names, fields and bytes of events. A change here is a conscious act.

`stored_events.json` holds the shapes, and examples as some version once stored them. Add to it by
hand; what is there stays, since logs hold it.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from inspect import formatannotation
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec import NODEFAULT
from msgspec.structs import fields

from domain import catalogue
from domain.events import Event

GOLDEN: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "stored_events.json").read_text()
)


def shape(event: type[Event]) -> dict[str, dict[str, Any]]:
    """Type and default of each stored field; a field without a default is always there."""
    found = {}
    for field in fields(event):
        default = field.default
        if field.default_factory is not NODEFAULT:
            default = field.default_factory()
        if isinstance(default, tuple):
            default = list(default)  # as JSON has it
        found[field.encode_name] = {"type": formatannotation(field.type)} | (
            {} if default is NODEFAULT else {"default": default}
        )
    return found


def test_every_stored_name_and_shape_is_the_agreed_one() -> None:
    assert {topic: shape(event) for topic, event in catalogue.EVENT_TYPES.items()} == {
        topic: golden["fields"] for topic, golden in GOLDEN.items()
    }


@pytest.mark.parametrize("topic", GOLDEN)
def test_an_event_is_still_stored_with_the_same_bytes(topic: str) -> None:
    golden = GOLDEN[topic]
    for text in golden["examples"]:
        event = catalogue.decode(topic, text.encode())
        assert type(event) is catalogue.EVENT_TYPES[topic]
        assert catalogue.encode(event).decode() == text


@pytest.mark.parametrize("topic", GOLDEN)
def test_the_examples_show_each_field_and_the_least_that_is_stored(topic: str) -> None:
    golden = GOLDEN[topic]
    shown = [set(json.loads(text)) for text in golden["examples"]]
    required = {name for name, field in golden["fields"].items() if "default" not in field}
    assert required in shown
    assert set(golden["fields"]) in shown


def test_a_stored_name_begins_with_its_aggregate() -> None:
    for word, (events, _) in catalogue.AGGREGATES.items():
        assert {event.topic.partition(".")[0] for event in events} == {word}


def test_no_stored_name_is_used_twice() -> None:
    names = [event.topic for events, _ in catalogue.AGGREGATES.values() for event in events]
    assert len(set(names)) == len(names)


def test_dates_and_times_come_back_as_they_went() -> None:
    class Timed(Event, frozen=True):
        at: datetime
        on: date
        by: UUID

    event = Timed(datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), date(2026, 1, 2), UUID(int=7))
    assert msgspec.json.decode(catalogue.encode(event), type=Timed) == event


def test_an_unknown_field_is_not_ignored() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `reasons`"):
        catalogue.decode("transfer.voided", b'{"reasons":"x"}')
