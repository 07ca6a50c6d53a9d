"""A bank's statement against what was instructed: each in one place, and nothing guessed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from application.importing.bank_files import read_bank_file
from application.importing.bank_statements import BankStatement
from application.reconciliations import lines_of
from application.reconciling import (
    WINDOW_DAYS,
    InstructedMovement,
    Matching,
    StatementLine,
    reconcile,
)
from tests.application.importing.samples import camt, entry, mt940, part

DAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def movement(
    number: int, amount: int, *, currency: str = "EUR", days: int = 0
) -> InstructedMovement:
    """A movement that is named by `number`; below zero it goes out."""
    id_ = UUID(int=number << 64 | number)
    return InstructedMovement(
        id=id_,
        direction="in" if amount > 0 else "out",
        amount=abs(amount),
        currency=currency,
        account="NL91ABNA0417164300",
        reference=id_.hex,
        instructed_at=NOON + timedelta(days=days),
    )


def line(
    number: int, amount: int, *names: InstructedMovement, words: str = "", days: int = 0
) -> StatementLine:
    references = tuple(one.reference for one in names)
    return StatementLine(number, DAY + timedelta(days=days), amount, "EUR", references, words)


ONE, TWO, OUT = movement(1, 100), movement(2, 200), movement(3, -300)


def pairs(matching: Matching) -> list[tuple[int, UUID, str]]:
    return [(one.line.number, one.movement.id, one.by) for one in matching.matched]


def test_a_reference_tells_who_is_meant_whatever_the_day() -> None:
    late = line(1, -300, OUT, days=90)
    matching = reconcile([late, line(2, 100, ONE)], [ONE, TWO, OUT])
    assert pairs(matching) == [(1, OUT.id, "reference"), (2, ONE.id, "reference")]
    assert matching.missing == (TWO,)
    assert not matching.unexpected + matching.mismatched


def test_an_id_is_found_in_any_writing() -> None:
    for words in (
        f"EREF+{ONE.id.hex}SVWZ+Thanks",
        f"your payment {ONE.id} of today",
        f"FEED{ONE.id.hex.upper()[:20]} {ONE.id.hex.upper()[20:]}DEAF",
    ):
        matching = reconcile([line(1, 100, words=words)], [ONE])
        assert pairs(matching) == [(1, ONE.id, "reference")], words
    other = line(1, 100, replace(ONE, reference=str(ONE.id).upper()))
    assert pairs(reconcile([other], [ONE])) == [(1, ONE.id, "reference")]


def test_the_banks_own_reference_tells_as_well() -> None:
    known = replace(ONE, bank_reference="BANK 7")
    named = replace(line(1, 100, days=90), references=("N1", "bank7"))
    assert pairs(reconcile([named], [known])) == [(1, ONE.id, "reference")]


def test_another_amount_under_its_reference_is_not_a_match() -> None:
    short = line(1, 99, ONE)
    matching = reconcile([short], [ONE])
    (found,) = matching.mismatched
    assert (found.lines, found.movements) == ((short,), (ONE,))
    assert not matching.matched + matching.missing + matching.unexpected


def test_another_currency_or_direction_is_not_a_match() -> None:
    for wrong in (movement(1, 100, currency="USD"), movement(1, -100)):
        assert reconcile([line(1, 100, wrong)], [wrong]).mismatched


def test_parts_of_an_amount_are_for_a_person_to_look_at() -> None:
    parts = (line(1, 60, ONE), line(2, 40, ONE))
    (found,) = reconcile(parts, [ONE]).mismatched
    assert (found.lines, found.movements) == (parts, (ONE,))
    sum_ = line(1, 300, ONE, TWO)
    (found,) = reconcile([sum_], [ONE, TWO]).mismatched
    assert (found.lines, found.movements) == ((sum_,), (ONE, TWO))


def test_a_reference_that_comes_twice_settles_once() -> None:
    first, second = line(1, 100, ONE), line(2, 100, ONE)
    matching = reconcile([second, first], [ONE])
    assert pairs(matching) == [(1, ONE.id, "reference")]
    (found,) = matching.unexpected
    assert (found.line, found.names) == (second, ONE.id)


def test_what_came_back_is_unexpected_and_says_what_it_was() -> None:
    matching = reconcile([line(1, -300, OUT), line(2, 300, OUT)], [OUT])
    assert pairs(matching) == [(1, OUT.id, "reference")]
    assert [one.names for one in matching.unexpected] == [OUT.id]


def test_what_is_not_due_is_not_missing_and_known_when_it_is_named() -> None:
    failed = replace(OUT, is_due=False)
    assert reconcile([], [failed]) == Matching((), (), (), ())
    matching = reconcile([line(1, -300, OUT), line(2, -300)], [failed])
    assert [one.names for one in matching.unexpected] == [OUT.id, None]
    assert not matching.matched


def test_two_movements_with_one_reference_are_told_apart_by_their_amounts() -> None:
    same = replace(TWO, reference=ONE.reference)
    matching = reconcile([line(1, 200, ONE), line(2, 100, ONE)], [ONE, same])
    assert pairs(matching) == [(1, TWO.id, "reference"), (2, ONE.id, "reference")]


def test_whoever_has_least_to_choose_chooses_first() -> None:
    other = movement(2, 100)
    matching = reconcile([line(1, 100, ONE, other), line(2, 100, ONE)], [ONE, other])
    assert pairs(matching) == [(1, other.id, "reference"), (2, ONE.id, "reference")]


def test_without_a_reference_amount_and_day_tell() -> None:
    for days in (-1, 0, WINDOW_DAYS):
        assert pairs(reconcile([line(1, 100, days=days)], [ONE])) == [(1, ONE.id, "amount")]
    for days in (-2, WINDOW_DAYS + 1):
        matching = reconcile([line(1, 100, days=days)], [ONE])
        assert matching.missing == (ONE,)
        assert [one.line.number for one in matching.unexpected] == [1]
    settled = replace(ONE, settled_at=NOON + timedelta(days=30))
    assert pairs(reconcile([line(1, 100, days=30)], [settled])) == [(1, ONE.id, "amount")]


def test_a_named_movement_is_not_given_to_a_line_without_a_name_first() -> None:
    matching = reconcile([line(1, 100), line(2, 100, ONE)], [ONE])
    assert pairs(matching) == [(2, ONE.id, "reference")]
    assert [(one.line.number, one.names) for one in matching.unexpected] == [(1, None)]


def test_by_amount_as_many_find_each_other_as_can() -> None:
    early, late = movement(1, 100, days=-4), movement(2, 100, days=1)
    matching = reconcile([line(1, 100), line(2, 100, days=4)], [late, early])
    assert pairs(matching) == [(1, early.id, "amount"), (2, late.id, "amount")]


def test_statements_of_both_formats() -> None:
    out = entry("-3.00", part(OUT.id.hex))
    in_two = entry("3.00", part(ONE.id.hex, "1.00"), part(TWO.id.hex, "2.00"))
    swift = mt940(
        f":61:2402010201D3,00NTRFNONREF\n:86:166?00X?20EREF+{OUT.id.hex[:20]}?21{OUT.id.hex[20:]}",
        f":61:2402010201C1,00NTRFNONREF\n:86:{ONE.id}",
        f":61:2402010201C2,00NTRFNONREF\n:86:/EREF/{TWO.id.hex}/",
        ":61:2402010201C0,00NTRFNONREF\n:86:moves nothing",
        closing="C240201EUR100,00",
    )
    for text in (camt(out, in_two, closing="100.00"), swift):
        (statement,) = read_bank_file(text)
        assert isinstance(statement, BankStatement)
        matching = reconcile(lines_of(statement), [ONE, TWO, OUT])
        assert pairs(matching) == [
            (1, OUT.id, "reference"),
            (2, ONE.id, "reference"),
            (3, TWO.id, "reference"),
        ], text


AMOUNTS = st.sampled_from([-200, -100, 100, 200])
DAYS = st.integers(0, 9)
MOVEMENTS = st.lists(st.tuples(AMOUNTS, DAYS, st.booleans()), max_size=7).map(
    lambda drawn: [
        replace(movement(number, amount, days=days), reference="shared" if shares else f"r{number}")
        for number, (amount, days, shares) in enumerate(drawn, start=1)
    ]
)


@st.composite
def both(draw: st.DrawFn) -> tuple[list[StatementLine], list[InstructedMovement]]:
    movements = draw(MOVEMENTS)
    names = st.lists(st.sampled_from(movements), max_size=2) if movements else st.just([])
    drawn = draw(st.lists(st.tuples(AMOUNTS, DAYS, names), max_size=7))
    lines = [
        line(number, amount, *named, days=days)
        for number, (amount, days, named) in enumerate(drawn, start=1)
    ]
    return lines, movements


@given(both())
def test_everything_is_in_exactly_one_place(
    given_: tuple[list[StatementLine], list[InstructedMovement]],
) -> None:
    lines, movements = given_
    found = reconcile(lines, movements)
    placed = [one.line for one in found.matched] + [one.line for one in found.unexpected]
    placed += [one for group in found.mismatched for one in group.lines]
    assert sorted(placed, key=lambda one: one.number) == lines
    moved = [one.movement for one in found.matched] + list(found.missing)
    moved += [one for group in found.mismatched for one in group.movements]
    assert sorted(moved, key=lambda one: one.id) == movements
    for one in found.matched:
        assert (one.line.amount, one.line.currency) == (one.movement.signed, one.movement.currency)
        named = one.movement.reference in one.line.references
        assert named == (one.by == "reference")


@given(both(), st.randoms())
def test_the_order_in_which_they_come_does_not_matter(
    given_: tuple[list[StatementLine], list[InstructedMovement]], chance: Random
) -> None:
    lines, movements = given_
    first = reconcile(lines, movements)
    chance.shuffle(lines)
    chance.shuffle(movements)
    assert reconcile(lines, movements) == first
