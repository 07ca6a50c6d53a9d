"""Each kind of document takes the numbers that there can be and refuses all others, saying why."""

from __future__ import annotations

from string import ascii_uppercase, digits

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.br import cpf
from stdnum.es import dni, nie
from stdnum.it import codicefiscale
from stdnum.mx import curp
from stdnum.pt import nif

from application.countries.catalogue import COUNTRIES, masked
from application.countries.country import DocumentType, InvalidDocumentError

KINDS = {f"{c.code} {d.code}": d for c in COUNTRIES.values() for d in c.documents}

GOOD = {
    "ES dni": {
        "12345678Z": "12345678Z",
        "12345678z": "12345678Z",
        "54362315-K": "54362315K",
        "  54.362.315 k ": "54362315K",
        "00000001R": "00000001R",
    },
    "ES nie": {
        "X1234567L": "X1234567L",
        "x-2482300w": "X2482300W",
        "Y1234567X": "Y1234567X",
        "Z1234567R": "Z1234567R",
    },
    "PT nif": {
        "123456789": "123456789",
        "123 456 789": "123456789",
        "PT 123456789": "123456789",
        "501964843": "501964843",
        "287654320": "287654320",
        "300000006": "300000006",
        "450000001": "450000001",
    },
    "IT codice_fiscale": {
        "RCCMNL83S18D969H": "RCCMNL83S18D969H",
        "RCC MNL 83S18 D969H": "RCCMNL83S18D969H",
        "rccmnl83s18d969h": "RCCMNL83S18D969H",
        "CNTCHR83T41D969D": "CNTCHR83T41D969D",
        "RCCMNL83S18D96VW": "RCCMNL83S18D96VW",
    },
    "MX curp": {
        "BOXW310820HNERXN09": "BOXW310820HNERXN09",
        "boxw-310820-hnerxn-09": "BOXW310820HNERXN09",
    },
    "CO cc": {
        "123456": "123456",
        "12345678": "12345678",
        "1.020.304.050": "1020304050",
    },
    "BR cpf": {
        "390.533.447-05": "39053344705",
        "39053344705": "39053344705",
        "12345678909": "12345678909",
    },
    "IN pan": {"ABCDE1234F": "ABCDE1234F", "FGHIJ5678K": "FGHIJ5678K", "ACUPA7085R": "ACUPA7085R"},
}

LENGTH, CHECK, PART = "has", "check digit", "does not exist"
BAD = {
    "ES dni": {
        "12345678A": CHECK,
        "54362315Z": CHECK,
        "54362315": LENGTH,
        "123456789Z": LENGTH,
        "1234567OZ": LENGTH,
        "X1234567L": LENGTH,
        "00000000T": "number 0",
    },
    "ES nie": {
        "X2482300A": CHECK,
        "X2482300": LENGTH,
        "W1234567L": LENGTH,
        "12345678Z": LENGTH,
        "X0000000T": "number 0",
    },
    "PT nif": {
        "123456780": CHECK,
        "501964842": CHECK,
        "600000001": "body",
        "440000009": "body",
        "980000009": "body",
        "12345678": LENGTH,
        "1234567890": LENGTH,
        "000000000": LENGTH,
        "12345678O": LENGTH,
    },
    "IT codice_fiscale": {
        "RCCMNL83S18D969A": CHECK,
        "RCCMNL83S18D969": LENGTH,
        "RCCMNL83S18D969HH": LENGTH,
        "RCCMNL83S1OD969H": LENGTH,
        "00743110157": "company",
        "RCCMNL83S00D969O": PART,
        "RCCMNL83S31D969Q": PART,
        "RCCMNL83S85D969I": PART,
        "RCCMNL83S98D969P": PART,
    },
    "MX curp": {
        "BOXW310820HNERXN08": CHECK,
        "BOXW310820HNERXN0": LENGTH,
        "BOXW310820HNERXN099": LENGTH,
        "BOXW31082OHNERXN09": LENGTH,
        "BOXW311320HNERXN09": PART,
        "BOXW310230HNERXN09": PART,
        "BOXW310820HXXRXN09": PART,
        "BOXW310820ZNERXN09": PART,
    },
    "CO cc": {
        "12345": LENGTH,
        "12345678901": LENGTH,
        "00000000": LENGTH,
        "012345678": LENGTH,
        "1234567O": LENGTH,
        "CC12345678": LENGTH,
        "1111111111": "repeated",
        "7777777": "repeated",
    },
    "BR cpf": {
        "23100299900": CHECK,
        "231.002.999-00": CHECK,
        "39053344706": CHECK,
        "11111111111": "repeated",
        "99999999999": "repeated",
        "00000000000": LENGTH,
        "3905334470": LENGTH,
        "390533447O5": LENGTH,
    },
    "IN pan": {
        "abcde1234f": LENGTH,
        "ABCDe1234F": LENGTH,
        "ABCDE12345": LENGTH,
        "ABCDE1234": LENGTH,
        "ABCDE1234FF": LENGTH,
        "ABCDE 1234 F": LENGTH,
        " ABCDE1234F": LENGTH,
        "ABCDE-1234F": LENGTH,
        "ABCDEI234F": LENGTH,
        "ABCDE123OF": LENGTH,
    },
}


def why(kind: DocumentType, number: str) -> str:
    """What the check says against a number."""
    with pytest.raises(InvalidDocumentError) as refused:
        kind.check(number)
    assert refused.value.__cause__ is None, "the library's own words are not passed on"
    return str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
def test_good_numbers_are_taken_in_their_compact_form(kind: str) -> None:
    for number, compact in GOOD[kind].items():
        assert KINDS[kind].check(number) == compact, number


@pytest.mark.parametrize("kind", KINDS)
def test_bad_numbers_are_refused_with_what_is_wrong(kind: str) -> None:
    for number, words in BAD[kind].items():
        assert words in why(KINDS[kind], number), number


@pytest.mark.parametrize("kind", KINDS)
def test_look_alikes_of_a_good_number_are_refused(kind: str) -> None:
    """Digits of other scripts, letters that look Latin, and what no one sees."""
    good = KINDS[kind].example
    place = next(i for i, c in enumerate(good) if c.isdigit())
    digit = int(good[place])
    foreign = [chr(ord(zero) + digit) for zero in "０٠०𝟎"]  # full-width, Arabic, Devanagari, bold
    unseen = ["\0", "\t", "\n", "\r", "\u00a0", "\u200b", "\u2003", "\u202e", "\u00ad", "\ufeff"]
    divided = ["\u2010", "\u2013", "\u2212", "\u00b7", "_", ":", "/", ",", "'", "*", "\ud800"]
    wrong = [good[:place] + each + good[place + 1 :] for each in foreign]
    wrong += [good[:3] + each + good[3:] for each in unseen + divided]
    wrong += [each + good for each in unseen] + [good + each for each in unseen]
    letters = {"A": "Α", "B": "В", "C": "С", "E": "Ε", "H": "Η", "X": "Χ", "Z": "Ζ"}
    wrong += [good.replace(latin, other) for latin, other in letters.items() if latin in good]
    for number in wrong:
        assert "characters other than" in why(KINDS[kind], number), ascii(number)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_missing_or_too_long_is_not_looked_at(kind: str) -> None:
    check = KINDS[kind]
    good = check.example
    for number in ("", " ", " " * 40):
        assert why(check, number) == "It is missing."
    for number in (good.rjust(41), good.ljust(41), good * 20, "9" * 1_000_000, "\0" * 41):
        assert why(check, number) == "It is longer than 40 characters."


@pytest.mark.parametrize("kind", KINDS)
def test_spaces_around_and_up_to_the_limit_are_nobodys_second_number(kind: str) -> None:
    good = KINDS[kind].example
    if kind == "IN pan":
        assert "capital" in why(KINDS[kind], good.rjust(40))
    else:
        assert KINDS[kind].check(good.rjust(40)) == good


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60)
@given(text=st.text(max_size=45) | st.text(ascii_uppercase + digits + " -.", max_size=20))
def test_whatever_is_typed_has_an_answer_that_does_not_repeat_it(kind: str, text: str) -> None:
    try:
        compact = KINDS[kind].check(text)
    except InvalidDocumentError as error:
        said = str(error)
    else:
        said = ""
        assert KINDS[kind].check(compact) == compact
        assert compact.isascii()
        assert compact.isalnum()
    assert len(text) < 5 or text not in said


def cpf_of(nine: str) -> str:
    """The only one of a hundred pairs of check digits that is taken."""
    (number,) = [number for n in range(100) if cpf.is_valid(number := f"{nine}{n:02}")]
    return number


def with_check(kind: str, n: int) -> str:
    """The n-th number of a kind, with the check digits that the library computes for it."""
    match kind:
        case "ES dni":
            return f"{n:08}" + dni.calc_check_digit(f"{n:08}")
        case "ES nie":
            return f"Y{n:07}" + nie.calc_check_digit(f"Y{n:07}")
        case "PT nif":
            return f"2{n:07}" + nif.calc_check_digit(f"2{n:07}")
        case "IT codice_fiscale":
            return f"RCCMNL83S18D{n:03}" + codicefiscale.calc_check_digit(f"RCCMNL83S18D{n:03}")
        case "MX curp":
            plain = f"BOXW31{n:02}20HNERXN0"
            return plain + curp.calc_check_digit(plain)
    return cpf_of(f"{n:09}")


MOST = {
    "ES dni": 99_999_999,
    "ES nie": 9_999_999,
    "PT nif": 9_999_999,
    "IT codice_fiscale": 999,
    "MX curp": 12,
    "BR cpf": 110_000_000,
}


@pytest.mark.parametrize("kind", MOST)
@settings(max_examples=60)
@given(data=st.data())
def test_one_wrong_character_at_the_end_is_found(kind: str, data: st.DataObject) -> None:
    good = with_check(kind, data.draw(st.integers(1, MOST[kind])))
    assert KINDS[kind].check(good) == good
    last = good[-1]
    others = (digits if last.isdigit() else ascii_uppercase).replace(last, "")
    assert "check digit" in why(KINDS[kind], good[:-1] + data.draw(st.sampled_from(others)))


def test_a_person_recognises_the_number_and_a_stranger_learns_little() -> None:
    shown = {kind: KINDS[kind].masked(KINDS[kind].example) for kind in KINDS}
    assert shown == {
        "BR cpf": "39*******05",
        "CO cc": "12****78",
        "ES dni": "12*****8Z",
        "ES nie": "X1*****7L",
        "IN pan": "XXXXX1234F",
        "IT codice_fiscale": "RC************9H",
        "MX curp": "BO**************09",
        "PT nif": "12*****89",
    }
    assert masked("IN", "PAN", "ABCDE1234F") == "XXXXX1234F"
    assert masked("CO", "cc", "123456") == "12**56"
    assert masked("XX", "cc", "123456789") == "12*****89", "of a country that is no longer there"
    assert masked("CO", "old", "1234") == "****"
