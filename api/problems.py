"""Problems as they are answered: RFC 9457 bodies, with details that a person can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from api.problem_catalogue import CATALOGUE as CATALOGUE
from api.problem_catalogue import ERROR_TYPES, Problem
from api.redaction import REDACTED, is_secret, redact
from domain.money import format_amount

PROBLEM_JSON = "application/problem+json"

_REASON_OF_TYPE = {
    "json_invalid": "invalid_json",
    "missing": "missing_fields",
    "extra_forbidden": "unknown_fields",
    "uuid_parsing": "invalid_uuid_format",
    "uuid_type": "invalid_uuid_format",
}


class ProblemError(Exception):
    """An answer other than success, raised anywhere at the edge."""

    def __init__(self, reason: str, **details: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.details = details


def shown(details: Mapping[str, object]) -> dict[str, object]:
    """Details as a client sees them: `NAME_minor` becomes NAME as a decimal string of the currency,
    and secrets are taken out."""
    currency = details.get("currency")
    result: dict[str, object] = {}
    for name, value in details.items():
        if name.endswith("_minor") and isinstance(currency, str):
            result[name.removesuffix("_minor")] = (
                format_amount(value, currency) if isinstance(value, int) else None
            )
        else:
            result[name] = REDACTED if is_secret(name) else redact(value)
    return result


def explain(reason: str, details: Mapping[str, object]) -> str:
    """The sentence for a person."""
    words = {
        name: ", ".join(map(str, value)) or "nothing" if isinstance(value, list) else value
        for name, value in shown(details).items()
    }
    return CATALOGUE[reason].advice.format_map(_Forgiving(words))


class _Forgiving(dict[str, Any]):
    """A detail that is not there shows as its name rather than as an error in an error."""

    def __missing__(self, key: str) -> str:
        return key


def of_validation(errors: Sequence[Any]) -> tuple[str, dict[str, object]]:
    """Reason and details for what pydantic found: the first mistake names the reason, all are listed."""
    found = []
    for error in errors:
        reason = _REASON_OF_TYPE.get(error["type"], error["type"])
        if reason == "too_long" and error["loc"][-1] == "transfers":
            reason = "batch_too_large"
        if reason not in CATALOGUE:
            reason = "invalid_request"
        place = [str(part) for part in error["loc"] if part not in ("body", "query", "path")]
        found.append({"field": ".".join(place), "reason": reason, "message": error["msg"]})
    reason = found[0]["reason"]
    details: dict[str, object] = {"errors": found}
    if reason in ("missing_fields", "unknown_fields"):
        details["fields"] = [e["field"] for e in found if e["reason"] == reason]
    context = errors[0].get("ctx", {})
    details.update(
        {k: v for k, v in context.items() if k in ("allowed", "min_length", "max_length")}
    )
    return reason, details


def problem_headers(reason: str, details: Mapping[str, object]) -> dict[str, str]:
    """What a problem says in headers too: when to try again, and how to say who one is (RFC 6750)."""
    problem = CATALOGUE[reason]
    headers = {}
    if "retry_after_s" in details:
        headers["Retry-After"] = str(details["retry_after_s"])
    elif problem.status == 503:
        headers["Retry-After"] = "1"
    if problem.status == 401:
        headers["WWW-Authenticate"] = _BEARER if reason in _WITHOUT_TOKEN else _invalid(problem)
    elif reason == "scope_missing":
        scope = f', scope="{details["scope"]}"' if "scope" in details else ""
        headers["WWW-Authenticate"] = f'{_BEARER}, error="insufficient_scope"{scope}'
    return headers


_BEARER = 'Bearer realm="daybook"'
_WITHOUT_TOKEN = frozenset(
    {"unauthorized", "invalid_credentials", "invalid_password", "invalid_webhook_signature"}
)
"""These say nothing of a token, and RFC 6750 has no error code for them."""


def _invalid(problem: Problem) -> str:
    return f'{_BEARER}, error="invalid_token", error_description="{problem.title}"'


def render(
    reason: str, details: Mapping[str, object], *, instance: str, correlation_id: str
) -> bytes:
    """The body of a problem, as RFC 9457 with the members of this API's own."""
    problem = CATALOGUE[reason]
    sentence, visible, now = explain(reason, details), shown(details), datetime.now(UTC)
    return msgspec.json.encode(
        {
            "type": f"/api/problems/{reason}",
            "title": problem.title,
            "status": problem.status,
            "detail": sentence,
            "instance": instance,
            "reason": reason,
            "category": problem.category,
            "retryable": problem.retryable,
            "details": visible,
            "timestamp": now,
            "correlation_id": correlation_id,
            "error": {
                "type": ERROR_TYPES[problem.category],
                "message": sentence,
                "code": problem.status,
                "reason": reason,
                "details": visible,
                "timestamp": now,
            },
        }
    )
