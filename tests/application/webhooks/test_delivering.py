"""What happens is told to every endpoint that wants it, until it has got there or nothing more helps."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from standardwebhooks import Webhook

from application.jobs import Job, Kind, NewJob, put
from application.jobs.workers import Workers
from application.outbound.breaker_rules import Figures
from application.webhooks import deliveries, endpoints
from application.webhooks.delivering import WAITS_S, wait_asked_for
from application.webhooks.posting import Answered
from tests.application.webhooks.sending import AT, QUEUES, Sending
from tests.conftest import Database
from tests.support.jobs import Jobs, asked
from tests.support.receiver import Receiver, receiving
from tests.support.waiting import until

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def sending(database: Database) -> Sending:
    return Sending(database)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_a_happening_reaches_its_owner_signed(sending: Sending, receiver: Receiver) -> None:
    owner = sending.owner()
    made = sending.endpoint(owner, receiver.url)
    with sending.workers() as jobs:
        job = sending.happens(owner, id="7", amount="12.50")
        (delivery,) = sending.ends(jobs, "delivered")
    (got,) = receiver.got
    Webhook(made.secret).verify(got.body, got.headers)
    assert got.json == {
        "type": "investment.completed",
        "timestamp": AT.isoformat().replace("+00:00", "Z"),
        "data": {"id": "7", "amount": "12.50"},
    }
    assert got.headers["webhook-id"] == delivery.message_id == f"msg_{job.id.hex}"
    assert got.headers["content-type"] == "application/json"
    assert (delivery.attempts, delivery.answer_status, delivery.error) == (1, 200, None)
    assert delivery.tried_at is not None


def test_only_those_hear_of_it_whom_it_concerns(sending: Sending, receiver: Receiver) -> None:
    investor, manager, admin = sending.owner(), sending.owner(), sending.owner("admin")
    stranger, support = sending.owner(), sending.owner("support")
    suspended = sending.owner(status="suspended")
    barred_admin = sending.owner("admin", "deleted")
    wanted = [sending.endpoint(who, receiver.url).endpoint.id for who in (investor, manager, admin)]
    for who in (stranger, support, suspended, barred_admin):
        sending.endpoint(who, receiver.url)
    with sending.workers() as jobs:
        sending.happens(investor, manager, suspended)
        sending.ends(jobs, "delivered", "delivered", "delivered")
    assert {each.endpoint_id for each in sending.deliveries()} == set(wanted)
    assert len({each.message_id for each in sending.deliveries()}) == 1


@pytest.mark.parametrize(
    ("types", "is_wanted"),
    [
        ((), True),
        (("investment.completed",), True),
        (("withdrawal.*", "investment.*"), True),
        (("investment.failed",), False),
        (("withdrawal.*",), False),
    ],
)
def test_an_endpoint_gets_the_types_that_it_asks_for(
    sending: Sending, types: tuple[str, ...], is_wanted: bool
) -> None:
    owner = sending.owner()
    sending.endpoint(owner, "http://127.0.0.1:9/", *types)
    job = sending.happens(owner)
    assert fanned_out(sending, job.id) == {"deliveries": int(is_wanted)}
    assert len(sending.deliveries()) == int(is_wanted)


def fanned_out(sending: Sending, job_id: UUID) -> object:
    """What the job comes to, done by hand."""
    with sending.database.connect() as conn:
        row = conn.execute("SELECT payload FROM jobs WHERE id = %s", (job_id,)).fetchone()
    assert row is not None
    job = Job(
        id=job_id, kind="webhook.fan_out", queue="notifications", priority=5, payload=row[0],
        attempt=1, worker="", created_at=NOW, started_at=NOW,
    )  # fmt: skip
    return sending.deliverer.fan_out(job, None)


def test_doing_it_twice_sends_it_once(sending: Sending, receiver: Receiver) -> None:
    owner = sending.owner()
    sending.endpoint(owner, receiver.url)
    job = sending.happens(owner)
    fanned_out(sending, job.id)
    with sending.workers() as jobs:
        sending.ends(jobs, "delivered")
        until(lambda: jobs.count("done") == 2)
    fanned_out(sending, job.id)
    assert len(receiver.got) == len(sending.deliveries()) == 1


def test_a_disabled_endpoint_gets_nothing(sending: Sending, receiver: Receiver) -> None:
    owner = sending.owner()
    made = sending.endpoint(owner, receiver.url)
    job = sending.happens(owner)
    fanned_out(sending, job.id)
    asked(sending.database, endpoints.disable, made.endpoint.id, "why not")
    fanned_out(sending, sending.happens(owner).id)
    with sending.workers() as jobs:
        (delivery,) = sending.ends(jobs, "failed")
    assert (delivery.error, delivery.attempts) == ("the endpoint is disabled", 0)
    assert receiver.got == []


def test_what_fails_is_tried_again_with_the_same_id(sending: Sending, receiver: Receiver) -> None:
    owner = sending.owner()
    made = sending.endpoint(owner, receiver.url)
    receiver.will(500, 302, 404)
    with sending.workers() as jobs:
        sending.happens(owner)
        (delivery,) = sending.ends(jobs, "delivered")
        assert jobs.outcomes(delivery.id) == ["external", "external", "external", "done"]
    assert (delivery.attempts, delivery.answer_status, delivery.error) == (4, 200, None)
    assert {got.headers["webhook-id"] for got in receiver.got} == {delivery.message_id}
    for got in receiver.got:
        Webhook(made.secret).verify(got.body, got.headers)


def test_after_ten_tries_a_delivery_has_failed(sending: Sending, receiver: Receiver) -> None:
    assert len(WAITS_S) == 9
    owner = sending.owner()
    sending.endpoint(owner, receiver.url)
    receiver.will(*[503] * 10)
    with sending.workers() as jobs:
        sending.happens(owner)
        (delivery,) = sending.ends(jobs, "failed")
        until(lambda: jobs.of(delivery.id, "status") == "dead")
        assert "503" in jobs.of(delivery.id, "error")
    assert (delivery.attempts, delivery.answer_status) == (10, 503)
    assert delivery.error == "it answered 503"
    assert len(receiver.got) == 10


def test_who_is_gone_is_left_alone(sending: Sending, receiver: Receiver) -> None:
    owner = sending.owner()
    made = sending.endpoint(owner, receiver.url)
    receiver.will(410)
    with sending.workers() as jobs:
        sending.happens(owner)
        (delivery,) = sending.ends(jobs, "failed")
        until(lambda: jobs.of(delivery.id, "status") == "done")
    endpoint = asked(sending.database, endpoints.find, made.endpoint.id)
    assert endpoint is not None
    assert (endpoint.status, endpoint.disabled_because) == ("disabled", "it answered 410 Gone")
    assert (delivery.attempts, delivery.answer_status) == (1, 410)
    assert fanned_out(sending, sending.happens(owner).id) == {"deliveries": 0}


def test_who_has_too_much_to_do_is_asked_later(sending: Sending, receiver: Receiver) -> None:
    owner = sending.owner()
    sending.endpoint(owner, receiver.url)
    receiver.will(429, Retry_After="3600")
    with sending.workers() as jobs:
        sending.happens(owner)
        until(lambda: [each.attempts for each in sending.deliveries()] == [1])
        delivery = sending.only_delivery()
        until(lambda: jobs.of(delivery.id, "status") == "waiting")
        wait = jobs.of(delivery.id, "due_at - clock_timestamp()")
    assert timedelta(minutes=50) < wait <= timedelta(hours=1)


@pytest.mark.parametrize(
    ("status", "header", "wait_s"),
    [
        (500, None, None),
        (503, "120", 120.0),
        (500, "soon", 0.0),
        (429, None, 60.0),
        (429, "1", 60.0),
        (429, "90", 90.0),
        (502, None, 60.0),
        (504, "nonsense", 60.0),
        (500, "Mon, 01 Jan 99999999999999999999 00:00:00 GMT", 0.0),
        (429, "9" * 30, 86_400.0),
        (503, "Sun, 01 Mar 2026 12:10:00 GMT", 600.0),
        (503, "Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        (503, "Sun, 01 Mar 2126 12:00:00 GMT", 86_400.0),
    ],
)
def test_how_long_the_other_side_is_left_alone(
    status: int, header: str | None, wait_s: float | None
) -> None:
    assert wait_asked_for(Answered(status, retry_after=header), NOW) == wait_s


def test_for_a_day_the_old_secret_signs_beside_the_new_one(
    sending: Sending, receiver: Receiver
) -> None:
    owner = sending.owner()
    old = sending.endpoint(owner, receiver.url)
    new = asked(sending.database, endpoints.rotate, sending.secrets, old.endpoint.id, sending.now)
    assert new is not None
    assert new.secret != old.secret
    with sending.workers() as jobs:
        sending.happens(owner)
        sending.ends(jobs, "delivered")
        Webhook(old.secret).verify(receiver.got[0].body, receiver.got[0].headers)
        Webhook(new.secret).verify(receiver.got[0].body, receiver.got[0].headers)
        sending.now += timedelta(hours=24)
        sending.happens(owner)
        sending.ends(jobs, "delivered", "delivered")
    assert [len(g.headers["webhook-signature"].split(" ")) for g in receiver.got] == [2, 1]


def test_secrets_are_kept_sealed(sending: Sending) -> None:
    made = sending.endpoint(sending.owner(), "http://127.0.0.1:9/")
    asked(sending.database, endpoints.rotate, sending.secrets, made.endpoint.id, NOW)
    with sending.database.connect() as conn:
        row = conn.execute("SELECT secret, old_secret FROM webhook_endpoints").fetchone()
    assert row is not None
    assert all(kept.startswith("sealed:1:") for kept in row)
    assert sending.secrets.open(made.endpoint.id, row[1]) == made.secret


def test_an_endpoint_that_keeps_failing_is_not_called_for_a_while(
    database: Database, receiver: Receiver
) -> None:
    sending = Sending(database, {"webhooks": Figures(failures=2, window_s=3600, open_s=3600)})
    owner = sending.owner()
    sending.endpoint(owner, receiver.url)
    with receiving() as healthy:
        sending.endpoint(owner, healthy.url)
        receiver.will(*[500] * 20)
        with sending.workers() as jobs:
            for _ in range(5):
                sending.happens(owner)
            until(lambda: len(healthy.got) == 5)
            until(lambda: len(receiver.got) >= 2)
            late = sending.happens(owner)
            until(lambda: jobs.of(late.id, "status") == "done")
            until(lambda: len(healthy.got) == 6)
        waiting = sending.deliveries(status="waiting")
    # At most as many as were under way when the second one failed.
    assert 2 <= len(receiver.got) <= 4
    assert len(waiting) == 6


def test_who_has_silent_endpoints_waits_for_them_alone(
    database: Database, receiver: Receiver
) -> None:
    sending = Sending(database, limit_s=600.0)
    silent, another = sending.owner(), sending.owner()
    receiver.hangs = threading.Event()
    for _ in range(5):
        sending.endpoint(silent, receiver.url)
    mails: list[UUID] = []
    kinds = {**sending.deliverer.kinds(), "mail": Kind(lambda job, ctx: mails.append(job.id))}
    with (
        receiving() as healthy,
        Workers(database.url, kinds, concurrency=QUEUES),
        database.connect() as conn,
    ):
        jobs = Jobs(conn)
        sending.endpoint(another, healthy.url)
        sending.happens(silent)
        until(lambda: len(receiver.got) == 1)
        until(lambda: len(sending.deliveries()) == 5)
        others = [each.id for each in sending.deliveries() if each.attempts == 0]
        # Each but the one that hangs has had to wait for its turn.
        until(lambda: sum(jobs.of(each, "attempts") > 1 for each in others) == 4)
        sending.happens(another)
        until(lambda: len(healthy.got) == 1)
        put(conn, [NewJob(id=uuid4(), kind="mail", payload={}, queue="notifications")])
        until(lambda: len(mails) == 1)
        assert len(receiver.got) == 1
        receiver.hangs.set()
        sending.ends(jobs, *["delivered"] * 6)
        assert sum(len(jobs.outcomes(each)) for each in others) == 5


def test_a_replay_waits_for_the_one_before(sending: Sending) -> None:
    owner = sending.owner()
    endpoint_id = sending.endpoint(owner, "http://127.0.0.1:9/").endpoint.id
    fanned_out(sending, sending.happens(owner).id)
    since = sending.only_delivery().created_at
    with sending.database.connect() as conn:
        conn.execute("UPDATE jobs SET status = 'done'")

    def replay() -> int:
        replay_since = deliveries.replay_since
        made, _ = asked(sending.database, replay_since, endpoint_id, since, "", only_failed=False)
        return len(made)

    assert replay() == 1
    with pytest.raises(deliveries.ReplayUnderWayError):
        replay()
    with sending.database.connect() as conn:
        conn.execute("UPDATE jobs SET status = 'done'")
    assert replay() == 1


def test_one_message_is_sent_again_with_its_id(sending: Sending, receiver: Receiver) -> None:
    owner = sending.owner()
    sending.endpoint(owner, receiver.url)
    with sending.workers() as jobs:
        sending.happens(owner, id="1")
        (first,) = sending.ends(jobs, "delivered")
        (again,) = asked(sending.database, deliveries.replay, [first], "request-7")
        sending.ends(jobs, "delivered", "delivered")
    assert [got.headers["webhook-id"] for got in receiver.got] == [first.message_id] * 2
    assert [got.body for got in receiver.got] == [first.body.encode()] * 2
    found = asked(sending.database, deliveries.find, again)
    assert found is not None
    assert found.replays == first.id


def test_what_was_missed_since_a_time_is_found(sending: Sending, receiver: Receiver) -> None:
    owner = sending.owner()
    made = sending.endpoint(owner, receiver.url)
    receiver.will(200, 410)
    with sending.workers() as jobs:
        sending.happens(owner, id="1")
        sending.ends(jobs, "delivered")
        sending.happens(owner, id="2")
        first, second = sending.ends(jobs, "delivered", "failed")
        until(lambda: jobs.count("done") == 4)

    def since(at: datetime, *, only_failed: bool = False, limit: int = 10) -> list[UUID]:
        found = asked(
            sending.database,
            deliveries.over_since,
            made.endpoint.id,
            at,
            only_failed=only_failed,
            limit=limit,
        )
        return [each.id for each in found]

    assert since(first.created_at) == [first.id, second.id]
    assert since(first.created_at, limit=1) == [first.id]
    assert since(second.created_at) == [second.id]
    assert since(first.created_at, only_failed=True) == [second.id]
    asked(sending.database, endpoints.enable, made.endpoint.id)
    asked(sending.database, deliveries.replay, [second], "")
    assert since(first.created_at, only_failed=True) == []


def test_a_message_that_is_too_large_is_never_sent(sending: Sending) -> None:
    owner = sending.owner()
    with sending.workers() as jobs:
        job = sending.happens(owner, text="x" * 20_000)
        until(lambda: jobs.of(job.id, "status") == "dead")
        assert "20000" in jobs.of(job.id, "error")
    assert sending.deliveries() == []


def test_an_owner_has_so_many_endpoints_and_no_more(sending: Sending) -> None:
    owner = sending.owner()
    for _ in range(endpoints.MAX_ENDPOINTS):
        sending.endpoint(owner, "https://example.com/")
    with pytest.raises(endpoints.TooManyEndpointsError):
        sending.endpoint(owner, "https://example.com/")
    sending.endpoint(uuid4(), "https://example.com/")
