"""Read models that are files of somebody's own: loaded, checked, and run beside the product's."""

from __future__ import annotations

import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Connection

from domain.catalogue import EVENT_TYPES, UPCASTERS
from domain.events import Event, Recorded
from projections import checkpoints, parity, schemas
from projections.catalogue import READ_MODELS, ReadModel
from projections.shadows import RebuildFailedError

MAX_NAME_CHARS = 50
"""A rebuild appends up to nine characters, and Postgres cuts a name off at 63."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
# A schema with the name of a role comes before all others in that role's sessions.
_ROLES = ("daybook", "daybook_reader")
_RESERVED = {"public", "information_schema", *_ROLES, *(model.name for model in READ_MODELS)}
_ENDINGS = ("_shadow", "_previous", "_outdated", "_aside")
_MAX_VERSION = 2**31 - 1  # of the column in `checkpoints`


class ModelFileError(Exception):
    """A file that is no read model as it is; the message names it and says what to change."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")


def load(path: Path) -> ReadModel:
    """The read model that a Python file describes, in the way that docs/own-read-models.md tells.

    The file is read once and the model keeps its text: processes that rebuild it run what was loaded,
    whatever becomes of the file meanwhile. Raises `ModelFileError`.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ModelFileError(path, f"it can't be read ({error.strerror or error})") from None
    try:
        file = _File(path.resolve(), source)
    except Exception as error:  # somebody's own code may raise anything
        raise ModelFileError(path, _failure(path.resolve(), error)) from error
    given = vars(file.module)
    _require(path, given, "NAME", 'the name of its schema, such as NAME = "daily_volume"')
    _require(path, given, "VERSION", "a number to raise with each change, at first VERSION = 1")
    _require(path, given, "TOPICS", 'what it reads, such as TOPICS = ["account.credited"]')
    _require(path, given, "project", "the function project(batch, db) that writes its rows")
    return ReadModel(
        name=_name(path, given["NAME"]),
        version=_version(path, given["VERSION"]),
        tables=_sql(path, given.get("TABLES"), "TABLES", "tables.sql", is_required=True),
        indexes=_sql(path, given.get("INDEXES"), "INDEXES", "indexes.sql", is_required=False),
        topics=_topics(path, given["TOPICS"]),
        project=_Function(file, _function(path, given, "project", "batch", "db")),
        key_of=None
        if given.get("key_of") is None
        else _KeyOf(file, _function(path, given, "key_of", "event")),
    )


def check(conn: Connection[Any], path: Path, model: ReadModel) -> None:
    """Try the tables and indexes of a loaded model out, and take them back.

    Raises `ModelFileError` when the database refuses them, or when its name is that of a schema which
    holds something else: a rebuild would drop that.
    """
    if schemas.exists(conn, model.name) and checkpoints.read(conn, model.name) is None:
        raise ModelFileError(
            path,
            f"there is a schema {model.name} already that is no read model: choose another NAME, or"
            " drop that schema",
        )
    trial = f"{model.name}_aside"
    try:
        with conn.transaction(force_rollback=True):
            schemas.create(conn, model, trial)
            schemas.create_indexes(conn, model, trial)
            parity.compare(conn, trial, trial, 0, expected=False)
    except psycopg.Error as error:
        if conn.closed:
            raise
        said = error.diag.message_primary or str(error)
        raise ModelFileError(path, f"the database refuses its tables or indexes: {said}") from error


class _File:
    """A model's file after it was run. Pickled as its text, so that other processes run the same."""

    def __init__(self, path: Path, source: bytes) -> None:
        self._path = path
        self._source = source
        self.module = ModuleType(f"read model {path}")
        self.module.__file__ = str(path)
        # Data classes look their module up by name.
        sys.modules[self.module.__name__] = self.module
        exec(compile(source, str(path), "exec"), vars(self.module))  # noqa: S102 - it is asked for

    def __reduce__(self) -> tuple[type[_File], tuple[Path, bytes]]:
        return _File, (self._path, self._source)


class _Function:
    """A function of a model's file, which can be sent to another process."""

    def __init__(self, file: _File, name: str) -> None:
        self._file = file
        self._name = name
        self._call: Callable[..., Any] = getattr(file.module, name)

    def __call__(self, *args: Any) -> Any:
        return self._call(*args)

    def __reduce__(self) -> tuple[type[_Function], tuple[_File, str]]:
        return type(self), (self._file, self._name)


class _KeyOf(_Function):
    """A file's `key_of`. A mistake in it is told as one in `project` is, and ends a rebuild."""

    def __call__(self, *args: Recorded) -> UUID:
        (event,) = args
        try:
            key = self._call(event)
            if isinstance(key, UUID):
                return key
            problem = f"{key!r} is no UUID"
        except Exception as error:  # noqa: BLE001 - it is somebody's own code, which may raise anything
            problem = f"{type(error).__name__}: {error}"
        raise RebuildFailedError(
            f"key_of fails at event {event.position} ({problem}); correct the code, the live read model"
            " is untouched"
        )


def _failure(path: Path, error: Exception) -> str:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"line {error.lineno} is no Python: {error.msg}"
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    where = f" at line {lines[-1]}" if lines else ""
    return f"it fails{where} when it is loaded: {type(error).__name__}: {error}"


def _require(path: Path, given: dict[str, Any], attribute: str, meaning: str) -> None:
    if attribute not in given:
        raise ModelFileError(path, f"{attribute} is missing: {meaning}")


def _name(path: Path, name: object) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > MAX_NAME_CHARS:
        raise ModelFileError(
            path,
            f"NAME = {name!r} can't name a schema: take lower-case letters, digits and _, at most"
            f" {MAX_NAME_CHARS}, and a letter first",
        )
    if name in _RESERVED or name.startswith("pg_") or name.endswith(_ENDINGS):
        raise ModelFileError(
            path,
            f"NAME = {name!r} is taken: choose one that is not {', '.join(sorted(_RESERVED))}, does"
            f" not begin with pg_ and does not end in {', '.join(_ENDINGS)}",
        )
    return name


def _version(path: Path, version: object) -> int:
    if type(version) is not int or not 1 <= version <= _MAX_VERSION:
        raise ModelFileError(path, f"VERSION = {version!r} is no whole number from 1 up")
    return version


def _topics(path: Path, given: object) -> frozenset[str]:
    known = {*EVENT_TYPES, *UPCASTERS}
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ModelFileError(path, f"TOPICS = {given!r} is no list: write TOPICS = [...]")
    topics = [_topic(each) for each in given]
    unknown = [repr(topic) for topic in topics if topic not in known]
    if unknown or not topics:
        problem = f"no event is called {', '.join(unknown)}" if unknown else "TOPICS is empty"
        raise ModelFileError(path, f"{problem}; there are: {', '.join(sorted(known))}")
    return frozenset(topics)


def _topic(given: object) -> str:
    is_event = isinstance(given, type) and issubclass(given, Event) and hasattr(given, "topic")
    return given.topic if is_event else str(given)  # type: ignore[attr-defined]


def _function(path: Path, given: dict[str, Any], name: str, *arguments: str) -> str:
    """The name of a function that can be called in this way, and does its work when it is."""
    function, call = given[name], f"{name}({', '.join(arguments)})"
    if not callable(function):
        raise ModelFileError(path, f"{name} is no function: define {call}")
    is_lazy = inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function)
    if is_lazy or inspect.isasyncgenfunction(function):
        raise ModelFileError(path, f"{name} must be a plain function, without async or yield")
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        raise ModelFileError(path, f"{name} must take what {call} gives it") from None
    return name


def _sql(path: Path, given: object, attribute: str, file: str, *, is_required: bool) -> str:
    """SQL that is given as an attribute, or by a file beside the model's."""
    if given is None:
        beside = path.with_name(file)
        if not is_required and not beside.exists():
            return ""
        try:
            given = beside.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelFileError(
                path,
                f"its {file} can't be read ({error}): write the SQL there, or as {attribute} into"
                " the file",
            ) from None
    if not isinstance(given, str) or (is_required and not given.strip()):
        raise ModelFileError(path, f"{attribute} must be SQL, as text that is not empty")
    return given
