"""The API does what its description says, whatever is sent: schemathesis over the running server."""

from __future__ import annotations

import pytest
from schemathesis import GenerationMode

from tests.support.customers import World
from tests.support.described import OPERATIONS, Sender, ids_of, send_made_up
from tests.support.described import world as world
from tests.support.people import bearer


# The server, in this process, may use `random` while a request is being made up.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.parametrize("label", sorted(OPERATIONS))
def test_every_route_answers_as_described(world: World, label: str) -> None:
    sender = Sender(str(world.admin.client.base_url), bearer)
    send_made_up([sender], label, 3, ids=ids_of(world.bert))
    send_made_up([sender], label, 3, GenerationMode.NEGATIVE)
    sender.send_limits(label, 1)
