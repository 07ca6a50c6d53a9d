"""The console: pages for people, as files that browsers run as they are and that use the API alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from importlib.resources import files

from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

router = APIRouter(prefix="/console", include_in_schema=False)

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_PAGE = "index.html"
_PAGES = re.compile(r"(login|queue|credit-applications(/[0-9a-f-]{36}|/[A-Za-z]{2}/new)?)?")

_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
"""Another version has other addresses."""
_ASK_AGAIN = {"Cache-Control": "no-cache"}


def _read() -> Mapping[str, bytes]:
    folder = files("api") / "console"
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}


_FILES = _read()
VERSION = hashlib.sha256(b"".join(_FILES[name] for name in sorted(_FILES))).hexdigest()[:16]
"""Of all files together: a page never runs the modules of two versions at once."""
_INDEX = _FILES[_PAGE].replace(b"{version}", VERSION.encode())


@router.get("")
async def show_console() -> Response:
    """The page at which people begin."""
    return _index()


@router.get("/assets/{version}/{name}")
async def get_console_file(version: str, name: str) -> Response:
    """One of the files that the page is made of; those of other versions are gone."""
    kind = _TYPES.get(name[name.rfind(".") :])
    if version != VERSION or kind is None or name not in _FILES:
        raise HTTPException(404)
    return Response(_FILES[name], headers=_FOR_EVER, media_type=kind)


@router.get("/{page:path}")
async def show_console_page(page: str) -> Response:
    """The same page, which shows by its address what is asked for."""
    if not _PAGES.fullmatch(page):
        raise HTTPException(404)
    return _index()


def _index() -> Response:
    return Response(_INDEX, headers=_ASK_AGAIN, media_type="text/html; charset=utf-8")
