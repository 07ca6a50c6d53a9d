"""Tells requests that look for weaknesses from ordinary ones, by how they are written."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

MAX_URL = 2_048
"""Longer ones are refused anyway."""
MAX_AGENT = 200
"""So much of what a client calls itself is looked at, and kept."""

# Each alternative begins with a character and none is in a group, so that the search skips quickly to
# these characters; each repetition is bounded, so that time is in proportion to the text.
_FOUND = re.compile(
    rb"\.\.[/\\]|/\.\.(?=[\s?]|\Z)|%2e%2e|%c0%ae"
    rb"|\0"
    rb"|<script"
    rb"|union\W{1,20}(?:all\W{1,20})?select\b"
    rb"|\$\{(?:jndi:|\$\{)"
    rb"|/\.(?:env|git|svn|hg|aws|ssh|htaccess|htpasswd|ds_store)\b"
    rb"|/wp-(?:admin|login|content|includes|config)|/php(?:myadmin|info|unit)|/pma/|/xmlrpc\.php"
    rb"|/cgi-bin/|/etc/passwd|/server-status\b|/actuator/|/hnap1|/boaform/"
)
_REASON_BY_START = {
    b".": "path_traversal",
    b"%": "path_traversal",
    b"\0": "nul_byte",
    b"<": "script_injection",
    b"u": "sql_injection",
    b"$": "code_injection",
    b"/": "probe",
}
_SCANNER = re.compile(
    r"sqlmap|nikto|nmap|masscan|zgrab|dirbuster|gobuster|feroxbuster|wpscan|nuclei|acunetix|nessus"
)

REASONS = (*dict.fromkeys(_REASON_BY_START.values()), "scanner")
"""What a request may look like it is after."""


def look(path: bytes, query: bytes, user_agent: bytes) -> str:
    """One of `REASONS`, or "" for an ordinary request; path and query are as the client sent them.

    What is percent-encoded is seen through, twice at most: so often careless programs decode it.
    """
    url = b"%b?%b" % (path[:MAX_URL], query[:MAX_URL])
    for _ in range(3):
        url = url.lower()
        if (found := _FOUND.search(url)) is not None:
            what = found[0]
            return "path_traversal" if what == b"/.." else _REASON_BY_START[what[:1]]
        if b"%" not in url or (decoded := unquote_to_bytes(url)) == url:
            break
        url = decoded
    return "scanner" if _is_scanner(user_agent[:MAX_AGENT]) else ""


@lru_cache(maxsize=1024)
def _is_scanner(user_agent: bytes) -> bool:
    # Remembered, since a client has the same in all its requests.
    return _SCANNER.search(user_agent.decode("latin-1").lower()) is not None
