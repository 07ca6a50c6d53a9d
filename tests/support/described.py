"""The API's description as schemathesis reads it, and what every answer is held against."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from api.policies import PUBLIC, ROUTES
from api.wiring import create_app
from tests.conftest import Database
from tests.support import people
from tests.support.customers import ALONE, Person, World, three_customers
from tests.support.serving import serving

Case = schemathesis.Case[Any]

BEYOND_SCHEMAS = {
    "conflicting_parameters",
    "empty_condition",
    "expiry_without_pending",
    "invalid_amount_format",  # more decimals than that currency has
    "invalid_bank_account",  # whose check digits do not fit, or both numbers
    "invalid_credit_limit",
    "invalid_cursor",
    "invalid_email_format",
    "invalid_expiry",  # in the past
    "invalid_if_match",  # at the limits "0" is made up, whatever the header's pattern
    "invalid_period",  # that ends before it begins
    "invalid_password_format",  # twice the same text, and longer for staff
    "invalid_scope",  # of no use to that role
    "invalid_sort",
    "invalid_webhook_url",  # that leads where nothing is sent
    "missing_fields",  # one of several
    "negative_amount",  # zero
    "reserved_id",  # of a version that is not for random ids
}
"""Why what fits its schema may be refused with 400: rules over several values, and those in words."""

NO_IDS: Mapping[str, str] = {}

_NO_THING = "2f5b6f0e-93a4-4d0c-8f0b-3d6a53c5d7e1"

_TOO_MUCH = ["412", "413", "414"]


def not_a_defect(
    context: schemathesis.CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """503 says to try again, and is described; any other 5xx is a defect."""
    assert response.status_code < 500 or response.status_code == 503, response.text


def accepted_if_it_fits(
    context: schemathesis.CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """What fits the description is understood, whatever the ledger then says to it."""
    meta = case.meta
    if meta is None or not meta.generation.mode.is_positive or response.status_code != 400:
        return
    reason = json.loads(response.text)["reason"]
    assert reason in BEYOND_SCHEMAS, response.text


def refused_if_it_does_not(
    context: schemathesis.CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """What does not fit the description is refused; a batch refuses each such item in its place."""
    if not (case.operation.label == "POST /api/transfers/batch" and response.status_code == 200):
        negative_data_rejection(context, response, case)


def other_methods_refused(
    context: schemathesis.CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """Methods that a path does not have are refused with 405, unless it is also another operation's,
    with a word for an id."""
    if "invalid_uuid_format" not in response.text:
        unsupported_method(context, response, case)


CHECKS: list[Any] = [
    not_a_defect,
    accepted_if_it_fits,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    refused_if_it_does_not,
    other_methods_refused,
    missing_required_header,
    allow_header_conformance,
]


def _load() -> Any:
    # The years that are taken; the description has them in words.
    first, last = datetime(1901, 1, 1), datetime(2199, 1, 1)  # noqa: DTZ001 - as they are wanted
    moments = st.datetimes(first, last, timezones=st.just(UTC)).map(datetime.isoformat)
    schemathesis.openapi.format("date-time", moments)
    description = create_app(people.settings(), "").openapi()
    # Whose the credentials are is for the tests to say, not for chance.
    for operations in description["paths"].values():
        for operation in operations.values():
            del operation["security"]
    schema = schemathesis.openapi.from_dict(description)
    schema.config.checks.negative_data_rejection.expected_statuses += _TOO_MUCH
    return schema


SCHEMA = _load()
OPERATIONS: dict[str, Any] = {
    operation.label: operation
    for operation in (r.ok() for r in SCHEMA.get_all_operations() if isinstance(r, Ok))
    if not operation.path.endswith("/stream")  # it never ends
}
GUARDED = sorted(label for label in OPERATIONS if ROUTES[label] != PUBLIC)


class Sender:
    """Sends requests as somebody, and checks the answers."""

    def __init__(self, base_url: str, credentials: Any) -> None:
        self._base_url = base_url
        self._credentials = credentials
        self._session = requests.Session()

    def send(self, case: Case) -> schemathesis.Response:
        # A random position never comes, and waiting for one is tested elsewhere.
        if isinstance(case.query, dict):
            case.query.pop("min_position", None)
        return case.call_and_validate(
            base_url=self._base_url,
            session=self._session,
            headers=self._credentials(),
            checks=CHECKS,
        )

    def send_limits(self, label: str, how_many: int) -> None:
        """So many of each kind of request at the limits of what is described, methods too that are not."""
        for cases in limits(label).values():
            for case in cases[:how_many]:
                self.send(case)


def send_made_up(
    senders: Sequence[Sender],
    label: str,
    how_many: int,
    mode: GenerationMode = GenerationMode.POSITIVE,
    ids: Mapping[str, str] = NO_IDS,
) -> None:
    """Random requests which fit the operation's description, or in the other mode do not, from each sender;
    if ids are given, then each once more, about what has these."""
    path = {name: id_ for name, id_ in ids.items() if f"{{{name}}}" in label}

    @settings(
        max_examples=how_many,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(OPERATIONS[label].as_strategy(generation_mode=mode))
    def sent(case: Case) -> None:
        for sender in senders:
            sender.send(case)
        if ids:
            case.path_parameters = {**case.path_parameters, **path}
            for sender in senders:
                sender.send(case)

    with suppress(Unsatisfiable):  # what takes anything has nothing that does not fit
        sent()


@pytest.fixture(scope="module")
def world(api_database: Database) -> Iterator[World]:
    """Three customers, on a server that asks for a second person above `ALONE`."""
    url = api_database.url
    with serving(url, FOUR_EYES_ABOVE=ALONE) as base, three_customers(base, url) as world:
        yield world


def ids_of(person: Person) -> dict[str, str]:
    """What parameters of paths are of a person; of things that this one has not, a good id of none."""
    none = dict.fromkeys(re.findall(r"{(\w+_id|key)}", " ".join(ROUTES)), _NO_THING)
    own = {f"{kind}_id": things[-1] for kind, things in person.things.items()}
    words = {"name": "balances", "position": "1", "role": "user", "correlation_id": "request-7"}
    more = {"provider": "bank", "code": "MX", "stream_id": own["account_id"]}
    return {**none, **own, **words, **more}


def limits(label: str) -> Mapping[str, list[Case]]:
    """Requests at the limits of an operation's description, by what is special about them."""
    found: dict[str, list[Case]] = defaultdict(list)
    for case in _coverage(label):
        data = case.meta.phase.data if case.meta is not None else None
        found[str(getattr(data, "scenario", None))].append(case)
    return found


def _coverage(label: str) -> Iterator[Case]:
    yield from SCHEMA.iter_coverage_cases(
        OPERATIONS[label],
        generation_modes=list(GenerationMode),
        generation_config=SCHEMA.config.generation,
    )
