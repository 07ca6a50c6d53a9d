"""`python -m api.probe`: exit status 0 when the server of these settings answers; for health checks.

It takes the standard library only, since it is started again every few seconds.
"""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Mapping
from contextlib import closing

_TIMEOUT_S = 4.0


def main() -> None:
    if problem := look(os.environ):
        sys.exit(problem)


def look(environ: Mapping[str, str]) -> str | None:
    """What is wrong with the server on this machine, None when it is well."""
    port = environ.get("PORT") or "8000"
    # As others call it: a server answers to its own names only.
    name = (environ.get("ALLOWED_HOSTS") or "localhost").split(",")[0].strip()
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=_TIMEOUT_S)
    with closing(connection):
        try:
            connection.request("GET", "/api/health/live", headers={"Host": name})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return f"no answer on port {port}: {error}"
    return None if status == http.client.OK else f"port {port} answers {status}"


if __name__ == "__main__":
    main()
