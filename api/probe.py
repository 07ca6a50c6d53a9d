"""`python -m api.probe`: exit status 0 when the server of these settings answers; for health checks.

It takes the standard library only, since it is started again every few seconds. `python -m api.probe
worker` asks the database whether a worker of this machine looks for jobs.
"""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Mapping
from contextlib import closing

_TIMEOUT_S = 4.0


def main() -> None:
    is_worker = sys.argv[1:] == ["worker"]
    if problem := (look_for_worker if is_worker else look)(os.environ):
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


# A worker looks each second.
_LOOKING = """
SELECT FROM pg_stat_activity
WHERE application_name = 'daybook jobs dispatcher' AND usename = current_user
  AND client_addr IS NOT DISTINCT FROM inet_client_addr()
  AND state_change > clock_timestamp() - interval '30 seconds'
LIMIT 1
"""


def look_for_worker(environ: Mapping[str, str]) -> str | None:
    """What is wrong with the worker on this machine, None when it is well."""
    import psycopg

    try:
        with psycopg.connect(
            environ.get("DATABASE_URL", ""), connect_timeout=int(_TIMEOUT_S)
        ) as conn:
            found = conn.execute(_LOOKING).fetchone()
    except psycopg.Error as error:
        return f"the database does not answer: {type(error).__name__}"
    return "no worker of this machine has looked for jobs lately" if found is None else None


if __name__ == "__main__":
    main()
