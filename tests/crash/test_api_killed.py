"""The API is killed in the middle of a load, again and again."""

from __future__ import annotations

from random import Random

from tests.conftest import Database
from tests.crash.checks import assert_nothing_lost
from tests.crash.load import Load, open_accounts
from tests.support.processes import api, projector, wait_until_ready

ROUNDS = 12


def test_what_a_killed_api_has_acknowledged_is_there_once(
    database: Database, random: Random, port: int, base_url: str
) -> None:
    with projector(database), api(database, port) as server:
        load = Load(base_url, open_accounts(base_url), random)
        with load:
            for _ in range(ROUNDS):
                load.goes_on(random.randint(1, 80))
                server.kill()
                server.start()
                wait_until_ready(server, port)
        assert load.unanswered >= ROUNDS, "each kill hits requests that are under way"
        assert not load.problems
        assert_nothing_lost(database, load, base_url)
