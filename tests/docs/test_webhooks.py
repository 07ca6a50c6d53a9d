"""What docs/webhooks.md shows is so: its ten lines verify, its types are those that are sent."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from application.notifications.rules import FLOWS, MESSAGE_TYPES
from application.webhooks.delivering import WAITS_S
from application.webhooks.signing import headers_for, make_secret
from tests.docs.documents import blocks
from tests.support.processes import ROOT

TEXT = (ROOT / "docs" / "webhooks.md").read_text()


def test_the_lines_that_verify_a_message_do() -> None:
    (source,) = [block.text for block in blocks() if block.language == "python verify"]
    shown: dict[str, Any] = {}
    exec(compile(source, "docs/webhooks.md", "exec"), shown)
    is_genuine = shown["is_genuine"]
    secret, other, now = make_secret(), make_secret(), datetime.now(UTC)
    body = '{"type":"webhook.test","data":{"name":"Zoë"}}'.encode()
    headers = headers_for([other, secret], "msg_1", now, body)
    assert is_genuine(secret, headers, body)
    assert is_genuine(other, headers, body)
    assert not is_genuine(make_secret(), headers, body)
    assert not is_genuine(secret, headers, body + b" ")
    assert not is_genuine(secret, headers | {"webhook-id": "msg_2"}, body)
    old = headers_for([secret], "msg_1", now - timedelta(minutes=6), body)
    assert not is_genuine(secret, old, body)


def test_the_types_are_those_that_are_sent() -> None:
    flows = "|".join(FLOWS)
    rows = re.findall(rf"^\| (`(?:{flows})\..*?) \|", TEXT, re.MULTILINE)
    found = set()
    for row in rows:
        flow = ""
        for word in re.findall(r"`([a-z_.]+)`", row):
            flow = word.partition(".")[0] or flow
            found.add(f"{flow}.{word.partition('.')[2]}")
    assert found == set(MESSAGE_TYPES)


def test_the_waits_are_those_that_are_waited() -> None:
    hours = [wait / 3600 for wait in WAITS_S[3:]]
    told = "5 seconds, 5 and 30 minutes, 2, 5, 10, 14, 20 and 24 hours"
    assert told in TEXT
    assert WAITS_S[:3] == (5, 300, 1800)
    assert hours == [2, 5, 10, 14, 20, 24]
