"""The settings, from environment variables; without any of them Daybook runs on this machine alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

_SCHEMES = ("postgresql://", "postgres://")


class SettingsError(Exception):
    """A setting has a value that cannot be used; the message names it."""


class Settings(BaseSettings):
    """Each field is the environment variable of the same name; an empty variable counts as unset."""

    model_config = SettingsConfigDict(
        frozen=True, case_sensitive=True, env_ignore_empty=True, extra="ignore"
    )

    PORT: Annotated[int, Field(ge=1, le=65535)] = 8000
    HOST: str = "127.0.0.1"
    DATA_DIR: Path = Path("var")
    """Where the embedded Postgres keeps its data; unused with a `DATABASE_URL`."""
    DATABASE_URL: Annotated[str | None, Field(repr=False)] = None
    """The Postgres to use; None runs an embedded one."""
    DATABASE_ADMIN_URL: Annotated[str | None, Field(repr=False)] = None
    """The same database for a role that may migrate it; `DATABASE_URL` when not given."""
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

    @field_validator("LOG_LEVEL", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("DATABASE_URL", "DATABASE_ADMIN_URL")
    @classmethod
    def _is_postgres(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(_SCHEMES):
            raise ValueError("write it as postgresql://user:password@host:5432/database")
        return value

    @model_validator(mode="after")
    def _admin_needs_a_database(self) -> Self:
        if self.DATABASE_ADMIN_URL is not None and self.DATABASE_URL is None:
            raise ValueError("DATABASE_ADMIN_URL is set and DATABASE_URL is not: set both or none")
        return self

    @field_validator("LOG_FORMAT", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

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


def load_settings() -> Settings:
    """The settings of this process. Raises `SettingsError` that names each unusable variable."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(one) for one in error.errors())) from None


def _sentence(error: ErrorDetails) -> str:
    problem = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return problem
    name = str(error["loc"][0])
    # A database's URL may hold a password.
    shown = "" if name.endswith("_URL") else f"{error['input']!r} cannot be used: "
    return f"{name}: {shown}{problem}"
