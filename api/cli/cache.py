"""`daybook cache`: forgetting what servers keep so that they need not read it again."""

from __future__ import annotations

import asyncio

import typer
from psycopg import AsyncConnection

from api import databases
from api.cache import clear_redis
from api.kept import MODELS
from api.settings import load_settings
from api.shared_redis import RedisAwayError
from projections import checkpoints

app = typer.Typer(no_args_is_help=True)

_PATIENCE_S = 5.0
"""For each answer of Redis."""


@app.command()
def clear() -> None:
    """Empty the cache, in Redis and in every running server: what is read next comes from the
    database. Nothing is lost by it."""
    settings = load_settings()
    with databases.ready_database(settings) as conninfo:
        asyncio.run(_tell(conninfo))
    if settings.REDIS_URL is None:
        typer.echo("cleared")
        return
    try:
        removed = asyncio.run(clear_redis(settings.REDIS_URL, _PATIENCE_S))
    except RedisAwayError as error:
        typer.echo(
            f"daybook: Redis does not answer ({error}): what it has is used no more, and expires within"
            " minutes; see whether REDIS_URL is right",
            err=True,
        )
        raise typer.Exit(1) from None
    typer.echo(f"cleared: {removed} entries in Redis")


async def _tell(conninfo: str) -> None:
    async with await AsyncConnection.connect(conninfo, autocommit=True) as conn:
        await checkpoints.renew(conn, MODELS)
