"""After all that can happen to a person, nothing of that person is anywhere in clear but in the mailbox."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import redis

from projections.catalogue import READ_MODELS
from tests.api.cli.conftest import CommandLine
from tests.api.conftest import Bank, Json, problem_of
from tests.conftest import Database, MakeDatabase
from tests.projections.running import caught_up
from tests.support.bureau import SandboxBureau, sandbox_bureau
from tests.support.clear_text import (
    Planted,
    found_in,
    found_in_database,
    found_in_files,
    found_in_redis,
)
from tests.support.made_up import operations
from tests.support.processes import Daybook, free_port, settings_of, wait_until_ready
from tests.support.redis import RedisServer
from tests.support.serving import client_of
from tests.support.visitors import Login, link_in, login_of, mails
from tests.support.waiting import until

FIRST_EMAIL, LAST_EMAIL = "wilhelmina.first@planted.example", "wilhelmina.last@planted.example"
FIRST_NAME, LAST_NAME = "Wilhelmina Unmistakable", "Wilhelmina Nonesuch"
ADDRESS, NEW_ADDRESS, ADDRESS_6 = "198.51.100.213", "198.51.100.214", "2001:db8:77:88::4242"
AGENT = "Planted-Agent/7.7"
APPLICANT, CORRECTED = "Wilhelmina Vandersloot", "Wilhelmina Vandersluis"
DOCUMENT, MISTYPED = "VASW840730MNERNL08", "VASW840730MNERNL09"
BORN, PHONE, WRITTEN_TO = "1984-07-30", "+34600111222", "wilhelmina.lent@planted.example"
REPORT = "al_corriente"
"""How the bureau says what is nowhere called so."""

PASSWORD, NEW_PASSWORD, WRONG = "first-planted-pass", "second-planted-pass", "third-planted-pass"

PERSONAL = {
    "her first address": FIRST_EMAIL, "her last address": LAST_EMAIL,
    "her first name": FIRST_NAME, "her last name": LAST_NAME,
    "her first password": PASSWORD, "her last password": NEW_PASSWORD, "a wrong password": WRONG,
    "where she came from": ADDRESS, "where she came from next": NEW_ADDRESS,
    "where she came from last": ADDRESS_6, "her browser": AGENT,
    "her name as an applicant": APPLICANT, "the same put right": CORRECTED,
    "her document": DOCUMENT, "her document mistyped": MISTYPED, "when she was born": BORN,
    "her phone": PHONE, "her address as an applicant": WRITTEN_TO, "a bureau's report": REPORT,
}  # fmt: skip


FORGOTTEN_LATER = ("where she came from", "where she came from next", "where she came from last",
                   "her browser")  # fmt: skip
"""The security log tells of addresses until its month is forgotten: nobody knows whose they were."""


@dataclass(frozen=True)
class Scene:
    """All that a life leaves behind, before and after its erasure."""

    database: Database
    data_dir: Path
    redis_url: str
    settings: dict[str, str]
    planted: Planted
    user_id: str
    application_id: str
    loan_id: str
    logs: dict[str, Any]
    admin: httpx2.Client

    def log_of(self, name: str) -> str:
        return str(self.logs[name].output)


class Life:
    """A person's requests, through a proxy that tells where they come from."""

    def __init__(self, url: str, data_dir: Path) -> None:
        headers = {"X-Forwarded-For": ADDRESS, "User-Agent": AGENT}
        self._client = httpx2.Client(base_url=url, timeout=30, headers=headers)
        self._data_dir = data_dir
        self.planted: dict[str, str] = dict(PERSONAL)
        self.login: Login | None = None

    @property
    def _bearer(self) -> dict[str, str]:
        return {} if self.login is None else self.login.bearer

    def asks(self, status: int, method: str, path: str, body: Any = None) -> httpx2.Response:
        more: Json = {} if body is None else {"json": body}
        answer = self._client.request(method, path, headers=self._bearer, **more)
        assert answer.status_code == status, answer.text
        return answer

    def has(self, what: str, answer: httpx2.Response) -> None:
        """From now on these tokens are hers; the ones before are to be nowhere either."""
        self.login = login_of(answer)
        for kind, token in self.login._asdict().items():
            self.planted[f"{what}: {kind}"] = token
            self.planted[f"{what}: signature of {kind}"] = token.rpartition(".")[2]

    def moves_to(self, address: str) -> None:
        self._client.headers["X-Forwarded-For"] = address

    def is_lived(self) -> str:
        """All that one can do for oneself; answers her id."""
        both = {"password": PASSWORD, "password_confirmation": PASSWORD}
        body = {"email": FIRST_EMAIL, "full_name": FIRST_NAME, **both}
        user_id = str(self.asks(201, "POST", "/api/users", body).json()["id"])
        wrong = {"email": FIRST_EMAIL, "password": WRONG}
        for _ in range(3):
            self.asks(401, "POST", "/api/auth/login", wrong)
        right = {"email": FIRST_EMAIL, "password": PASSWORD}
        self.has("login", self.asks(200, "POST", "/api/auth/login", right))
        assert self.login is not None
        again = self.asks(200, "POST", "/api/auth/refresh", {"refresh_token": self.login.refresh})
        self.has("refreshed", again)
        self._reads_mail()
        self.moves_to(NEW_ADDRESS)
        self.asks(403, "GET", "/api/events")
        self.asks(400, "GET", f"/api/accounts?q={AGENT}")
        change = {"email": LAST_EMAIL, "full_name": LAST_NAME}
        self.asks(200, "PUT", "/api/profile", change)
        change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        change["password_confirmation"] = NEW_PASSWORD
        self.asks(200, "PUT", "/api/profile/password", change)
        scopes = {"name": "k", "scopes": ["accounts:read"]}
        key = self.asks(201, "POST", "/api/api-keys", scopes).json()["key"]
        self.planted["her API key"] = key
        self.moves_to(ADDRESS_6)
        used = self._client.get("/api/accounts", headers={"X-API-Key": key})
        assert used.status_code == 200
        for bad in (key[:-1] + "~", "dbk_" + "x" * 40):
            assert self._client.get("/api/users", headers={"X-API-Key": bad}).status_code == 401
        return user_id

    def borrows(self, bank: Bank, bureau: SandboxBureau, user_id: str) -> tuple[str, str]:
        """All that one can do to get a loan; answers the ids of the application and the loan."""
        account = bank.open(currency="MXN", owner_id=user_id)
        body = {
            "country": "MX", "full_name": APPLICANT, "date_of_birth": BORN, "phone": PHONE,
            "email": WRITTEN_TO, "document_type": "curp", "document_number": DOCUMENT,
            "monthly_income": "25000.00", "amount_requested": "6000.00", "account_id": account,
        }  # fmt: skip
        self.asks(422, "POST", "/api/applications", body | {"document_number": MISTYPED})
        self.asks(400, "POST", "/api/applications", body | {"full_name": [APPLICANT]})
        application_id = self.asks(202, "POST", "/api/applications", body).json()["id"]
        self.asks(409, "POST", "/api/applications", body)
        path = f"/api/applications/{application_id}"

        def goes_on(loan: bool) -> object:
            told = self.asks(200, "GET", f"{path}/status").json()
            return told["loan_id"] if loan else told["offer"]

        until(
            bureau.asked
        )  # whose answer never comes, so that there is something to put right still
        change = {"full_name": CORRECTED, "amount_requested": "7000.00"}
        self.asks(202, "PUT", path, change)
        fields = {"fields": ["full_name", "document_number", "date_of_birth"], "reason": "a call"}
        shown = bank.client.post(f"{path}/disclose", json=fields)
        assert shown.json()["document_number"] == DOCUMENT
        until(lambda: goes_on(loan=False))
        lending = {"source_account_id": bank.open("cash", "MXN"), "amount": "9000.00"}
        funded = bank.client.post("/api/loans/funding", json=lending | {"currency": "MXN"})
        assert funded.status_code == 201
        self.asks(200, "POST", f"{path}/accept")
        until(lambda: goes_on(loan=True))
        told = bank.get(path, min_position=bank.head())
        assert told["report"]["bank_name"] == "BBVA México"
        return application_id, told["loan_id"]

    def _reads_mail(self) -> None:
        """The link in it is good for a day, and so as secret as a token."""
        until(lambda: mails(self._data_dir))
        link = link_in(mails(self._data_dir)[0])
        (token,) = parse_qs(urlsplit(link).query)["token"]
        self.planted["the link in her mail"] = token
        self.asks(200, "POST", "/api/auth/verify-email", {"token": token})

    def leaves(self) -> None:
        self._client.close()


def is_looked_after(bank: Bank, user_id: str) -> None:
    """All that others do about her before they forget her."""
    account = bank.open(owner_id=user_id)
    assert bank.move(bank.open("cash"), account, "70.00").status_code == 201
    fields = {"fields": ["email", "full_name"], "purpose": "court order 7 C 12/26"}
    shown = bank.client.post(f"/api/users/{user_id}/disclosures", json=fields)
    assert shown.json()["email"] == LAST_EMAIL
    for path in ("/api/users", "/api/users/stats", f"/api/users/{user_id}", "/api/security/events"):
        for _ in range(2):
            answer = bank.client.get(path, params={"min_position": bank.head()})
            assert answer.status_code in (200, 400), answer.text
            assert bank.client.get(path).status_code == 200


@pytest.fixture(scope="module")
def scene(make_database: MakeDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    data_dir, port = tmp_path_factory.mktemp("var"), free_port()
    with make_database() as database, RedisServer() as server, sandbox_bureau() as bureau:
        settings = settings_of(database) | {
            "PORT": str(port), "DATA_DIR": str(data_dir), "REDIS_URL": server.url,
            "FEATURE_SECURITY_AUDIT": "true", "TRUSTED_PROXIES": "127.0.0.1",
            "LOG_LEVEL": "DEBUG", "LOG_FORMAT": "json",
            "RATE_LIMIT_ADDRESS": "1000000/year", "RATE_LIMIT_LOGIN": "1000000/year",
            "RATE_LIMIT_LOGIN_ADDRESS": "1000000/year",
            "BUREAU_URL": bureau.url, "BUREAU_TOKEN": bureau.token,
        }  # fmt: skip
        with (
            Daybook("serve", settings=settings) as api,
            Daybook("project", settings=settings) as project,
            Daybook("worker", settings=settings) as worker,
        ):
            wait_until_ready(api, port)
            url = f"http://127.0.0.1:{port}"
            with client_of(url) as admin:
                life = Life(url, data_dir)
                user_id = life.is_lived()
                bureau.set_faults({"fault": "never_answer", "times": 1})
                is_looked_after(Bank(admin), user_id)
                ids = user_id, *life.borrows(Bank(admin), bureau, user_id)
                life.leaves()
                logs = {"api": api, "projections": project, "worker": worker}
                yield Scene(
                    database, data_dir, server.url, settings, life.planted, *ids, logs, admin
                )


@pytest.fixture(scope="module")
def rebuilt(scene: Scene) -> Scene:
    """With all read models built anew from the log, and the log exported."""
    daybook = CommandLine(scene.settings).here
    for model in READ_MODELS:
        daybook.json("projections", "rebuild", model.name)
    daybook.json("export", "--to", scene.data_dir / "before", "--format", "ndjson")
    return scene


@pytest.fixture(scope="module")
def erased(rebuilt: Scene) -> Scene:
    """The same after she was forgotten."""
    answer = rebuilt.admin.post(f"/api/users/{rebuilt.user_id}/erase", json={"reason": "asked"})
    assert answer.status_code == 200, answer.text
    daybook = CommandLine(rebuilt.settings).here
    daybook.json("export", "--to", rebuilt.data_dir / "erased", "--format", "ndjson")
    with rebuilt.database.connect() as conn:
        caught_up(conn)
    return rebuilt


def test_what_is_looked_for_was_really_there(scene: Scene) -> None:
    assert len(scene.planted) > 18
    assert min(map(len, scene.planted.values())) >= len(BORN)
    mail = b"".join(path.read_bytes() for path in scene.data_dir.glob("mailbox/*"))
    assert found_in(mail, scene.planted) >= {"her first address", "the link in her mail"}

    def are_noticed() -> bool:
        answer = scene.admin.get("/api/security/events", params={"limit": 1000})
        return found_in(answer.content, scene.planted) >= set(FORGOTTEN_LATER)

    until(are_noticed)
    assert '"level": "debug"' in scene.log_of("api")
    for name in scene.logs:
        assert f'"service": "{name}"' in scene.log_of(name)
    with redis.Redis.from_url(scene.redis_url) as client:
        assert any(key.startswith(b"daybook-cache:") for key in client.scan_iter())
        assert any(b"limit" in key.lower() for key in client.scan_iter())


def test_nothing_is_in_the_database(rebuilt: Scene) -> None:
    assert found_in_database(rebuilt.database, rebuilt.planted) == set()


def test_nothing_is_in_the_log_lines(rebuilt: Scene) -> None:
    for name in rebuilt.logs:
        assert found_in(rebuilt.log_of(name).encode(), rebuilt.planted) == set(), name


def test_nothing_is_in_redis(rebuilt: Scene) -> None:
    assert found_in_redis(rebuilt.redis_url, rebuilt.planted) == set()


def test_nothing_is_in_files(rebuilt: Scene) -> None:
    assert found_in_files(rebuilt.data_dir, rebuilt.planted) == set()
    assert list(rebuilt.data_dir.rglob("*.ndjson"))


# Afterwards.
def test_nothing_is_left_of_who_was_erased(erased: Scene) -> None:
    assert found_in_database(erased.database, erased.planted) == set()
    assert found_in_redis(erased.redis_url, erased.planted) == set()
    assert found_in_files(erased.data_dir, erased.planted) == set()
    assert found_in(erased.log_of("api").encode(), erased.planted) == set()
    exported = b"".join(p.read_bytes() for p in (erased.data_dir / "erased").rglob("*.ndjson"))
    assert b"[erased]" in exported
    assert b"sealed:1:" not in exported


def test_every_answer_about_who_was_erased_says_so(erased: Scene) -> None:
    """Whatever can be read with that id, anywhere."""
    said = []
    description = erased.admin.get("/openapi.json").json()
    for route, operation in operations(description).items():
        if not route.startswith("GET") or route.endswith("/stream"):
            continue
        path, ids = route.removeprefix("GET "), {}
        for parameter in operation.get("parameters", ()):
            name, where = parameter["name"], parameter["in"]
            if where == "path":
                known = {"application_id": erased.application_id, "loan_id": erased.loan_id}
                other = erased.user_id if name.endswith("_id") else "user"
                ids[name] = known.get(name, other)
        answer = erased.admin.get(path.format(**ids))
        of_her = {
            what: text for what, text in erased.planted.items() if what not in FORGOTTEN_LATER
        }
        assert found_in(answer.content, of_her) == set(), route
        if erased.user_id in answer.text and '"email"' in answer.text:
            assert "[erased]" in answer.text, route
            said.append(route)
    assert said
    for path in ("/api/applications/{}", "/api/streams/{}/events"):
        answer = erased.admin.get(path.format(erased.application_id))
        assert (answer.status_code, "[erased]" in answer.text) == (200, True), path
        assert found_in(answer.content, PERSONAL) == set(), path
    for query in ("status=DELETED", f"stream_id={erased.user_id}"):
        for path in ("/api/users", "/api/users/keyset", "/api/audit"):
            answer = erased.admin.get(f"{path}?{query}")
            assert found_in(answer.content, PERSONAL) == set(), path
    problem_of(erased.admin.get(f"/api/users/{erased.user_id}"), 404, "user_not_found")
