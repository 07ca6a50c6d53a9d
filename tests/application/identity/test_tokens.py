"""Tokens: what was not signed here, or not for this, or is over, is not taken."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.identity.errors import TokenError
from application.identity.sessions import ACCESS_LIFE, REFRESH_LIFE, Session
from application.identity.tokens import Signer, VerifiedTokens
from tests.application.identity.times import NOW, after

SECRET, OTHER = "first secret " * 3, "second secret " * 3
USER, SESSION = UUID(int=1), Session(UUID(int=2), UUID(int=1), UUID(int=3), NOW + REFRESH_LIFE)

SIGNER = Signer([SECRET])
ACCESS = SIGNER.issue_access(USER, "admin", SESSION.id, NOW).token


def header(token: str) -> dict[str, Any]:
    return jwt.get_unverified_header(token)


def said(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def forged(
    claims: dict[str, Any] | None = None, head: dict[str, Any] | None = None, secret: str = SECRET
) -> str:
    """The access token, said otherwise, and signed with the secret. A claim that is None is left out."""
    payload = {**said(ACCESS), **(claims or {})}
    return pieced(
        {**header(ACCESS), **(head or {})},
        {name: value for name, value in payload.items() if value is not None},
        secret,
    )


def pieced(head: object, payload: object, secret: str) -> str:
    signed = f"{encoded(json.dumps(head).encode())}.{encoded(json.dumps(payload).encode())}"
    mac = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{encoded(mac)}"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def reason(token: str, type: Any = "access", now: Any = NOW, signer: Signer = SIGNER) -> str:
    with pytest.raises(TokenError) as refused:
        signer.verify(token, type, now)
    return refused.value.reason


def test_an_access_token_says_who_comes() -> None:
    issued = SIGNER.issue_access(USER, "admin", SESSION.id, NOW)
    claims = SIGNER.verify(issued.token, "access", NOW)
    assert (claims.user_id, claims.role, claims.session_id) == (USER, "admin", SESSION.id)
    assert claims.jti == issued.jti != SIGNER.issue_access(USER, "admin", SESSION.id, NOW).jti
    assert issued.expires_at == NOW.replace(microsecond=0) + ACCESS_LIFE
    assert claims.expires_at - claims.issued_at == 900
    assert header(issued.token)["typ"] == "at+jwt"
    assert said(issued.token) == {
        "sub": str(USER),
        "role": "admin",
        "sid": str(SESSION.id),
        "type": "access",
        "iss": "daybook",
        "aud": "daybook-api",
        "iat": int(NOW.timestamp()),
        "nbf": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 900,
        "jti": str(issued.jti),
    }


def test_a_refresh_token_is_the_sessions() -> None:
    issued = SIGNER.issue_refresh(SESSION, NOW)
    claims = SIGNER.verify(issued.token, "refresh", NOW)
    assert (claims.user_id, claims.session_id) == (USER, SESSION.id)
    assert claims.jti == issued.jti == SESSION.refresh_id
    assert claims.expires_at - claims.issued_at == 604_800
    assert header(issued.token)["typ"] == "rt+jwt"


def test_a_link_is_for_one_purpose() -> None:
    issued = SIGNER.issue_link(USER, "verify_email", "d1gest", NOW, life_s=60)
    claims = SIGNER.verify(issued.token, "link", after(seconds=59))
    assert (claims.user_id, claims.purpose, claims.subject_digest) == (
        USER,
        "verify_email",
        "d1gest",
    )
    assert reason(issued.token, "link", after(seconds=60)) == "token_expired"


def test_a_token_is_over_at_its_very_second() -> None:
    ends = SIGNER.issue_access(USER, "user", SESSION.id, NOW).expires_at
    SIGNER.verify(ACCESS, "access", ends - timedelta(microseconds=1))
    assert reason(ACCESS, now=ends) == "token_expired"
    assert reason(ACCESS, now=ends + timedelta(seconds=1)) == "token_expired"


def test_a_token_is_not_good_before_its_time() -> None:
    assert reason(ACCESS, now=after(seconds=-1)) == "token_not_yet_valid"
    late = forged({"nbf": int(after(seconds=5).timestamp())})
    assert reason(late) == "token_not_yet_valid"
    SIGNER.verify(late, "access", after(seconds=5))


@pytest.mark.parametrize("is_due", ["access", "refresh", "link"])
def test_each_token_is_for_its_own_use(is_due: Any) -> None:
    tokens = {
        "access": ACCESS,
        "refresh": SIGNER.issue_refresh(SESSION, NOW).token,
        "link": SIGNER.issue_link(USER, "reset_password", "", NOW, 60).token,
    }
    for type, token in tokens.items():
        if type == is_due:
            assert SIGNER.verify(token, is_due, NOW).type == type
        else:
            assert reason(token, is_due) == "invalid_token_type"


@pytest.mark.parametrize(
    "claim", ["sub", "role", "sid", "type", "iss", "aud", "iat", "nbf", "exp", "jti"]
)
def test_every_claim_is_required(claim: str) -> None:
    with pytest.raises(TokenError, match="missing_required_claims") as refused:
        SIGNER.verify(forged({claim: None}), "access", NOW)
    assert refused.value.details == {"missing": [claim]}


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"iss": "another"}, "invalid_issuer"),
        ({"aud": "another"}, "invalid_audience"),
        ({"aud": ["daybook-api", "another"]}, "invalid_audience"),
        ({"type": "other"}, "invalid_token_type"),
        ({"type": ["access"]}, "invalid_token_type"),
        ({"sub": "somebody"}, "invalid_token"),
        ({"exp": "tomorrow"}, "invalid_token"),
        ({"exp": 1e18}, "invalid_token"),
        ({"role": 1}, "invalid_token"),
    ],
)
def test_claims_are_looked_at(claims: dict[str, Any], expected: str) -> None:
    assert reason(forged(claims)) == expected


FORGERIES = {
    "empty": "",
    "garbage": "garbage",
    "three parts": "a.b.c",
    "half a character": "\ud800",
    "padding": ACCESS + "=",
    "end of line": ACCESS + "\n",
    "scheme": "Bearer " + ACCESS,
    "no signature": ACCESS[: ACCESS.rindex(".") + 1],
    "alg none": forged(head={"alg": "none"}),
    "alg none, no signature": forged(head={"alg": "none"}).rsplit(".", 1)[0] + ".",
    "alg HS512": forged(head={"alg": "HS512"}),
    "alg RS256": forged(head={"alg": "RS256"}),
    "no alg": forged(head={"alg": None}),
    "typ of any token": forged(head={"typ": "JWT"}),
    "typ of another token": forged(head={"typ": "rt+jwt"}),
    "typ of no text": forged(head={"typ": ["at+jwt"]}),
    "another kid": forged(head={"kid": "00000000"}),
    "no kid": forged(head={"kid": None}),
    "kid of no text": forged(head={"kid": 1}),
    "unknown extension": forged(head={"crit": ["exp"], "exp": 1}),
    "detached payload": forged(head={"b64": False, "crit": ["b64"]}),
    "another secret": forged(secret=OTHER),
    "too long": forged({"role": "x" * 2000}),
    "header no object": pieced([], {}, SECRET),
    "payload no object": pieced(header(ACCESS), ["access"], SECRET),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_what_was_not_made_here_is_no_token(name: str) -> None:
    assert reason(FORGERIES[name]) == "invalid_token"


def test_a_longer_hash_of_the_same_secret_is_no_way_in() -> None:
    token = jwt.encode(said(ACCESS), SECRET * 2, "HS512", headers=header(ACCESS) | {"alg": "HS512"})
    assert reason(token, signer=Signer([SECRET * 2])) == "invalid_token"


def test_secrets_change_while_tokens_live() -> None:
    changed = Signer([OTHER, SECRET])
    assert changed.verify(ACCESS, "access", NOW).user_id == USER
    new = changed.issue_access(USER, "user", SESSION.id, NOW).token
    assert header(new)["kid"] != header(ACCESS)["kid"]
    assert len(header(new)["kid"]) == 8
    assert reason(new) == "invalid_token"
    assert reason(ACCESS, signer=Signer([OTHER])) == "invalid_token"


def test_the_key_that_is_named_is_the_key_that_is_used() -> None:
    both = Signer([OTHER, SECRET])
    other = header(both.issue_access(USER, "user", SESSION.id, NOW).token)["kid"]
    assert reason(forged(head={"kid": other}), signer=both) == "invalid_token"


@pytest.mark.parametrize("secrets", [[], ["short"], [SECRET, "short"]])
def test_secrets_are_long(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Signer(secrets)


_CHARACTERS = st.one_of(
    st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ "),
    st.characters(),
)


@given(st.integers(0, len(ACCESS)), _CHARACTERS, st.sampled_from(["put", "insert", "remove"]))
def test_no_other_text_than_the_one_issued_is_taken(place: int, new: str, how: str) -> None:
    rest = ACCESS[place + (how != "insert") :]
    text = ACCESS[:place] + ("" if how == "remove" else new) + rest
    if text != ACCESS:
        assert reason(text) == "invalid_token"


@given(st.text())
def test_no_text_at_all_is_taken(text: str) -> None:
    assert reason(text) == "invalid_token"


def test_the_last_character_of_a_signature_has_one_form() -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same = [letter for letter in letters if _signature(ACCESS[:-1] + letter) == _signature(ACCESS)]
    assert len(same) > 1
    for letter in set(same) - {ACCESS[-1]}:
        assert reason(ACCESS[:-1] + letter) == "invalid_token"


def _signature(token: str) -> bytes:
    return base64.urlsafe_b64decode(token.rsplit(".", 1)[1] + "=")


class Counting(Signer):
    """Counts how often a signature is checked."""

    count = 0

    def verify(self, *args: Any) -> Any:
        self.count += 1
        return super().verify(*args)


@pytest.fixture
def counting() -> Counting:
    return Counting([SECRET])


def test_a_signature_is_checked_once(counting: Counting) -> None:
    tokens = VerifiedTokens(counting)
    assert [tokens.verify(ACCESS, NOW).user_id for _ in range(3)] == [USER] * 3
    assert counting.count == 1


def test_a_token_that_is_remembered_expires_too(counting: Counting) -> None:
    tokens = VerifiedTokens(counting)
    tokens.verify(ACCESS, NOW)
    for now, expected in (
        (after(seconds=900), "token_expired"),
        (after(seconds=-1), "token_not_yet_valid"),
    ):
        with pytest.raises(TokenError, match=expected):
            tokens.verify(ACCESS, now)
    assert counting.count == 1


def test_what_was_refused_is_not_remembered(counting: Counting) -> None:
    tokens = VerifiedTokens(counting)
    for token in (ACCESS[:-2], SIGNER.issue_refresh(SESSION, NOW).token):
        for _ in range(2):
            with pytest.raises(TokenError):
                tokens.verify(token, NOW)
    assert counting.count == 4


def test_the_oldest_token_gives_way(counting: Counting) -> None:
    tokens = VerifiedTokens(counting, keep=2)
    issued = [SIGNER.issue_access(uuid4(), "user", SESSION.id, NOW).token for _ in range(3)]
    for token in issued:
        tokens.verify(token, NOW)
    tokens.verify(issued[2], NOW)
    tokens.verify(issued[1], NOW)
    assert counting.count == 3
    tokens.verify(issued[0], NOW)
    assert counting.count == 4
