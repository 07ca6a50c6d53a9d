"""What could make a table say yes by mistake is refused, with its node, row and column."""

from __future__ import annotations

import json
from typing import Any

import pytest

from application.decisions import Problem, UnsoundTableError, read_table
from application.decisions.expressions import MAX_LENGTH
from application.decisions.files import MAX_BYTES
from tests.application.decisions.building import (
    SCHEMA,
    Change,
    Json,
    a_node,
    cell,
    changed,
    column,
    content,
    document,
    edge,
    expressions,
    in_a_row,
    joined,
    table_in,
)


def problems_of(tree: Json | str | bytes) -> tuple[Problem, ...]:
    text = tree if isinstance(tree, str | bytes) else json.dumps(tree)
    with pytest.raises(UnsoundTableError) as refused:
        read_table(text, "draft")
    return refused.value.problems


def told(tree: Json | str | bytes) -> str:
    return "\n".join(map(str, problems_of(tree)))


def schema(required: list[str] | None = None, **properties: Any) -> Json:
    return {
        **SCHEMA,
        "required": SCHEMA["required"] if required is None else required,
        "properties": {
            word: demand
            for word, demand in {**SCHEMA["properties"], **properties}.items()
            if demand is not None
        },
    }


def test_the_small_table_is_sound() -> None:
    table = read_table(json.dumps(document()), "2026-01-01")
    assert (table.country, table.version, len(table.digest)) == ("MX", "2026-01-01", 64)


def without(tree: Json, name: str) -> None:
    tree["nodes"] = [node for node in tree["nodes"] if node["id"] != name]


GRAPHS: list[tuple[str, Change]] = [
    ("Extra: a functionNode may not be used", a_node("functionNode", source="x")),
    ("Extra: a customNode may not be used", a_node("customNode", kind="http")),
    ("Extra: a decisionNode may not be used", a_node("decisionNode", key="other")),
    ("Extra: a switchNode may not be used", a_node("switchNode", statements=[])),
    ("there must be one inputNode", lambda tree: without(tree, "in")),
    ("there must be one outputNode", lambda tree: without(tree, "out")),
    ("there must be one outputNode", lambda tree: tree["nodes"].append(tree["nodes"][2])),
    ("two nodes have the same id", lambda tree: tree["nodes"].append(tree["nodes"][1])),
    ("an edge leads from or to a node", lambda tree: tree["edges"].append(edge("t", "nowhere"))),
    ("in one line", lambda tree: tree["edges"].append(edge("in", "out"))),
    ("in one line", lambda tree: tree["edges"].append(edge("t", "t"))),
    ("in one line", lambda tree: tree["edges"].append(edge("out", "in"))),
    ("in one line", lambda tree: tree["edges"].clear()),
    ("every node needs an id and a name", lambda tree: tree["nodes"][1].update(name=" ")),
    ("more than 20 nodes", lambda tree: tree["nodes"].extend([tree["nodes"][1]] * 20)),
]


@pytest.mark.parametrize(("words", "change"), GRAPHS)
def test_nodes_stand_in_one_line_and_run_no_program(words: str, change: Change) -> None:
    assert words in told(changed(change))


def test_the_table_comes_last() -> None:
    tree = document()
    tree["nodes"].append({"id": "x", "type": "expressionNode", "name": "Extra", "content": {}})
    tree["edges"] = [edge("in", "t"), edge("t", "x"), edge("x", "out")]
    assert "the last node before the output must be a decision table" in told(tree)
    tree = document()
    without(tree, "t")
    tree["edges"] = [edge("in", "out")]
    assert "the last node before the output must be a decision table" in told(tree)


SCHEMAS: list[tuple[str, Any]] = [
    ("it needs a schema", ""),
    ("its schema is not JSON", "{"),
    ("its schema is not JSON", '{"type": "object", "type": "object"}'),
    ("Object missing required field `required`", '{"type": "object"}'),
    ("unknown field `$ref`", json.dumps({**SCHEMA, "$ref": "http://127.0.0.1/x"})),
    ("unknown field `pattern`", schema(country={"type": "string", "pattern": "(a+)+"})),
    ("must be of type object", {**SCHEMA, "type": "array"}),
    ("credit_score must be required", schema(["country", "monthly_income"])),
    ("credit_score must be of type integer", schema(credit_score={"type": "string"})),
    ("credit_score must be of type integer", schema(credit_score=None)),
    ("monthly_income must be of type string", schema(monthly_income={"type": "integer"})),
    ("country must be required", schema(["credit_score"])),
    ("country must be required", schema(country={"type": "string"})),
    ("country must be required", schema(country={"type": "string", "const": "Mexico"})),
    ("document_number is nothing that is known", schema(document_number={"type": "string"})),
    ("full_name is nothing", schema([*SCHEMA["required"], "full_name"])),
]


@pytest.mark.parametrize(("words", "demanded"), SCHEMAS)
def test_the_input_demands_what_the_table_looks_at(words: str, demanded: Any) -> None:
    tree = document(demanded if isinstance(demanded, dict) else None)
    if isinstance(demanded, str):
        tree["nodes"][0]["content"]["schema"] = demanded
    problems = problems_of(tree)
    assert words in "\n".join(problem.what for problem in problems)
    assert {problem.node for problem in problems} <= {"Input", "Credit"}


def test_what_a_cell_looks_at_is_required() -> None:
    """What may be missing fits no row, and the row that it does not fit may be a "no"."""
    (problem,) = problems_of(changed(cell(1, "a", "> number(total_debt)")))
    assert problem == Problem(
        "total_debt is not required by the schema", "Credit", "much", "Amount"
    )


AT = ("Credit", "much", "Amount")
CELLS: list[tuple[str, str]] = [
    ("the engine cannot read it", "> > 5"),
    ("the engine cannot read it", "> number(monthly_income"),
    ("the engine cannot read it", " "),
    ("the engine cannot read it", ">"),
    ("salary is nothing known", "> number(salary)"),
    ("write number(monthly_income): amounts are texts", "> monthly_income"),
    ("divide by a number only", "> 100 / number(monthly_income)"),
    ("divide by a number only", "> number(monthly_income) / 0"),
    ("divide by a number only", "> number(monthly_income) / 0.0"),
    ("rand() may not be used", "> rand(100)"),
    ("date() may not be used", '> date("now")'),
    ("map() may not be used", "> max(map([1..1000000000], $))"),
    ("'.' may not be used here", "> applicant.income"),
    ("'#' may not be used here", "> #"),
    ("'?' may not be used here", "> number(monthly_income) ?? 0"),
    ("'{' may not be used here", "> {a: 1}"),
    ("'\\\\' may not be used here", "> \\"),
    ("'５' may not be used here", "> ５"),
    ("null is nothing known", "== null"),
    ("root is nothing known", "> $root"),
    ("it compares a number with a text", '"40000"'),
    (f"longer than {MAX_LENGTH} characters", "> " + "(" * MAX_LENGTH + "1" + ")" * MAX_LENGTH),
]


@pytest.mark.parametrize(("words", "text"), CELLS)
def test_a_cell_that_cannot_be_trusted_is_named(words: str, text: str) -> None:
    problems = problems_of(changed(cell(1, "a", text)))
    assert any(words in problem.what for problem in problems), problems
    assert {(one.node, one.row, one.column) for one in problems} == {AT}


def test_cells_that_say_the_same_in_many_ways_are_sound() -> None:
    for text in (
        "> 5 * 8",
        "[0..100]",
        "> 3, < 9",
        "$ > 3 and not ($ > 9)",
        "> number(monthly_income) / 48",
    ):
        read_table(json.dumps(changed(cell(1, "a", text))), "draft")


def both(*changes: Change) -> Change:
    def make(tree: Json) -> None:
        for change in changes:
            change(tree)

    return make


NUMBERS_ONLY, IN_OR_MAX = "+ is for numbers only", "a list may only come after in"

GROWING: list[tuple[str, Change]] = [
    (NUMBERS_ONLY, joined(1, 2)),
    (NUMBERS_ONLY, joined(9, 100)),
    (NUMBERS_ONLY, expressions(("v", '"a" + "b"'))),
    (NUMBERS_ONLY, expressions(("v", "country + country"))),
    (NUMBERS_ONLY, expressions(("v", "monthly_income + monthly_income"))),
    (NUMBERS_ONLY, expressions(("v", "string(1) + string(2)"))),
    (NUMBERS_ONLY, expressions(("v", "upper('a') + lower('b')"))),
    (NUMBERS_ONLY, in_a_row(("v", "(('a'))"), ("w", "(v) + (v)"))),
    (NUMBERS_ONLY, in_a_row(("v", "string(credit_score)"), ("w", "lower(v + v)"))),
    (NUMBERS_ONLY, in_a_row(("v", "true and country"), ("w", "v"), ("x", "w + w"))),
    (NUMBERS_ONLY, column("inputs", 1, field="country + country")),
    (NUMBERS_ONLY, both(column("inputs", 1, field="country"), cell(1, "a", "$ + $ == 'a'"))),
    (NUMBERS_ONLY, cell(0, "r", '"a" + "b"')),
    (NUMBERS_ONLY, cell(0, "r", "`${country + country}`")),
    ("only what the table that decides says", expressions(("v", "`${country}${country}`"))),
    ("only what the table that decides says", cell(1, "a", "> number(`1${credit_score}`)")),
    (IN_OR_MAX, in_a_row(("v", "[1]"), ("w", "[v, v]"))),
    (IN_OR_MAX, expressions(("v", "true and [1]"))),
    (IN_OR_MAX, expressions(("v", "max([[1], [2]])"))),
    (IN_OR_MAX, column("inputs", 1, field="[1, 2]")),
    (IN_OR_MAX, cell(0, "r", "[country]")),
]  # fmt: skip


@pytest.mark.parametrize(("words", "change"), GROWING)
def test_nothing_grows_from_node_to_node(words: str, change: Change) -> None:
    assert words in told(changed(change))


def test_a_table_that_comes_before_makes_no_longer_texts_either() -> None:
    before = a_node(
        "decisionTableNode",
        hitPolicy="first",
        passThrough=True,
        inputs=[{"id": "s", "name": "Score", "field": "credit_score"}],
        outputs=[{"id": "k", "name": "Kind", "field": "kind"}],
        rules=[{"_id": "low", "s": "< 5", "k": "1"}, {"_id": "any", "k": '"good"'}],
    )
    tree = changed(before)
    read_table(json.dumps(tree), "draft")
    column("inputs", 1, field="kind + kind")(tree)
    assert NUMBERS_ONLY in told(tree)


def test_what_stays_as_long_as_it_is_is_sound() -> None:
    tree = changed(
        in_a_row(
            ("kind", '"good"'),
            ("debts", "number(monthly_income) + credit_score + 1"),
            ("most", "max([debts + 1, 5])"),
            ("is_known", "country in ['MX', 'CO'] and kind == \"good\""),
        )
    )
    table_in(tree)["outputs"].append({"id": "m", "name": "Most", "field": "max_approved_amount"})
    table_in(tree)["rules"][2] |= {"m": "string(most + debts)", "r": "`${kind} + ${1 + debts}`"}
    read_table(json.dumps(tree), "draft")


def test_there_is_an_end_to_what_is_computed() -> None:
    def rows(number: int) -> Change:
        ids = [{"_id": f"r{at}", "d": '"reject"', "r": '"No"'} for at in range(number)]
        return content(rules=ids)

    wide = content(
        inputs=[{"id": f"i{at}", "name": "S", "field": "credit_score"} for at in range(10)]
    )
    assert "rows times columns are 2004, and may be 2000" in told(changed(wide, rows(167)))
    read_table(json.dumps(changed(wide, rows(166))), "draft")
    many = expressions(*((f"n{at}", "1") for at in range(101)))
    assert "make 101 names, and may make 100" in told(changed(many))


def test_what_cannot_be_computed_is_found_with_a_made_up_application() -> None:
    """The engine itself would take such a cell for one that does not fit."""
    (problem,) = problems_of(changed(cell(1, "a", "> string(credit_score)")))
    assert "with a made-up application: it cannot be computed" in problem.what
    assert (problem.node, problem.row, problem.column) == AT


ROWS: list[tuple[str, Change]] = [
    ("row fine: what says approve needs a condition on credit_score", cell(2, "s", "")),
    ("row fine: what says approve needs a condition on credit_score", cell(2, "s", "not ($ == 5)")),
    ("row much: what says pre_approve needs", cell(1, "d", '"pre_approve"')),
    ("row much: what says approve needs", cell(1, "d", '"approve"')),
    ("row much: it comes after a row that says yes", cell(0, "d", '"approve"')) ,
    ("row low, column Decision: it must be one of", cell(0, "d", '"refuse"')),
    ("row low, column Decision: it must be one of", cell(0, "d", "reason")),
    ("row low, column Decision: it must not be empty", cell(0, "d", "")),
    ("row low, column Reason: it must not be empty", cell(0, "r", "")),
    ("row low, column Reason: name is nothing known", cell(0, "r", "`Dear ${name}`")),
    ("row low, column Reason: what stands between ${ and }", cell(0, "r", "`${ {a: 1} }`")),
    ("row low, column Reason: $ is the value of an input column", cell(0, "r", "string($)")),
    ("row low: there is no column with the id amount", cell(0, "amount", "> 5")),
    ("row number 1: every row needs an _id", cell(0, "_id", "")),
    ("row low: every row needs an _id of its own", cell(1, "_id", "low")),
    ("it needs 1 to 200 rows", content(rules=[])),
    ("its hit policy must be collect", content(hitPolicy="first")),
    ("it must not pass the facts through", content(passThrough=True)),
    ("no loop, input field or output path", content(executionMode="loop")),
    ("no loop, input field or output path", content(inputField="credit_score")),
    ("no loop, input field or output path", content(outputPath="answer")),
    ("unknown field `defaultDecision`", content(defaultDecision="approve")),
    ("unknown field `defaultValue`", column("outputs", 0, defaultValue='"approve"')),
    ("its outputs must be decision and reason", column("outputs", 1, field="why")),
    ("its outputs must be decision and reason", column("outputs", 1, field="decision")),
    ("every column needs an id of its own", column("inputs", 0, id="a")),
    ("column Score: score is nothing known", column("inputs", 0, field="score")),
    ("column Amount: write number(amount_requested)", column("inputs", 1, field="amount_requested")),
    ("column Score: the engine cannot read it", column("inputs", 0, field="")),
]  # fmt: skip


@pytest.mark.parametrize(("words", "change"), ROWS)
def test_rows_and_columns_that_could_say_yes_by_mistake_are_refused(
    words: str, change: Change
) -> None:
    assert words in told(changed(change)).replace("node Credit, ", "").replace("node Credit: ", "")


def test_an_amount_is_made_as_a_text() -> None:
    tree = document()
    table_in(tree)["outputs"].append({"id": "m", "name": "Most", "field": "max_approved_amount"})
    table_in(tree)["rules"][2]["m"] = "number(monthly_income) * 3"
    assert "row fine, column Most: make it a text" in told(tree)


EXTRA: list[tuple[str, Change]] = [
    ("node Extra: it must pass the facts through", expressions(("limit", "1"), passThrough=False)),
    ("'credit_score' must be a new name", expressions(("credit_score", "1000"))),
    ("'Limit' must be a new name", expressions(("Limit", "1"))),
    ("'limit' must be a new name", expressions(("limit", "1"), ("limit", "2"))),
    ("node Extra, column limit: income is nothing known", expressions(("limit", "income"))),
    ("node Extra, column limit: the engine cannot read it", expressions(("limit", "1 +"))),
    (
        "node Extra: its hit policy must be first",
        a_node(
            "decisionTableNode",
            hitPolicy="collect",
            passThrough=True,
            inputs=[{"id": "s", "name": "Score", "field": "credit_score"}],
            outputs=[{"id": "f", "name": "Times", "field": "times"}],
            rules=[{"_id": "any", "f": "4"}],
        ),
    ),
]


@pytest.mark.parametrize(("words", "change"), EXTRA)
def test_nodes_before_the_table_only_add_to_the_facts(words: str, change: Change) -> None:
    assert words in told(changed(change))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("not JSON", ""),
        ("not JSON", "{"),
        ("not JSON", b"\xff\xfe\xfd"),
        ("not JSON", "[" * 50_000),
        ("not JSON", '{"nodes": NaN}'),
        ("not JSON", '{"nodes": "\\ud800"}'),
        ("not JSON", "\ud800"),
        ("a name is given twice", '{"nodes": [], "nodes": [], "edges": []}'),
        ("there is a NUL character", '{"nodes": "\\u0000"}'),
        ("Expected `object`", "[]"),
        ("missing required field `nodes`", "{}"),
        ("larger than 64 KiB", " " * (MAX_BYTES + 1)),
    ],
)
def test_what_is_no_table_at_all_is_refused(words: str, text: str | bytes) -> None:
    assert words in told(text)


def test_all_problems_are_told_at_once() -> None:
    tree = changed(cell(0, "s", "<< 5"), cell(1, "a", "> salary"), cell(2, "s", ""))
    assert [(one.row, one.column) for one in problems_of(tree)] == [
        ("low", "Score"),
        ("much", "Amount"),
        ("fine", ""),
    ]
