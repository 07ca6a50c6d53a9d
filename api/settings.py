"""The settings, from environment variables; without any of them Daybook runs on this machine alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.setting_values import (
    LOCAL_NAMES,
    Hosts,
    MasterKey,
    Networks,
    OldMasterKeys,
    Origins,
    Rate,
    Secret,
    Secrets,
    Sender,
    Thresholds,
    WebhookSecrets,
    require_postgres,
    split_url,
)

_UNREAD_BY_PRODUCTION = (
    "APP_ENV: production is set in the file that only development reads: set it, and all the rest,"
    " in the environment"
)


class SettingsError(Exception):
    """A setting has a value that cannot be used; the message names it, one sentence a line."""


class Settings(BaseSettings):
    """Each field is the environment variable of the same name; an empty variable counts as unset."""

    model_config = SettingsConfigDict(
        frozen=True, case_sensitive=True, env_ignore_empty=True, extra="ignore"
    )

    APP_ENV: Literal["development", "test", "production"] = "development"
    """`production` starts with good secrets only, and reads no file of settings."""
    ENV_FILE: Path = Path(".env")
    """More settings, read outside production; what the environment has comes first."""
    SERVICE_NAME: Annotated[str, Field(min_length=1, max_length=60)] = "daybook"
    """What this installation is called where several are watched together."""

    PORT: Annotated[int, Field(ge=1, le=65535)] = 8000
    HOST: str = "127.0.0.1"
    """The address to listen on; one that others reach needs `ALLOWED_HOSTS`."""
    PUBLIC_URL: str | None = None
    """What links in mails begin with; None is `http://127.0.0.1:PORT`."""
    ALLOWED_HOSTS: Hosts = LOCAL_NAMES
    """The names that requests may be for."""
    CORS_ORIGINS: Origins = ()
    """The web sites whose pages may use the API from a browser."""
    TRUSTED_PROXIES: Networks = ()
    """Addresses and networks whose word on a client's address is taken."""

    DATA_DIR: Path = Path("var")
    """Where the embedded Postgres keeps its data; beside it, keys, signed checkpoints and unsent mail."""
    DATABASE_URL: Annotated[str | None, Field(repr=False)] = None
    """The Postgres to use; None runs an embedded one."""
    DATABASE_ADMIN_URL: Annotated[str | None, Field(repr=False)] = None
    """The same database for a role that may migrate it; `DATABASE_URL` when not given."""
    POOL_SIZE: Annotated[int, Field(ge=2)] = 10
    """Connections that one server reads through at most."""
    REDIS_URL: Annotated[str | None, Field(repr=False)] = None
    """Where several servers count requests together; None counts in each server alone."""

    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    LOG_FORMAT: Literal["json", "text"] | None = None
    """How log lines are written to stderr: as JSON for programs or as text for people. None is JSON with
    a `DATABASE_URL` and text without one, and text for all that `daybook up` starts."""
    QUEUE_LIMIT: Annotated[int, Field(ge=1)] = 20_000
    """Commands that may wait for the writer before more of them are turned away."""
    CACHE_ACCOUNTS: Annotated[int, Field(ge=1)] = 100_000
    """Accounts whose state the writer keeps in memory."""
    AUDIT_KEY_FILE: Path | None = None
    """The key that signs checkpoints; None is `DATA_DIR/keys/audit.key`."""
    CHECKPOINT_EVERY: Annotated[int, Field(ge=0)] = 100_000
    """Events after which the server signs the log by itself; 0 leaves it to `daybook audit checkpoint`."""

    JWT_SECRET: Annotated[Secret | None, Field(repr=False)] = None
    """Signs the tokens of those who have logged in; None makes one in `DATA_DIR/keys/jwt.key`."""
    JWT_SECRETS_OLD: Annotated[Secrets, Field(repr=False)] = ()
    """Secrets that no longer sign, and whose tokens are still good."""
    ENCRYPTION_KEY: Annotated[MasterKey | None, Field(repr=False)] = None
    """Wraps the keys of what is known of people: 32 bytes in base64. None makes one in
    `DATA_DIR/keys/encryption.key`."""
    ENCRYPTION_KEYS_OLD: Annotated[OldMasterKeys, Field(repr=False)] = ()
    """Keys that no longer wrap, and still open."""
    ARGON2_MEMORY_KIB: Annotated[int, Field(ge=8, le=4_194_304)] = 65_536
    """Memory that hashing one password takes."""
    ARGON2_TIME_COST: Annotated[int, Field(ge=1, le=1_000)] = 3
    """Rounds of hashing a password."""
    ARGON2_PARALLELISM: Annotated[int, Field(ge=1, le=128)] = 4
    """Lanes of hashing a password."""

    RATE_LIMIT: Rate = "100/minute"
    """Requests of one person."""
    RATE_LIMIT_WRITES: Rate = "60/minute"
    """Of these, requests that change something."""
    RATE_LIMIT_MACHINE: Rate = "60000/minute"
    """Requests with one API key."""
    RATE_LIMIT_ADDRESS: Rate = "600/minute"
    """Requests without credentials from one address."""
    RATE_LIMIT_LOGIN: Rate = "10/minute"
    """Attempts to log in as one person from one address."""
    RATE_LIMIT_LOGIN_ADDRESS: Rate = "30/minute"
    """Attempts to log in as anybody from one address."""
    FOUR_EYES_ABOVE: Thresholds = Field(default_factory=lambda: MappingProxyType({}))
    """By currency, the amount above which moving money needs a second person; a currency that is not
    named needs none."""

    SMTP_URL: Annotated[str | None, Field(repr=False)] = None
    """The server that mail goes out through; None puts it into `DATA_DIR/mailbox`."""
    MAIL_FROM: Sender = "daybook@localhost"
    """Whom mail is from."""

    WEBHOOKS_ALLOW_PRIVATE: bool = False
    """Whether webhooks may be sent to this machine and its network."""
    BANK_WEBHOOK_SECRET: Annotated[WebhookSecrets, Field(repr=False)] = ()
    """What a bank signs its webhooks with, several while one takes the other's place; None of them is
    taken in without one."""
    BUREAU_WEBHOOK_SECRET: Annotated[WebhookSecrets, Field(repr=False)] = ()
    """What the credit bureau signs its webhooks with; as `BANK_WEBHOOK_SECRET`."""
    DECISIONS_WEBHOOK_SECRET: Annotated[WebhookSecrets, Field(repr=False)] = ()
    """What a partner who decides on applications for credit signs with; as `BANK_WEBHOOK_SECRET`."""
    FRAUD_WEBHOOK_SECRET: Annotated[WebhookSecrets, Field(repr=False)] = ()
    """What who watches for fraud signs alarms with; as `BANK_WEBHOOK_SECRET`."""
    FRAUD_HOLDS_FROM: Literal["low", "medium", "high", "critical", "never"] = "high"
    """The least severity of an alarm that freezes the account, and calls off what is not sent."""
    WEBHOOK_TOLERANCE_S: Annotated[int, Field(ge=1, le=3600)] = 300
    """So old, or so far ahead, a webhook that comes in may be."""

    BANK_URL: str | None = None
    """Where the bank takes instructions; without it they wait for a worker that has one."""
    BANK_TOKEN: Annotated[str | None, Field(min_length=8, repr=False)] = None
    """What the bank knows us by."""
    BANK_PATIENCE_S: Annotated[int, Field(ge=1, le=31_536_000)] = 432_000
    """So long a bank may take for each thing that it is asked, before it is called off."""
    BANK_LOOK_AFTER_S: Annotated[int, Field(ge=1, le=86_400)] = 30
    """So long a bank may say nothing before it is asked what has become of it."""
    BUREAU_URL: str | None = None
    """Where the credit bureau is asked; without it questions wait for a worker that has one."""
    BUREAU_TOKEN: Annotated[str | None, Field(min_length=8, repr=False)] = None
    """What the credit bureau knows us by."""
    BUREAU_PATIENCE_S: Annotated[int, Field(ge=1, le=31_536_000)] = 600
    """So long the credit bureau may take before an application goes on without a report."""
    BUREAU_LOOK_AFTER_S: Annotated[int, Field(ge=1, le=86_400)] = 30
    """So long the credit bureau may say nothing of a report that it has promised, before it is asked."""
    JOBS_BANKING: Annotated[int, Field(ge=0, le=100)] = 3
    """Jobs for banks that one worker runs at once."""
    JOBS_PAYMENTS: Annotated[int, Field(ge=0, le=100)] = 2
    """Jobs for payments."""
    JOBS_NOTIFICATIONS: Annotated[int, Field(ge=0, le=100)] = 3
    """Jobs that tell somebody."""
    JOBS_WEBHOOKS: Annotated[int, Field(ge=0, le=100)] = 3
    """Jobs that send webhooks."""
    JOBS_BUREAUS: Annotated[int, Field(ge=0, le=100)] = 3
    """Jobs for credit bureaus."""
    JOBS_DEFAULT: Annotated[int, Field(ge=0, le=100)] = 1
    """All other jobs."""

    FEATURE_RATE_LIMITING: bool = True
    """Whether requests are counted and limited."""
    FEATURE_SECURITY_AUDIT: bool = True
    """Whether logins, refusals and changes of rights are recorded."""
    FEATURE_REGISTRATION: bool = True
    """Whether anybody may register; if not, an administrator makes the users."""

    @field_validator("LOG_LEVEL", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("LOG_FORMAT", "APP_ENV", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("DATABASE_URL", "DATABASE_ADMIN_URL")
    @classmethod
    def _is_postgres(cls, value: str | None) -> str | None:
        if value is not None:
            require_postgres(value)
        return value

    @field_validator("REDIS_URL")
    @classmethod
    def _is_redis(cls, value: str | None) -> str | None:
        if value is not None and split_url(value, {"redis": 6379, "rediss": 6379}) is None:
            raise ValueError("write it as rediss://user:password@host:6379/0")
        return value

    @field_validator("SMTP_URL")
    @classmethod
    def _is_smtp(cls, value: str | None) -> str | None:
        if value is not None and split_url(value, {"smtp": 25, "smtps": 465}) is None:
            raise ValueError("write it as smtps://user:password@host:465")
        return value

    @field_validator("PUBLIC_URL")
    @classmethod
    def _is_a_base(cls, value: str | None) -> str | None:
        if value is None:
            return None
        url = split_url(value, {"http": 80, "https": 443})
        if url is None or url.query or url.fragment or "@" in url.netloc:
            raise ValueError("write it as https://ledger.example.com")
        return value.rstrip("/")

    @field_validator("BANK_URL", "BUREAU_URL")
    @classmethod
    def _is_a_service(cls, value: str | None) -> str | None:
        if value is not None and split_url(value, {"http": 80, "https": 443}) is None:
            raise ValueError("write it as https://bank.example.com")
        return value if value is None else value.rstrip("/")

    @model_validator(mode="after")
    def _admin_needs_a_database(self) -> Self:
        if self.DATABASE_ADMIN_URL is not None and self.DATABASE_URL is None:
            raise ValueError("DATABASE_ADMIN_URL is set and DATABASE_URL is not: set both or none")
        return self

    @model_validator(mode="after")
    def _lanes_need_memory(self) -> Self:
        # Argon2's own rule: eight blocks of 1 KiB a lane.
        if self.ARGON2_MEMORY_KIB < 8 * self.ARGON2_PARALLELISM:
            raise ValueError(
                "ARGON2_MEMORY_KIB is less than 8 times ARGON2_PARALLELISM: raise it, or leave both out"
            )
        return self

    @property
    def log_format(self) -> Literal["json", "text"]:
        """How this process writes its log lines; see `LOG_FORMAT`."""
        if self.LOG_FORMAT is not None:
            return self.LOG_FORMAT
        return "text" if self.DATABASE_URL is None else "json"

    @property
    def admin_url(self) -> str | None:
        """The database for migrations, None for the embedded one."""
        return self.DATABASE_ADMIN_URL or self.DATABASE_URL

    @property
    def public_url(self) -> str:
        """What links to this installation begin with, without a slash at the end."""
        return self.PUBLIC_URL or f"http://127.0.0.1:{self.PORT}"

    @property
    def is_production(self) -> bool:
        return self.APP_ENV == "production"


def load_settings(*, as_production: bool = False) -> Settings:
    """The settings of this process, or what they would be in production. Raises `SettingsError` that
    names each unusable variable."""
    if as_production:
        return _load(lambda: Settings(APP_ENV="production"))
    file = env_file()
    settings = _load(lambda: Settings(_env_file=file, _env_file_encoding="utf-8"))
    if file is not None and settings.is_production:
        raise SettingsError(_UNREAD_BY_PRODUCTION)
    return settings


def env_file() -> Path | None:
    """The file that settings are read from too: none in production, or when there is none."""
    if os.environ.get("APP_ENV", "").strip().lower() not in ("", "development", "test"):
        return None
    path = Path(os.environ.get("ENV_FILE") or ".env")
    return path if path.is_file() else None


def _load(make: Callable[[], Settings]) -> Settings:
    try:
        return make()
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(one) for one in error.errors())) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"ENV_FILE: the file of settings cannot be read ({type(error).__name__}): let this user"
            " read it, and save it as UTF-8"
        ) from None


def _sentence(error: ErrorDetails) -> str:
    problem = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return problem
    name = str(error["loc"][0])
    if name in problem:
        return problem
    given = error["input"]
    # What is never printed, and what looks as if it had a password in it.
    is_hidden = not Settings.model_fields[name].repr or {"://", "@"} <= _signs_in(given)
    return f"{name}: {problem}" if is_hidden else f"{name}: {given!r} cannot be used: {problem}"


def _signs_in(given: object) -> set[str]:
    return {sign for sign in ("://", "@") if sign in str(given)}
