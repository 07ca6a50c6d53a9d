"""The API does what its description says, whatever is sent: schemathesis over the running server."""

from __future__ import annotations

import pytest
from schemathesis import GenerationMode

from tests.support.described import OPERATIONS, Sender
from tests.support.people import bearer


# The server, in this process, may use `random` while a request is being made up.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.parametrize("label", sorted(OPERATIONS))
def test_every_route_answers_as_described(base_url: str, label: str) -> None:
    sender = Sender(base_url, bearer)
    sender.send_made_up(label, GenerationMode.POSITIVE, 10)
    sender.send_made_up(label, GenerationMode.NEGATIVE, 6)
    sender.send_limits(label, 1)
