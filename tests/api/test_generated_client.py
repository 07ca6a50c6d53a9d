"""A client that a program makes from the description works: its names, its types, and its problems."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from openapi_python_client import generate
from openapi_python_client.config import Config, ConfigFile, MetaType

from api.wiring import create_app
from tests.api.conftest import Bank
from tests.support import people
from tests.support.visitors import PASSWORD, new_email, register, visiting

NAME = "a_generated_client"


class Generated:
    """The client's modules, by name."""

    def operation(self, tag: str, name: str) -> Any:
        return import_module(f"{NAME}.api.{tag}.{name}").sync

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(f"{NAME}.models"), name)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generated]:
    folder = tmp_path_factory.mktemp("client")
    description = folder / "openapi.json"
    description.write_text(json.dumps(create_app(people.settings(), "").openapi()))
    make(description, folder / NAME)
    sys.path.insert(0, str(folder))
    yield Generated()
    sys.path.remove(str(folder))
    for module in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[module]


def make(description: Path, folder: Path) -> None:
    """Make a client in a folder; the generator has nothing to say of the description."""
    settings = Config.from_sources(
        ConfigFile(post_hooks=[]), MetaType.NONE, description, "utf-8", False, folder
    )
    assert [(error.header, error.detail) for error in generate(config=settings)] == []


def test_a_generated_client_moves_money_and_understands_a_refusal(
    generated: Generated, bank: Bank, base_url: str
) -> None:
    me = new_email()
    with visiting(base_url) as visitor:
        user = register(visitor, me)
    with import_module(NAME).Client(base_url=base_url) as client:
        credentials = generated.LoginIn(email=me, password=PASSWORD)
        login = generated.operation("auth", "log_in")(client=client, body=credentials)
    token = login.access_token
    with import_module(NAME).AuthenticatedClient(base_url=base_url, token=token) as client:
        one, other = (open_account(generated, client) for _ in range(2))
        assert str(one.owner_id) == user["id"]
        assert bank.move(bank.open("cash"), str(one.id), "20.00").status_code == 201

        posted = post(generated, client, one, other, "12.50")
        assert isinstance(posted, generated.TransferOut)
        again = post(generated, client, one, other, "12.50")
        assert again.id == posted.id, "the same key, the same transfer"

        read = generated.operation("transfers", "get_transfer")(
            posted.id, client=client, min_position=posted.position
        )
        assert (read.id, read.amount, read.status) == (posted.id, "12.50", "posted")

        refused = post(generated, client, one, other, "100.00")
        assert isinstance(refused, generated.ProblemOut)
        assert (refused.status, refused.reason) == (422, "insufficient_funds")
        assert refused.details.additional_properties["available"] == "7.50"


def open_account(generated: Generated, client: Any) -> Any:
    wanted = {"name": "Mine", "type": "checking", "currency": "EUR"}
    body = generated.AccountIn.from_dict(wanted)
    return generated.operation("accounts", "open_account")(client=client, body=body)


def post(generated: Generated, client: Any, source: Any, destination: Any, amount: str) -> Any:
    body = {
        "source_account_id": str(source.id),
        "destination_account_id": str(destination.id),
        "amount": amount,
        "currency": "EUR",
    }
    return generated.operation("transfers", "post_transfer")(
        client=client, body=generated.TransferIn.from_dict(body), idempotency_key=f"pay {amount}"
    )
