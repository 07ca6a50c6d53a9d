"""Tokens: JSON Web Tokens signed with HMAC-SHA256, each good for one purpose and for a time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, overload
from uuid import UUID, uuid4

import jwt
import msgspec

from application.identity.errors import TokenError
from application.identity.sessions import ACCESS_LIFE, Session

TokenType = Literal["access", "refresh", "link"]

MIN_SECRET_BYTES = 32
"""As long as the signature: RFC 7518, 3.2."""

_MAX_LENGTH = 2048
"""Characters; ours have about 450."""

# Stricter than the library, which lets padding pass: a token has one text.
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}")

_ALGORITHM = "HS256"
_HEADER_TYPES = {"access": "at+jwt", "refresh": "rt+jwt", "link": "link+jwt"}


class Issued(NamedTuple):
    """A new token. `jti` is its id; it is no longer good at `expires_at`."""

    token: str
    jti: UUID
    expires_at: datetime


class Claims(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "user_id": "sub",
        "issuer": "iss",
        "audience": "aud",
        "issued_at": "iat",
        "not_before": "nbf",
        "expires_at": "exp",
        "session_id": "sid",
    },
):
    """What every token says. Times are seconds since 1970."""

    type: str
    user_id: UUID
    jti: UUID
    issuer: str
    audience: str
    issued_at: int
    not_before: int
    expires_at: int


class AccessClaims(Claims, frozen=True, kw_only=True):
    """Of the token that goes with every request."""

    role: str
    session_id: UUID


class RefreshClaims(Claims, frozen=True, kw_only=True):
    """Of the token that gets new ones. Its `jti` is the session's `refresh_id`."""

    session_id: UUID


class LinkClaims(Claims, frozen=True, kw_only=True):
    """Of a link in a mail. `subject_digest` tells what it is about without naming it."""

    purpose: str
    subject_digest: str


_CLAIMS: dict[str, type[Claims]] = {
    "access": AccessClaims,
    "refresh": RefreshClaims,
    "link": LinkClaims,
}


class Signer:
    """Issues tokens and verifies them. The first secret signs; what any of them signed is taken.

    Raises `ValueError` when there is no secret, or a short one.
    """

    def __init__(
        self,
        secrets: Sequence[str],
        issuer: str = "daybook",
        audience: str = "daybook-api",
    ) -> None:
        if not secrets or any(len(secret.encode()) < MIN_SECRET_BYTES for secret in secrets):
            raise ValueError(f"a secret that signs tokens has at least {MIN_SECRET_BYTES} bytes")
        self._secrets = {_fingerprint(secret): secret.encode() for secret in secrets}
        self._signing = _fingerprint(secrets[0])
        self._issuer = issuer
        self._audience = audience
        self._jws = jwt.PyJWS(algorithms=[_ALGORITHM])

    def issue_access(self, user_id: UUID, role: str, session_id: UUID, now: datetime) -> Issued:
        """A token for requests, good for `ACCESS_LIFE`."""
        common = self._common("access", user_id, uuid4(), now, now + ACCESS_LIFE)
        return self._issue(AccessClaims(**common, role=role, session_id=session_id))

    def issue_refresh(self, session: Session, now: datetime) -> Issued:
        """A token that gets new ones, once, as long as the session lives."""
        common = self._common(
            "refresh", session.user_id, session.refresh_id, now, session.expires_at
        )
        return self._issue(RefreshClaims(**common, session_id=session.id))

    def issue_link(
        self, user_id: UUID, purpose: str, subject_digest: str, now: datetime, life_s: int
    ) -> Issued:
        """A token for a link in a mail, good for `life_s` seconds."""
        common = self._common("link", user_id, uuid4(), now, now + timedelta(seconds=life_s))
        return self._issue(LinkClaims(**common, purpose=purpose, subject_digest=subject_digest))

    @overload
    def verify(self, token: str, type: Literal["access"], now: datetime) -> AccessClaims: ...

    @overload
    def verify(self, token: str, type: Literal["refresh"], now: datetime) -> RefreshClaims: ...

    @overload
    def verify(self, token: str, type: Literal["link"], now: datetime) -> LinkClaims: ...

    def verify(self, token: str, type: TokenType, now: datetime) -> Claims:
        """What a token says, once it is proved to be ours, of this type, and good at `now`.

        Raises `TokenError`: `invalid_token`, `missing_required_claims`, `invalid_issuer`,
        `invalid_audience`, `invalid_token_type`, `token_not_yet_valid`, `token_expired`.
        """
        header_type, said = self._said(token)
        type_said = str(said.get("type"))
        claims_type = _CLAIMS.get(type_said, Claims)
        missing = sorted(_names(claims_type) - said.keys())
        if missing:
            raise TokenError("missing_required_claims", missing=missing)
        if said["iss"] != self._issuer:
            raise TokenError("invalid_issuer")
        if said["aud"] != self._audience:
            raise TokenError("invalid_audience")
        if type_said != type:
            raise TokenError("invalid_token_type", expected=type)
        if header_type != _HEADER_TYPES[type]:
            raise TokenError("invalid_token")
        try:
            claims = msgspec.convert(said, claims_type)
        except msgspec.ValidationError:
            raise TokenError("invalid_token") from None
        _check_time(claims, now)
        return claims

    def _said(self, token: str) -> tuple[object, dict[str, Any]]:
        """The header's `typ`, and the payload, of a token whose signature is right."""
        if len(token) > _MAX_LENGTH or not _FORM.fullmatch(token):
            raise TokenError("invalid_token")
        try:
            header = self._jws.get_unverified_header(token)
            # The header may name one of our secrets; how to use it, it has no say in.
            secret = self._secrets.get(header.get("kid", ""))
            if secret is None:
                raise TokenError("invalid_token")
            payload = self._jws.decode(token, secret, algorithms=[_ALGORITHM])
            return header.get("typ"), msgspec.json.decode(payload, type=dict[str, Any])
        except (jwt.InvalidTokenError, msgspec.DecodeError):
            raise TokenError("invalid_token") from None

    def _common(
        self, type: TokenType, user_id: UUID, jti: UUID, now: datetime, expires_at: datetime
    ) -> dict[str, Any]:
        """What every token says, as the arguments of its claims."""
        seconds = int(now.timestamp())
        return {
            "type": type,
            "user_id": user_id,
            "jti": jti,
            "issuer": self._issuer,
            "audience": self._audience,
            "issued_at": seconds,
            "not_before": seconds,
            "expires_at": int(expires_at.timestamp()),
        }

    def _issue(self, claims: Claims) -> Issued:
        token = self._jws.encode(
            msgspec.json.encode(claims),
            self._secrets[self._signing],
            _ALGORITHM,
            headers={"typ": _HEADER_TYPES[claims.type], "kid": self._signing},
        )
        return Issued(token, claims.jti, datetime.fromtimestamp(claims.expires_at, UTC))


class VerifiedTokens:
    """Verifies the signature of an access token once: requests come with the same one again and again.

    At most `keep` tokens are kept, of about 1 kB each; the oldest gives way.
    """

    def __init__(self, signer: Signer, keep: int = 10_000) -> None:
        self._signer = signer
        self._keep = keep
        self._known: dict[str, AccessClaims] = {}

    def verify(self, token: str, now: datetime) -> AccessClaims:
        """As `Signer.verify` for an access token."""
        claims = self._known.get(token)
        if claims is not None:
            _check_time(claims, now)
            return claims
        claims = self._signer.verify(token, "access", now)
        if len(self._known) >= self._keep:
            del self._known[next(iter(self._known))]
        self._known[token] = claims
        return claims


def _check_time(claims: Claims, now: datetime) -> None:
    seconds = now.timestamp()
    if seconds < claims.not_before:
        raise TokenError("token_not_yet_valid")
    if seconds >= claims.expires_at:
        raise TokenError("token_expired")


def _names(claims_type: type[Claims]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(claims_type)}


def _fingerprint(secret: str) -> str:
    """Tells secrets apart without telling anything of them."""
    return hashlib.sha256(f"daybook token secret\0{secret}".encode()).hexdigest()[:8]
