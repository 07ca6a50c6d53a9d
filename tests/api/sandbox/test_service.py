"""The bank's faults by their rules, its statements, and its command."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from xml.etree import ElementTree as ET

import httpx2
import msgspec
import pytest
import xmlschema
from defusedxml.ElementTree import fromstring

from api.sandbox.faults import Call, Faults, read_rules
from api.sandbox.rules import FaultError
from api.sandbox.statements import NAMESPACE
from application.importing import camt053
from application.importing.bank_statements import BankStatement
from application.importing.mt940 import read_statements
from application.outbound.bank import HttpBank
from application.outbound.breaker import Breakers
from tests.support.bank import TOKEN, SandboxBank, sandbox_bank
from tests.support.processes import COMMAND, ROOT, environment, free_port
from tests.support.waiting import until

SCHEMA = ROOT / "tests/data/camt053/camt.053.001.08.xsd"
"""The standard's own."""


def rules(*given: dict[str, Any]) -> Faults:
    faults = Faults()
    faults.set(read_rules(msgspec.json.encode(given)))
    return faults


def happen(faults: Faults, **call: Any) -> list[str]:
    return [rule.fault for rule in faults.of(Call("instruct", **call))]


def test_a_rule_holds_for_the_calls_that_it_names() -> None:
    faults = rules(
        {"fault": "500", "match": {"kind": "deposit", "amount": 5}},
        {"fault": "slow", "match": {"account": "A"}},
        {"fault": "429", "match": {"on": "status"}},
    )
    assert happen(faults, kind="deposit", amount=5, account="A") == ["500", "slow"]
    assert happen(faults, kind="deposit", amount=6, account="B") == []
    assert [rule.fault for rule in faults.of(Call("status"))] == ["429"]


def test_a_rule_holds_so_many_times_and_for_the_nth_call() -> None:
    faults = rules(
        {"fault": "500", "times": 2},
        {"fault": "slow", "match": {"nth": 2, "kind": "deposit"}},
    )
    found = [happen(faults, kind=kind) for kind in ("deposit", "other", "deposit", "deposit")]
    assert found == [["500"], ["500"], ["slow"], []]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"fault": "earthquake"}, "timeout_after_accepting"),
        ({"fault": "reject"}, "needs a reason"),
        ({"fault": "500:now"}, "there is no fault"),
        ({"fault": "lost_webhook", "match": {"on": "status"}}, "only goes with instruct"),
        ({"fault": "500", "match": {"ammount": 5}}, "unknown field"),
        ({}, "missing required field `fault`"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(rule: dict[str, Any], words: str) -> None:
    with pytest.raises(FaultError, match=words):
        rules(rule)


def test_rules_are_set_and_taken_back_by_http() -> None:
    with sandbox_bank() as sandbox:
        headers = {"authorization": f"Bearer {TOKEN}"}
        with httpx2.Client(base_url=sandbox.url, headers=headers) as http:
            answer = http.put("/faults", json=[{"fault": "earthquake"}])
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")
            assert http.put("/faults", content=b"{").status_code == 422
            on = [{"fault": "500", "match": {"on": on}} for on in ("status", "cancel", "balance")]
            assert http.put("/faults", json=on).json()[1]["match"]["on"] == "cancel"
            paths = [
                ("GET", f"/v1/movements/{uuid4()}"),
                ("POST", f"/v1/movements/{uuid4()}/cancel"),
                ("GET", "/v1/accounts/X/balance"),
            ]
            assert [http.request(*path).status_code for path in paths] == [500, 500, 500]
            assert http.delete("/faults").status_code == 204
            assert [http.request(*path).status_code for path in paths] == [404, 404, 404]
            for method, path in (("PUT", "/faults"), ("GET", "/accepted"), ("DELETE", "/faults")):
                stranger = httpx2.request(method, f"{sandbox.url}{path}")
                assert stranger.status_code == 401
            assert httpx2.get(f"{sandbox.url}/health").json() == {"status": "ok"}
            target = http.put("/webhooks/target", json={"url": "nowhere"})
            assert target.status_code == 422


def moved(sandbox: SandboxBank) -> list[UUID]:
    """A collection, a payment, and one of each that come back; the last in a currency without cents."""
    bank = HttpBank.at(sandbox.url, sandbox.token, Breakers().of("bank"))
    ids = [uuid4() for _ in range(5)]
    bank.instruct(ids[0], "withdrawal", "in", 12_345, "EUR", "DE89", "INV-1\n<&\x00>")
    bank.instruct(ids[1], "deposit", "out", 2_345, "EUR", "DE90", "INV-2")
    sandbox.set_faults({"fault": "return:account_closed"})
    bank.instruct(ids[2], "withdrawal", "in", 500, "EUR", "DE89", "")
    bank.instruct(ids[3], "deposit", "out", 700, "EUR", "DE90", "x" * 200)
    sandbox.clear_faults()
    bank.instruct(ids[4], "deposit", "out", 1_000, "JPY", "JP1", "YEN")
    bank.close()
    return ids


def days(first: str | None = None, last: str | None = None, **more: str) -> dict[str, str]:
    today = datetime.now(UTC).date().isoformat()
    return {"from": first or today, "to": last or today, **more}


def texts(at: ET.Element, path: str) -> list[str]:
    path = "/".join(f"{{{NAMESPACE}}}{name}" for name in path.split("/"))
    return [found.text or "" for found in at.findall(path)]


def test_statements_as_xml_add_up() -> None:
    with sandbox_bank() as sandbox:
        ids = moved(sandbox)
        document = fromstring(sandbox.statement(**days(first="2020-01-01")))
        before = fromstring(sandbox.statement(**days("2020-01-01", "2020-01-02", currency="EUR")))
        after = fromstring(sandbox.statement(**days("2100-01-01", "2100-01-02", currency="EUR")))
    euros, yen = document.findall(f".//{{{NAMESPACE}}}Stmt")
    assert texts(euros, "Bal/Amt") == ["0.00", "100.00"]
    assert texts(euros, "Bal/CdtDbtInd") == ["CRDT", "CRDT"]
    amounts = ["123.45", "23.45", "5.00", "5.00", "7.00", "7.00"]
    assert texts(euros, "Ntry/Amt") == amounts
    signs = ["CRDT", "DBIT", "CRDT", "DBIT", "DBIT", "CRDT"]
    assert texts(euros, "Ntry/CdtDbtInd") == signs
    reversals = [texts(each, "RvslInd") for each in euros.findall(f"{{{NAMESPACE}}}Ntry")]
    assert reversals == [[], [], [], ["true"], [], ["true"]]
    told = texts(euros, "Ntry/NtryDtls/TxDtls/Refs/EndToEndId")
    assert told == [ids[number].hex for number in (0, 1, 2, 2, 3, 3)]
    assert texts(euros, "Ntry/NtryDtls/TxDtls/RmtInf/Ustrd")[:2] == ["INV-1 <& >", "INV-2"]
    assert texts(yen, "Bal/Amt") == ["0", "1000"]
    assert texts(yen, "Bal/CdtDbtInd") == ["CRDT", "DBIT"]
    assert texts(before, ".//Bal/Amt".removeprefix(".//")) == []
    assert [each.text for each in before.iter(f"{{{NAMESPACE}}}Amt")] == ["0.00", "0.00"]
    assert [each.text for each in after.iter(f"{{{NAMESPACE}}}Amt")] == ["100.00", "100.00"]


def test_statements_as_xml_are_read_by_who_gets_them() -> None:
    with sandbox_bank() as sandbox:
        moved(sandbox)
        text = sandbox.statement(**days())
    xmlschema.XMLSchema(SCHEMA).validate(text.decode())
    euros, yen = camt053.read_statements(text)
    assert isinstance(euros, BankStatement)
    assert isinstance(yen, BankStatement)
    assert (euros.opening, euros.closing, yen.closing) == (0, 10_000, -1_000)
    assert [line.amount for line in euros.lines] == [12_345, -2_345, 500, -500, -700, 700]


def test_statements_as_mt940_are_read_by_who_gets_them() -> None:
    with sandbox_bank() as sandbox:
        ids = moved(sandbox)
        euros, yen = read_statements(sandbox.statement(**days(format="mt940")))
    assert isinstance(euros, BankStatement)
    assert isinstance(yen, BankStatement)
    assert (euros.opening, euros.closing) == (0, 10_000)
    assert [line.amount for line in euros.lines] == [12_345, -2_345, 500, -500, -700, 700]
    assert [line.bank_reference for line in euros.lines][:2] == ["SB0000000001", "SB0000000002"]
    assert f"/EREF/{ids[0].hex}/REMI/INV-1" in euros.lines[0].details
    assert (yen.currency, yen.closing) == ("JPY", -1_000)


def test_the_command_runs_a_bank_that_remembers(tmp_path: Path) -> None:
    port, file = free_port(), tmp_path / "bank.db"
    command = [*COMMAND, "sandbox", "bank", "--port", str(port), "--data", str(file)]
    movement = uuid4()
    for _ in range(2):
        with subprocess.Popen(
            [*command, "--token", TOKEN], env=environment({}), cwd=ROOT, stdout=subprocess.PIPE
        ) as process:
            url = f"http://127.0.0.1:{port}"
            until(lambda: process.poll() is not None or answers(f"{url}/health"))  # noqa: B023
            bank = HttpBank.at(url, TOKEN, Breakers().of("bank"))
            bank.instruct(movement, "deposit", "out", 100, "EUR", "DE89", "")
            bank.close()
            headers = {"authorization": f"Bearer {TOKEN}"}
            assert httpx2.get(f"{url}/accepted", headers=headers).json() == {str(movement): 1}
            process.kill()


def answers(url: str) -> bool:
    try:
        return httpx2.get(url).status_code == 200
    except httpx2.TransportError:
        return False


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    for options, words in (
        (["--webhook-url", "http://127.0.0.1/hooks"], "whsec_"),
        (["--settle-after", "-1"], "settle-after"),
        (["--webhook-url", "nowhere", "--webhook-secret", "whsec_"], "http://"),
    ):
        ended = subprocess.run(
            [*COMMAND, "sandbox", "bank", *options],
            env=environment({"TERM": "dumb", "COLUMNS": "200"}),
            cwd=ROOT,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert ended.returncode == 2
        assert words in ended.stderr
