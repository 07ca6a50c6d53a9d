"""What a log line is: whole, one line, and without secrets, for programs and for people."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from io import StringIO
from typing import Any, Literal

import pytest
from structlog.contextvars import bound_contextvars

from api import logs
from api.problems import render, shown
from api.redaction import MAX_DEPTH, REDACTED, SECRETS, redact, redact_text
from domain.texts import is_fit

FORGED = '2026-01-01T00:00:00Z [error] forged\r\n{"event": "forged"}\x1b[2J\x9b31m\u2028\u202ex'


KEY = "dbk_" + "hush" * 11 + "_a1b2c3"
TOKEN = ".".join(["eyJ" + "hbGciOiJIUzI1NiJ9", "eyJ" + "-hush_In0", "hush" * 11])


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class Sink:
    """A logger of its own and what it has written."""

    def __init__(self, log_format: Literal["json", "text"], stream: StringIO | None = None) -> None:
        self._stream = stream or StringIO()
        handler = logging.StreamHandler(self._stream)
        handler.setFormatter(logs.make_formatter("api", log_format, self._stream))
        self.log = logging.Logger("daybook.test")
        self.log.addHandler(handler)

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def lines(self) -> list[str]:
        """As a terminal or a collector takes them apart."""
        return self.text.splitlines()

    @property
    def event(self) -> dict[str, Any]:
        (line,) = self.lines
        return dict(json.loads(line))


@pytest.fixture
def programs() -> Sink:
    return Sink("json")


@pytest.fixture
def people() -> Sink:
    return Sink("text")


def fail(message: str) -> None:
    raise ValueError(message)


def test_a_line_for_programs_has_its_members_in_order(programs: Sink) -> None:
    before = datetime.now(UTC)
    programs.log.warning("%d of %s", 2, "three", extra={"count": 2})
    event = programs.event
    assert list(event) == ["timestamp", "level", "service", "logger", "event", "count"]
    assert event["timestamp"].endswith("Z")
    assert len(event["timestamp"]) == len("2026-01-01T00:00:00.000000Z")
    assert before <= datetime.fromisoformat(event.pop("timestamp")) <= datetime.now(UTC)
    assert event == {
        "level": "warning",
        "service": "api",
        "logger": "daybook.test",
        "event": "2 of three",
        "count": 2,
    }


def test_a_line_for_people_reads_from_left_to_right(people: Sink) -> None:
    people.log.warning("all is %s", "well", extra={"count": 2})
    time, rest = people.text.split(" ", 1)
    assert datetime.fromisoformat(time)
    assert rest == "[warning] all is well [daybook.test] count=2\n"


def test_only_a_terminal_is_given_colours(people: Sink) -> None:
    people.log.warning("well")
    terminal = Sink("text", Terminal())
    terminal.log.warning("well")
    assert "\x1b[" not in people.text
    assert "\x1b[" in terminal.text


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_line_within_a_request_has_its_correlation_id(
    log_format: Literal["json", "text"],
) -> None:
    sink = Sink(log_format)
    with bound_contextvars(correlation_id="order/7"):
        sink.log.info("within")
    sink.log.info("outside")
    assert ["order/7" in line for line in sink.lines] == [True, False]


def test_an_exception_is_kept_whole(programs: Sink, people: Sink) -> None:
    for sink in (programs, people):
        try:
            fail("one\ntwo")
        except ValueError as error:
            try:
                raise KeyError("three") from error
            except KeyError:
                sink.log.exception("it failed")
    trace = programs.event["exception"].splitlines()
    assert trace[0] == "Traceback (most recent call last):"
    assert trace[-1] == "KeyError: 'three'"
    assert "two" in trace
    assert "The above exception was the direct cause of the following exception:" in trace
    first, *others = people.lines
    assert first.endswith("it failed [daybook.test]")
    assert [line.removeprefix("    ") for line in others if line.strip()] == [
        line for line in trace if line.strip()
    ]


def test_a_stack_is_kept_too(programs: Sink, people: Sink) -> None:
    for sink in (programs, people):
        sink.log.error("here", stack_info=True)
    assert "test_a_stack_is_kept_too" in programs.event["stack"]
    assert "test_a_stack_is_kept_too" in people.text


def test_nothing_makes_a_second_line_or_steers_a_terminal(programs: Sink, people: Sink) -> None:
    for sink in (programs, people):
        sink.log.error("a %s", FORGED, extra={"given": FORGED, FORGED: {"deep": [FORGED]}})
    assert programs.text.isascii()
    assert is_fit(programs.lines[0])
    event = programs.event
    assert event["event"] == f"a {FORGED}", "nothing is lost"
    assert (event["given"], event[FORGED]) == (FORGED, {"deep": [FORGED]})
    (line,) = people.lines
    assert is_fit(line)
    assert r"forged\r\n" in line


def test_an_exceptions_message_is_no_line_of_the_log(people: Sink) -> None:
    people.log.error("it failed", exc_info=ValueError(FORGED))
    first, *others = people.text.removesuffix("\n").split("\n")
    assert others
    assert all(line.startswith("    ") and is_fit(line) for line in others)
    assert first.endswith("it failed [daybook.test]")


def test_no_value_loses_its_line(programs: Sink, people: Sink) -> None:
    class Mute:
        def __str__(self) -> str:
            raise RuntimeError

    itself: list[object] = []
    itself.append(itself)
    odd = {
        "half": "\ud800",
        "nothing": float("nan"),
        "mute": Mute(),
        "time": datetime(2026, 1, 1, tzinfo=UTC),
        "itself": itself,
        "keys": {(1, 2): 2**70, None: b"x"},
    }
    for sink in (programs, people):
        sink.log.error("odd", extra=odd)
    event = programs.event
    assert (event["half"], event["nothing"], event["mute"]) == ("?", "nan", "(Mute)")
    assert event["time"] == "2026-01-01 00:00:00+00:00"
    assert event["keys"] == {"[1, 2]": 2**70, "None": "b'x'"}
    assert len(people.lines) == 1


def test_what_is_added_does_not_stand_in_for_the_lines_own_members(programs: Sink) -> None:
    programs.log.error("true", extra={"event": "forged", "level": "debug", "service": "other"})
    event = programs.event
    assert (event["event"], event["level"], event["service"]) == ("true", "error", "api")
    assert (event["event_"], event["level_"]) == ("forged", "debug")


def nested(secret: dict[str, object]) -> list[object]:
    """A mapping at several depths."""
    deep: object = secret
    for _ in range(20):
        deep = {"a": [deep]}
    return [secret, {"a": secret}, [secret], ({"a": (secret,)},), deep]


def spellings(name: str) -> list[str]:
    return [
        name,
        name.upper(),
        name.title(),
        name.replace("_", "-"),
        name.title().replace("_", "-"),
    ]


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_is_shown_at_no_depth_and_in_no_spelling(
    name: str, programs: Sink, people: Sink
) -> None:
    for spelling in spellings(name):
        for value in ("hush", ["hush"], {"x": "hush"}, b"hush"):
            for place in nested({spelling: value}):
                assert "hush" not in str(redact(place))
                assert REDACTED in str(redact(place))
                assert "hush" not in str(shown({"given": place}))
        for sink in (programs, people):
            sink.log.error("told", extra={spelling: "hush", "given": {"x": [{spelling: "hush"}]}})
            sink.log.error("told %s", {spelling: "hush"})
            sink.log.error("told %s", json.dumps({spelling: 'hu"hush'}))
    assert "hush" not in programs.text + people.text
    assert programs.text.count(REDACTED) == 4 * len(spellings(name))


def test_names_that_only_look_like_secrets_are_shown() -> None:
    plain = {"tokens": 3, "secretary": "Ann", "key": "k", "position": 7, "cookies": [1]}
    assert redact(plain) == plain


def test_what_is_too_deep_to_be_read_is_cut_rather_than_shown() -> None:
    deep: object = {"password": "hush"}
    for _ in range(MAX_DEPTH + 5):
        deep = [deep]
    assert "hush" not in str(redact(deep))


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (
            "to postgresql://app:hush@db:5432/ledger failed",
            "postgresql://app:[redacted]@db:5432/le",
        ),
        ("'POSTGRES://app:hush@db/x'", "'POSTGRES://app:[redacted]@db/x'"),
        ("postgresql://app:hu@sh@db/x", "postgresql://app:[redacted]@db/x"),
        ("postgresql://app:hu/hush@db/x", "postgresql://app:[redacted]@db/x"),
        ("postgresql://:hush@/x?host=/run", "postgresql://:[redacted]@/x?host=/run"),
        ("postgresql://db/x?user=a&password=hush&x=1", "&password=[redacted]&x=1"),
        ("host=db password=hush dbname=x", "host=db password=[redacted] dbname=x"),
        (r"host=db password = 'hu\' hush' dbname=x", "password = [redacted] dbname=x"),
        ("password='hush", "password=[redacted]"),
        ('"password": "hush', '"password": "[redacted]"'),
        ("redis://:hush@db:6379/0", "redis://:[redacted]@db:6379/0"),
        ("rediss://me:hush@db/0", "rediss://me:[redacted]@db/0"),
        ("SMTPS://me:hush@mail:465", "SMTPS://me:[redacted]@mail:465"),
        ("smtp://me@x.example:hush@mail", "@x.example:[redacted]@mail"),
        ("JWT_SECRET=hush ENCRYPTION_KEY = hush", "JWT_SECRET=[redacted] ENCRYPTION_KEY = [red"),
        ("/reset?token=hush&x=1", "token=[redacted]&x=1"),
        (f"key {KEY}, refused", "key dbk_[redacted], refused"),
        (f"xdbk_{'-' * 9}{KEY}", "xdbk_[redacted]"),
        (f"Authorization: Bearer {TOKEN}", "Bearer [redacted]"),
        (f"Bearer%20{TOKEN}.", "Bearer%20[redacted]."),
        (f"a.{TOKEN}, {TOKEN}", "[redacted], [redacted]"),
        (TOKEN.rpartition(".")[0] + ".", "[redacted]"),
    ],
)
def test_passwords_are_cut_out_of_texts(text: str, clean: str, programs: Sink) -> None:
    assert clean in redact_text(text)
    assert "hush" not in redact_text(text)
    programs.log.error("%s", text, extra={"x": [text]}, exc_info=ValueError(text))
    assert "hush" not in programs.text


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://db:5432/ledger?application_name=a@b",
        "postgresql://[::1]:5432/ledger?application_name=a@b",
        "postgresql://app@one:5432,two:5433/x",
        "unexpected token: 'x', the password is wrong",
        "http://127.0.0.1:8000/api/accounts?x=a@b",
        "redis://db:6379/0 and smtp://mail:25, a@b",
        "the key dbk_aB3dE6gH is revoked",
        "eyJhbGciOiJIUzI1NiJ9 alone, and eyJhbGci.x.y, are no tokens",
        "application.identity.tokens.verify",
    ],
)
def test_texts_without_a_secret_stay_as_they_are(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        "postgres://a:", "redis://a:", "password='", '"password": "', "password \t ", "token=", "dbk_",
        "dbk_-dbk_aaaa ", "eyJ", "eyJ-eyJ.", "eyJaaaaaaaaaa.", "eyJaaaaaaaaaa.eyJaaaa ", "eyJ.aaaa.", "a",
    ],
)  # fmt: skip
def test_a_text_made_to_take_long_does_not(piece: str) -> None:
    assert redact_text(piece * 20_000)
    assert redact_text(piece * 20_000 + ".aaaa.")


def test_a_problems_details_hold_no_secret() -> None:
    details = {
        "token": "hush",
        "allowed": [{"Authorization": "hush"}, "postgresql://a:hush@db/x"],
        "missing": "password=hush",
    }
    body = render("rebuild_needed", details, instance="/x", correlation_id="c")
    assert b"hush" not in body
    assert json.loads(body)["details"]["token"] == REDACTED


def test_a_house_with_several_ledgers_names_each() -> None:
    formatter = logs.make_formatter("api", "json", StringIO(), "cards")
    line = json.loads(formatter.format(logging.LogRecord("daybook", 20, "", 1, "hello", (), None)))
    assert line["service"] == "cards-api"
