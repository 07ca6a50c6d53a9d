"""docker-compose.yml fits the Compose Specification, Daybook's settings and its command line."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from api.cli.commands import daybook
from api.policies import ROUTES
from api.settings import Settings
from api.starting import check_for_production
from application.webhooks.providers import providers
from tests.deploy import made_up
from tests.deploy.composing import UnsetVariableError, composed, variables
from tests.support.processes import ROOT

SECRETS = made_up.secrets()
STACK = composed(SECRETS)
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
OURS = {name: one for name, one in SERVICES.items() if one["image"].startswith("daybook:")}
SANDBOXES = ("sandbox", "sandbox-bureau")
SCHEMA = json.loads((Path(__file__).parent / "compose-spec.json").read_text())


def test_the_file_fits_the_specification() -> None:
    validator = jsonschema_rs.validator_for(SCHEMA)
    assert [error.message for error in validator.iter_errors(STACK)] == []
    broken = STACK | {"services": SERVICES | {"api": SERVICES["api"] | {"comand": ["serve"]}}}
    assert not validator.is_valid(broken), "the schema notices nothing"


def test_every_role_is_there() -> None:
    assert set(OURS) == {"migrate", "api", "projector", "worker", *SANDBOXES}
    assert set(SERVICES) - set(OURS) == {"database", "redis", "balancer"}
    assert SERVICES["database"]["image"].startswith("postgres:18")


def test_each_command_is_one_of_the_command_line() -> None:
    for name, service in OURS.items():
        commands: Any = daybook.loaded()
        for word in service["command"]:
            if word.startswith("-"):
                break
            assert word in commands, name
            commands = getattr(commands[word], "commands", None)
        assert commands is None, name


@pytest.mark.parametrize("name", ["api", "projector", "worker"])
def test_a_server_starts_in_production_with_the_settings(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting in Settings.model_fields:
        monkeypatch.delenv(setting, raising=False)
    for setting, value in SERVICES[name]["environment"].items():
        monkeypatch.setenv(setting, value)
    settings = Settings()
    assert settings.is_production
    assert check_for_production(settings) == []


def test_every_setting_can_be_made_in_the_environment() -> None:
    """What is missing here could not be set for the stack: pass it on, or fix it, in x-settings."""
    passed_on = set(SERVICES["api"]["environment"])
    assert set(Settings.model_fields) - passed_on == {"ENV_FILE", "DATABASE_ADMIN_URL"}
    assert passed_on <= set(Settings.model_fields)
    assert "DATABASE_ADMIN_URL" in SERVICES["migrate"]["environment"]


@pytest.mark.parametrize("name", SECRETS)
def test_nothing_starts_without_its_secrets(name: str) -> None:
    with pytest.raises(UnsetVariableError, match=f"^{name}: "):
        composed(SECRETS | {name: ""})


def test_production_asks_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even by mistake: it would credit money that nobody has paid."""
    assert {name for name, one in SERVICES.items() if "profiles" in one} == set(SANDBOXES)
    assert all(SERVICES[name]["profiles"] == ["sandbox"] for name in SANDBOXES)
    assert SERVICES["api"]["environment"]["BANK_URL"] == SECRETS["BANK_URL"]
    assert SERVICES["api"]["environment"]["APP_ENV"] == "production"
    for name in SANDBOXES:
        assert not set(SERVICES[name]["volumes"]) & set(SERVICES["api"]["volumes"])
    mistaken = composed(made_up.with_sandbox() | {"COMPOSE_APP_ENV": ""})
    for setting, value in mistaken["services"]["api"]["environment"].items():
        monkeypatch.setenv(setting, value)
    problems = check_for_production(Settings())
    assert [problem.partition(":")[0] for problem in problems] == ["BANK_URL", "BUREAU_URL"]


def test_no_command_line_has_a_secret() -> None:
    for name, service in SERVICES.items():
        words = json.dumps([service.get("command"), service.get("healthcheck")])
        assert not [secret for secret in SECRETS.values() if secret in words], name


@pytest.mark.parametrize("provider", ["bank", "bureau"])
def test_the_sandbox_is_who_is_asked_and_believed(provider: str) -> None:
    services = composed(made_up.with_sandbox())["services"]
    name = next(each for each in SANDBOXES if services[each]["command"][1] == provider)
    sandbox, api = services[name], services["api"]["environment"]
    given = dict(pairwise(sandbox["command"]))
    service = provider.upper()
    assert api[f"{service}_URL"] == f"http://{name}:{given['--port']}"
    assert given["--webhook-url"] == f"http://api:{api['PORT']}/api/webhooks/incoming/{provider}"
    assert "POST /api/webhooks/incoming/{provider}" in ROUTES
    secrets = [[api[f"{each}_WEBHOOK_SECRET"]] for each in ("BANK", "BUREAU")]
    assert set(providers(*secrets)) == {"bank", "bureau"}
    assert sandbox["environment"] == {
        "SANDBOX_TOKEN": api[f"{service}_TOKEN"],
        "SANDBOX_WEBHOOK_SECRET": api[f"{service}_WEBHOOK_SECRET"],
    }


def test_only_the_migration_has_the_owners_password() -> None:
    owner = SECRETS["POSTGRES_PASSWORD"]
    knowing = {name for name, one in SERVICES.items() if owner in json.dumps(one)}
    assert knowing == {"database", "migrate"}


def test_the_order_of_starting() -> None:
    for name in ("api", "projector", "worker"):
        after = {one: how["condition"] for one, how in SERVICES[name]["depends_on"].items()}
        assert after == {
            "migrate": "service_completed_successfully",
            "database": "service_healthy",
            "redis": "service_healthy",
        }
    assert SERVICES["migrate"]["depends_on"]["database"]["condition"] == "service_healthy"
    assert SERVICES["migrate"]["restart"] == "no"
    for service in SERVICES.values():
        for name, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                checked_by_image = name in OURS and "healthcheck" not in OURS[name]
                assert checked_by_image or SERVICES[name]["healthcheck"]["test"], name


def test_nothing_but_the_balancer_can_be_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["balancer"]
    assert SERVICES["balancer"]["ports"] == ["127.0.0.1:8000:8080"]
    sharing = {name for name, one in SERVICES.items() if "front" in one["networks"]}
    assert sharing == {"api", "balancer"}, "they take each other's word on who asks"
    subnet = STACK["networks"]["front"]["ipam"]["config"][0]["subnet"]
    assert SERVICES["api"]["environment"]["TRUSTED_PROXIES"] == subnet


def test_what_is_named_is_there() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in STACK["volumes"] or (ROOT / source).is_file(), volume
        assert set(service["networks"]) <= set(STACK["networks"])
        assert not service["image"].endswith(":latest")
        assert ":" in service["image"]


def test_containers_may_do_little() -> None:
    for name, service in OURS.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_the_balancer_asks_where_the_servers_listen() -> None:
    """Of the port as of the health check's name, which must be one that servers answer to."""
    proxy = (ROOT / "deploy" / "compose" / "Caddyfile").read_text()
    port = SERVICES["api"]["environment"]["PORT"]
    assert f"name api\n\t\t\tport {port}\n" in proxy
    assert ":8080 {" in proxy
    assert "Host: api" in SERVICES["balancer"]["healthcheck"]["test"]
    assert "api" in SERVICES["api"]["environment"]["ALLOWED_HOSTS"].split(",")


def test_every_variable_is_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text()
    for name in variables():
        assert f"\n{name}=" in example, name
