"""Signatures are those of Standard Webhooks, and nothing that is malformed gets past or breaks anything."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from application.webhooks.signing import (
    Proven,
    SecretError,
    SignatureError,
    headers_for,
    key_of,
    make_secret,
    sign,
    verify,
)

# Parameters of tests have to be the same in every process.
SECRET, OTHER = ("whsec_" + b64encode(sha256(word).digest()).decode() for word in (b"a", b"b"))
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BODY = '{"type":"investment.completed","data":{"name":"Zoë ⛵"}}'.encode()


def signed(at: datetime = NOW, body: bytes = BODY, *secrets: str) -> dict[str, str]:
    return headers_for(secrets or (SECRET,), "msg_1", at, body)


def test_a_known_message_has_the_signature_that_its_reference_libraries_give() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = datetime.fromtimestamp(1614265330, UTC)
    assert (
        sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}')
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_the_reference_implementation_takes_what_we_sign() -> None:
    now = datetime.now(UTC)
    Webhook(SECRET).verify(BODY, signed(now))
    Webhook(OTHER).verify(BODY, signed(now, BODY, SECRET, OTHER))


def test_we_take_what_the_reference_implementation_signs() -> None:
    headers = {
        "webhook-id": "msg_2",
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_2", NOW, BODY.decode()),
    }
    assert verify(headers, BODY, [OTHER, SECRET], NOW) == Proven("msg_2", NOW)


def test_a_time_is_the_same_in_every_zone() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=9)))
    assert signed(there) == signed(NOW)
    with pytest.raises(ValueError, match="without its zone"):
        sign(SECRET, "msg_1", NOW.replace(tzinfo=None), BODY)


def test_each_secret_has_a_signature_of_its_own_and_any_is_enough() -> None:
    headers = signed(NOW, BODY, SECRET, OTHER)
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (SECRET, OTHER):
        assert verify(headers, BODY, [secret], NOW).message_id == "msg_1"


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_message_is_good_for_a_while(seconds: int) -> None:
    assert verify(signed(), BODY, [SECRET], NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-301, 301, 10**8])
def test_a_message_of_another_time_is_refused(seconds: int) -> None:
    with pytest.raises(SignatureError):
        verify(signed(), BODY, [SECRET], NOW + timedelta(seconds=seconds))
    assert verify(signed(), BODY, [SECRET], NOW + timedelta(seconds=seconds), abs(seconds))


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": ""},
        {"webhook-id": "msg_2"},
        {"webhook-id": "msg.1"},
        {"webhook-id": "msg 1"},
        {"webhook-id": "m" * 201},
        {"webhook-id": "müll"},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "٣"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-timestamp": str(NOW.timestamp())},
        {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,not base64!"},
        {"webhook-signature": "v1,ünicode"},
        {"webhook-signature": "v1,a,b"},
        {"webhook-signature": "v1," + "A" * 43 + "="},
        {"webhook-signature": " , ,, v1"},
    ],
)
def test_whatever_is_wrong_is_one_refusal(changed: dict[str, str]) -> None:
    with pytest.raises(SignatureError):
        verify(signed() | changed, BODY, [SECRET], NOW)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_all_headers_are_needed(missing: str) -> None:
    headers = signed()
    del headers[missing]
    with pytest.raises(SignatureError):
        verify(headers, BODY, [SECRET], NOW)


@pytest.mark.parametrize("version", ["v1a", "v2", "V1", "", "v0"])
def test_other_versions_are_passed_over(version: str) -> None:
    good = signed()["webhook-signature"]
    other = f"{version},{good.partition(',')[2]}"
    with pytest.raises(SignatureError):
        verify(signed() | {"webhook-signature": other}, BODY, [SECRET], NOW)
    assert verify(signed() | {"webhook-signature": f"{other} {good}"}, BODY, [SECRET], NOW)


def test_another_body_or_secret_is_refused() -> None:
    for body, secret in ((BODY + b" ", SECRET), (b"", SECRET), (b"\xff", SECRET), (BODY, OTHER)):
        with pytest.raises(SignatureError):
            verify(signed(), body, [secret], NOW)
    with pytest.raises(SignatureError):
        verify(signed(), BODY, [], NOW)


@given(st.text(), st.text(), st.text(), st.binary())
def test_no_headers_break_it(id_: str, at: str, signature: str, body: bytes) -> None:
    headers = {"webhook-id": id_, "webhook-timestamp": at, "webhook-signature": signature}
    with pytest.raises(SignatureError):
        verify(headers, body, [SECRET], NOW)


def test_secrets_are_random_and_of_32_bytes() -> None:
    made = {make_secret() for _ in range(100)}
    assert len(made) == 100
    assert {len(key_of(secret)) for secret in made} == {32}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "whsec_!!!!",
        SECRET.removeprefix("whsec_"),
        "whsec_" + b64encode(b"k" * 23).decode(),
        "whsec_" + b64encode(b"k" * 65).decode(),
        SECRET + "ü",
    ],
)
def test_what_is_no_secret_is_refused_and_not_told(text: str) -> None:
    with pytest.raises(SecretError) as caught:
        key_of(text)
    assert not text or text not in str(caught.value) or text == "whsec_"


@pytest.mark.parametrize("size", [24, 64])
def test_secrets_of_others_may_be_shorter_or_longer(size: int) -> None:
    assert key_of("whsec_" + b64encode(b"k" * size).decode()) == b"k" * size
