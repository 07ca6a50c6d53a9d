"""Both sides of the bureau's interface over real HTTP, with the faults that matter to who asks."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from msgspec.structs import replace

from application.outbound.breaker import Breakers
from application.outbound.breaker_rules import Figures
from application.outbound.bureau import (
    NO_REPORT,
    REFUSED,
    SERVICE,
    BureauAnswer,
    HttpBureau,
    Inquiry,
)
from application.outbound.client import TimeLimits, Tries
from application.outbound.errors import (
    BadResponseError,
    CircuitOpenError,
    ConnectionFailedError,
    OutboundError,
    TimedOutError,
)
from tests.application.outbound.raw import raw_server, saying
from tests.support.bureau import TOKEN, SandboxBureau, sandbox_bureau

ONCE = Tries(attempts=1)
NAME, DOCUMENT = "Asha Rao", "ABCDE1234F"


@pytest.fixture(scope="module")
def _running() -> Iterator[SandboxBureau]:
    with sandbox_bureau() as bureau:
        yield bureau


@pytest.fixture
def sandbox(_running: SandboxBureau) -> SandboxBureau:
    _running.clear_faults()
    return _running


@pytest.fixture
def bureau(sandbox: SandboxBureau) -> Iterator[HttpBureau]:
    found = bureau_at(sandbox.url)
    yield found
    found.close()


def bureau_at(url: str, **more: Any) -> HttpBureau:
    figures = {SERVICE: more.pop("figures", Figures(failures=1000))}
    more.setdefault("tries", ONCE)
    return HttpBureau.at(
        url, more.pop("token", TOKEN), Breakers(figures=figures).of(SERVICE), **more
    )


def inquiry(**more: Any) -> Inquiry:
    about = Inquiry(
        uuid4(), uuid4(), "IN", "pan", DOCUMENT, NAME, monthly_income=50_000_00, currency="INR",
        loan_type="HOME",
    )  # fmt: skip
    return replace(about, **more)


def test_a_report_comes_as_the_bureau_writes_it(bureau: HttpBureau) -> None:
    about = inquiry()
    answer = bureau.request(about)
    assert (answer.report_id, answer.status, answer.reason) == (about.report_id, "ready", "")
    assert answer.raw["cibil_score"] == 790
    assert bureau.look(about.report_id) == answer


def test_asked_again_it_is_the_same_report(sandbox: SandboxBureau, bureau: HttpBureau) -> None:
    about = inquiry(document_number="AAAPA0000A")
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: bureau.request(about), range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert sandbox.asked()[about.report_id] == 8


def test_a_late_report_is_looked_for(sandbox: SandboxBureau, bureau: HttpBureau) -> None:
    about = inquiry()
    assert bureau.look(about.report_id) is None
    sandbox.set_faults({"fault": "never_answer"})
    assert bureau.request(about) == BureauAnswer(about.report_id, "later")
    assert bureau.look(about.report_id) == BureauAnswer(about.report_id, "later")


def test_income_goes_in_whole_units_of_the_currency(bureau: HttpBureau) -> None:
    """75,000.00 is not yet much, 75,000.01 is."""
    application = UUID(int=1)
    scores = [
        bureau.request(
            inquiry(document_number="AAAPA0000A", application_id=application, monthly_income=income)
        ).raw["cibil_score"]
        for income in (75_000_00, 75_000_01)
    ]
    assert isinstance(scores[0], int)
    assert isinstance(scores[1], int)
    assert scores[1] - scores[0] == 40


def test_what_a_bureau_never_has_is_an_answer(sandbox: SandboxBureau, bureau: HttpBureau) -> None:
    for reason in sorted(NO_REPORT):
        sandbox.set_faults({"fault": f"refuse:{reason}"})
        about = inquiry()
        assert bureau.request(about) == BureauAnswer(about.report_id, "unavailable", {}, reason)
    sandbox.set_faults({"fault": "refuse:out_of_paper"})
    with pytest.raises(BadResponseError) as error:
        bureau.request(inquiry())
    assert (error.value.reason, error.value.transient) == ("out_of_paper", False)


def test_each_fault_is_told_from_the_others(sandbox: SandboxBureau, bureau: HttpBureau) -> None:
    faults: list[tuple[str, type[OutboundError], bool]] = [
        ("500", BadResponseError, True),
        ("429", BadResponseError, True),
        ("drop", ConnectionFailedError, True),
        ("drop_after_accepting", ConnectionFailedError, True),
        ("500_after_accepting", BadResponseError, True),
    ]
    for fault, kind, is_transient in faults:
        sandbox.set_faults({"fault": fault, "value": 7})
        with pytest.raises(kind) as error:
            bureau.request(inquiry())
        assert error.value.transient is is_transient
        assert error.value.retry_after_s == (7 if fault == "429" else None)
        _check_says_nothing(error.value)


def test_what_is_too_slow_is_asked_for_again(sandbox: SandboxBureau) -> None:
    hasty = bureau_at(sandbox.url, limits=TimeLimits(read_s=0.2, overall_s=0.4))
    sandbox.set_faults({"fault": "timeout_after_accepting", "times": 1})
    about = inquiry()
    with pytest.raises(TimedOutError):
        hasty.request(about)
    hasty.close()
    patient = bureau_at(sandbox.url)
    assert patient.request(about).status == "ready"
    patient.close()


def test_a_bureau_that_fails_often_is_left_alone(sandbox: SandboxBureau) -> None:
    bureau = bureau_at(sandbox.url, figures=Figures(failures=2, open_s=3600))
    sandbox.set_faults({"fault": "500"})
    about = inquiry()
    for _ in range(2):
        with pytest.raises(BadResponseError):
            bureau.request(about)
    with pytest.raises(CircuitOpenError) as error:
        bureau.request(about)
    assert error.value.retry_after_s is not None
    assert sandbox.asked()[about.report_id] == 2
    bureau.close()


def test_a_wrong_token_is_no_reason_to_try_again(sandbox: SandboxBureau) -> None:
    stranger = bureau_at(sandbox.url, token="guessed")
    with pytest.raises(BadResponseError) as error:
        stranger.look(uuid4())
    assert (error.value.status, error.value.transient) == (401, False)
    stranger.close()


def test_answers_that_make_no_sense_are_none() -> None:
    about = inquiry()
    own, other = str(about.report_id), str(uuid4())
    bodies = [
        b"<html>",
        b"\xff",
        b"[]",
        msgspec.json.encode({"report_id": own}),
        msgspec.json.encode({"report_id": own, "status": "soon"}),
        msgspec.json.encode({"report_id": own, "status": "ready"}),
        msgspec.json.encode({"report_id": own, "status": "ready", "report": [DOCUMENT]}),
        msgspec.json.encode({"report_id": other, "status": "ready", "report": {"n": NAME}}),
    ]
    with raw_server(lambda _: iter([saying(200, body) for body in bodies])) as server:
        bureau = bureau_at(server.url)
        for _ in bodies:
            with pytest.raises(BadResponseError) as error:
                bureau.request(about)
            assert error.value.transient
            _check_says_nothing(error.value)
        bureau.close()


def test_a_reason_in_free_text_is_not_kept() -> None:
    about = inquiry()
    told = {"report_id": str(about.report_id), "status": "unavailable", "reason": f"{NAME} is dead"}
    with raw_server(lambda _: iter([saying(200, msgspec.json.encode(told))])) as server:
        bureau = bureau_at(server.url)
        assert bureau.request(about) == BureauAnswer(about.report_id, "unavailable", {}, REFUSED)
        bureau.close()


def test_who_is_asked_about_is_not_printed() -> None:
    about = inquiry()
    answer = BureauAnswer(about.report_id, "ready", {"name": NAME})
    for shown in (repr(about), str(about), repr(answer), str(answer)):
        assert NAME not in shown
        assert DOCUMENT not in shown
        assert str(about.report_id) in shown


def _check_says_nothing(error: OutboundError) -> None:
    assert NAME not in str(error)
    assert DOCUMENT not in str(error)
