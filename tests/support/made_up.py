"""Requests made up from the API's own description, so that a new route is tried without being told of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from hypothesis import strategies as st

Json = dict[str, Any]

_METHODS = ("get", "put", "post", "delete", "patch")

_KNOWN = {
    "currency": "EUR",
    "country": "ES",
    "document_type": "dni",
    "document_number": "12345678Z",
}
"""What a made-up text would hardly be."""

TODAY = datetime.now(UTC).date().isoformat()


class Request(NamedTuple):
    """One request; `path` and `query` are what goes into those by name, `body` None for none."""

    method: str
    template: str
    path: dict[str, str]
    query: dict[str, str]
    body: Any

    @property
    def url(self) -> str:
        return self.template.format(**self.path)


def operations(description: Json) -> dict[str, Json]:
    """Method and path of every operation, as `GET /api/accounts`, and what is said of it."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
        if method in _METHODS
    }


class MakerUp:
    """Makes requests up. Where an id belongs, it is one of `ids`, given the name of the place."""

    def __init__(self, description: Json, ids: Callable[[str], st.SearchStrategy[str]]) -> None:
        self._schemas = description.get("components", {}).get("schemas", {})
        self._operations = operations(description)
        self._ids = ids

    def requests(self, name: str) -> st.SearchStrategy[Request]:
        """Requests of an operation, most of which are good enough to be looked at."""
        operation = self._operations[name]
        method, _, template = name.partition(" ")
        return st.builds(
            Request,
            st.just(method),
            st.just(template),
            self._parameters(operation, "path"),
            self._parameters(operation, "query"),
            self._body(operation),
        )

    def _parameters(self, operation: Json, where: str) -> st.SearchStrategy[dict[str, str]]:
        needed: dict[str, st.SearchStrategy[str]] = {}
        others: dict[str, st.SearchStrategy[str]] = {}
        for parameter in operation.get("parameters", ()):
            if (
                parameter["in"] == where and parameter["name"] != "min_position"
            ):  # which is waited for
                group = needed if parameter["required"] else others
                values = self._value(parameter["schema"], parameter["name"])
                group[parameter["name"]] = values.filter(lambda v: v is not None).map(_text)
        return st.fixed_dictionaries(needed, optional=others)

    def _body(self, operation: Json) -> st.SearchStrategy[Any]:
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        return st.none() if content is None else self._value(content["schema"], "")

    def _value(self, schema: Json, name: str) -> st.SearchStrategy[Any]:
        if "$ref" in schema:
            return self._value(self._schemas[schema["$ref"].rpartition("/")[2]], name)
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return st.one_of([self._value(option, name) for option in options])
        if name in _KNOWN:
            return st.just(_KNOWN[name])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        match schema.get("type"):
            case "string":
                return self._string(schema, name)
            case "integer":
                return st.integers(max(schema.get("minimum", 0), 0), 40)
            case "boolean":
                return st.booleans()
            case "array":
                return st.lists(self._value(schema.get("items", {}), name), min_size=1, max_size=3)
            case "object":
                return self._object(schema)
        return st.none()

    def _string(self, schema: Json, name: str) -> st.SearchStrategy[str]:
        match schema.get("format"):
            case "uuid":
                return self._ids(name)
            case "date":
                return st.sampled_from(["2020-02-02", TODAY])
            case "date-time":
                return st.sampled_from(["2020-02-02", "2026-01-01T12:00:00Z", "2150-01-01"])
            case "email":
                return st.sampled_from(["somebody.else@example.com", "nobody@example.com"])
            case "password":
                return st.just("three words and 1")
        if "[0-9]" in schema.get("pattern", ""):
            return st.sampled_from(["1.00", "2.00", "9000.00", "20000.00"])
        return st.one_of(st.sampled_from(["a text", "another text"]), self._ids(name))

    def _object(self, schema: Json) -> st.SearchStrategy[Json]:
        required = schema.get("required", ())
        values = {
            name: self._value(value, name) for name, value in schema.get("properties", {}).items()
        }
        return st.fixed_dictionaries(
            {name: value for name, value in values.items() if name in required},
            optional={name: value for name, value in values.items() if name not in required},
        )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
