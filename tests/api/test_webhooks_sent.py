"""From the API to a receiver and back into the log of deliveries, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import uuid4

import httpx2
import psycopg
import pytest
from standardwebhooks import Webhook

from api.databases import webhooks_allowed
from api.secrets import master_keys
from application.jobs.workers import Workers
from application.outbound.breaker import Breakers
from application.webhooks.delivering import Deliverer
from application.webhooks.posting import Poster
from application.webhooks.secrets import Secrets
from tests.api.conftest import Json, problem_of
from tests.conftest import Database
from tests.support.jobs import Jobs
from tests.support.people import settings
from tests.support.receiver import Receiver, receiving
from tests.support.serving import client_of, serving
from tests.support.waiting import until


class World(NamedTuple):
    """A customer of an API with a worker beside it, and a receiver."""

    client: httpx2.Client
    receiver: Receiver
    jobs: Jobs

    def endpoint(self, **more: Any) -> Json:
        answer = self.client.post(
            "/api/webhooks/endpoints", json={"url": self.receiver.url, **more}
        )
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def post(self, path: str, **body: Any) -> Json:
        answer = self.client.post(f"/api/webhooks/{path}", json=body)
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def delivery(self, delivery_id: str) -> Json:
        return dict(self.client.get(f"/api/webhooks/deliveries/{delivery_id}").json())

    def ends(self, delivery_id: str, status: str) -> Json:
        def is_over() -> bool:
            self.jobs.hurry()
            return bool(self.delivery(delivery_id)["status"] == status)

        until(is_over)
        return self.delivery(delivery_id)


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    chosen = settings(WEBHOOKS_ALLOW_PRIVATE=True)
    poster = Poster(webhooks_allowed(chosen))
    deliverer = Deliverer(
        lambda: psycopg.connect(database.url, autocommit=True),
        Secrets.load(database.url, master_keys(chosen)),
        poster.post,
        Breakers(),
    )
    with (
        serving(database.url, projecting=False, WEBHOOKS_ALLOW_PRIVATE=True) as url,
        client_of(url, "user", uuid4()) as client,
        Workers(database.url, deliverer.kinds(), concurrency={"notifications": 1, "webhooks": 2}),
        database.connect() as conn,
        receiving() as receiver,
    ):
        yield World(client, receiver, Jobs(conn))
    poster.close()


def test_a_test_message_arrives_signed_and_is_in_the_log(world: World) -> None:
    endpoint = world.endpoint(types=["investment.completed"])
    answer = world.client.post(f"/api/webhooks/endpoints/{endpoint['id']}/test")
    sent = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/webhooks/deliveries/{sent['id']}"
    assert sent["type"] == "webhook.test"
    found = world.ends(sent["id"], "delivered")
    (got,) = world.receiver.got
    told = Webhook(endpoint["secret"]).verify(got.body, got.headers)
    assert told["type"] == "webhook.test"
    assert told["data"] == {"endpoint_id": endpoint["id"]}
    assert found["body"] == told
    assert got.headers["webhook-id"] == found["message_id"]
    assert (found["attempts"], found["answer_status"]) == (1, 200)
    until(
        lambda: [each["outcome"] for each in world.delivery(sent["id"])["attempt_log"]] == ["done"]
    )


def test_each_try_is_in_the_log_and_a_replay_beside_it(world: World) -> None:
    endpoint = world.endpoint()
    world.receiver.will(500, 410)
    sent = world.post(f"endpoints/{endpoint['id']}/test")
    failed = world.ends(sent["id"], "failed")
    assert (failed["attempts"], failed["answer_status"]) == (2, 410)
    shown = world.client.get(f"/api/webhooks/endpoints/{endpoint['id']}").json()
    assert (shown["status"], shown["disabled_because"]) == ("disabled", "it answered 410 Gone")

    world.client.post(f"/api/webhooks/endpoints/{endpoint['id']}/enable")
    until(lambda: not_under_way(world, sent["id"]))
    answer = world.client.post(f"/api/webhooks/deliveries/{sent['id']}/replay")
    again = answer.json()
    assert answer.headers["location"] == f"/api/webhooks/deliveries/{again['id']}"
    assert (again["replays"], again["message_id"]) == (sent["id"], sent["message_id"])
    world.ends(again["id"], "delivered")
    assert world.receiver.got[-1].body == world.receiver.got[0].body

    def of(**params: str) -> list[str]:
        page = world.client.get("/api/webhooks/deliveries", params=params).json()
        return [row["id"] for row in page["data"]]

    assert of() == [again["id"], sent["id"]]
    assert of(status="failed") == [sent["id"]]
    assert of(status="delivered", endpoint_id=endpoint["id"]) == [again["id"]]
    assert of(type="webhook.test") == of()
    assert of(type="investment.completed") == of(endpoint_id=str(uuid4())) == []
    assert of(**{"from": again["created_at"]}) == [again["id"]]
    assert of(to=again["created_at"]) == [sent["id"]]


def not_under_way(world: World, delivery_id: str) -> bool:
    return [each["outcome"] for each in world.delivery(delivery_id)["attempt_log"]] == [
        "external",
        "done",
    ]


def test_what_is_still_tried_is_not_sent_beside_that(world: World) -> None:
    endpoint = world.endpoint()
    world.receiver.will(429, Retry_After="3600")
    sent = world.post(f"endpoints/{endpoint['id']}/test")
    until(lambda: world.delivery(sent["id"])["attempts"] == 1)
    answer = world.client.post(f"/api/webhooks/deliveries/{sent['id']}/replay")
    problem_of(answer, 409, "webhook_delivery_under_way")
    since = {"since": "2020-01-01"}
    assert world.post(f"endpoints/{endpoint['id']}/replay", **since)["replayed"] == 0


def test_all_since_a_time_is_sent_again(world: World) -> None:
    endpoint = world.endpoint()
    began = datetime.now(UTC).isoformat()
    sent = []
    for _ in range(3):
        sent.append(world.post(f"endpoints/{endpoint['id']}/test")["id"])
        world.ends(sent[-1], "delivered")
    until(lambda: world.jobs.count("done") == 3)
    path = f"endpoints/{endpoint['id']}/replay"
    assert world.post(path, since=began, only_failed=True)["replayed"] == 0
    replayed = world.post(path, since=began)
    assert (replayed["replayed"], replayed["next_since"]) == (3, None)
    for id_ in replayed["deliveries"]:
        world.ends(id_, "delivered")
    until(lambda: world.jobs.count("done") == 6)
    ids = [got.headers["webhook-id"] for got in world.receiver.got]
    assert sorted(ids[:3]) == sorted(ids[3:])
    assert [world.delivery(id_)["replays"] for id_ in replayed["deliveries"]] == sent
    world.receiver.will(*[429] * 3, Retry_After="3600")
    world.post(path, since=began)
    answer = world.client.post(f"/api/webhooks/{path}", json={"since": began})
    problem_of(answer, 409, "webhook_replay_under_way")
    answer = world.client.post(f"/api/webhooks/{path}", json={})
    problem_of(answer, 400, "missing_fields")
