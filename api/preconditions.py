"""ETags: the version that an answer shows, and the versions that a request is made for (RFC 9110)."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Header, Request
from pydantic import WithJsonSchema

from api.problems import ProblemError
from domain.versions import Expected

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")
"""A list may have empty members (RFC 9110, 5.6.1.2)."""
_EACH = re.compile(_TAG)
_OURS = re.compile(r'"([1-9][0-9]{0,18})"')

_MALFORMED = 'Give ETags as they were answered, in quotes, like "3" or "3", "4"; or *.'
_NOTHING_YET = (
    "There is nothing to match yet: leave If-Match out, or send it where an account or a transfer"
    " that is there is changed."
)

_LINES = WithJsonSchema({"type": "string"})
"""A header may come in several lines, which are one list; for the description it is one text."""
_ETAGS = WithJsonSchema(
    {
        "type": "string",
        "pattern": r'^(\*|(W/)?"[!#-~]*"(, (W/)?"[!#-~]*")*)$',
        "examples": ['"3"', "*"],
    }
)
"""The same where it is refused when it is malformed."""


def etag(version: int) -> str:
    """The strong ETag of an aggregate at a version."""
    return f'"{version}"'


def refuse_if_match(request: Request) -> None:
    """For requests that start something new. Raises `invalid_if_match` when they have a condition."""
    if "if-match" in request.headers:
        raise ProblemError("invalid_if_match", why=_NOTHING_YET)


async def _expected_versions(
    if_match: Annotated[
        list[str] | None,
        Header(
            alias="If-Match",
            description="ETags of the versions that this is decided on, or `*`: answered with 412, and"
            " nothing is written, when it has another version by now. Weak ETags match nothing.",
        ),
        _ETAGS,
    ] = None,
) -> Expected:
    """Raises `invalid_if_match`. What is no version of ours is well-formed, and matches nothing."""
    if if_match is None:
        return None
    given = ", ".join(if_match)
    if given.strip() == "*":
        return None
    if not _TAGS.fullmatch(given):
        raise ProblemError("invalid_if_match", why=_MALFORMED)
    ours = (_OURS.fullmatch(tag) for tag in _EACH.findall(given))
    return tuple(int(tag[1]) for tag in ours if tag is not None)


ExpectedVersions = Annotated[Expected, Depends(_expected_versions)]
"""What the request's If-Match names, for its command."""

IfNoneMatch = Annotated[
    list[str] | None,
    Header(
        alias="If-None-Match",
        description="ETags of what the caller has already, or `*`: answered with 304 if it is one",
    ),
    _LINES,
]


def has_already(if_none_match: list[str] | None, version: int) -> bool:
    """Whether a request names that version as one that it has. Weak ETags count as well, and what is
    malformed is as if it weren't there: the whole answer is never wrong."""
    given = ", ".join(if_none_match or ())
    if given.strip() == "*":
        return True
    if not _TAGS.fullmatch(given):
        return False
    return etag(version) in (tag.removeprefix("W/") for tag in _EACH.findall(given))
