"""Each bureau's own shape is read to the same words, exactly, or said to be unreadable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.countries.catalogue import COUNTRIES
from application.countries.country import ACCOUNT_STATUSES, Report, UnreadableReportError
from application.countries.reports import comma_money, money

Raw = dict[str, Any]

ANSWERS: dict[str, tuple[Raw, Report]] = {
    "MX": (
        {
            "folio": "MX-4711",
            "score_buro": 712,
            "status_pago": "al_corriente",
            "banco": "BBVA México",
            "total_debt": 0,
        },
        Report(712, 0, "BBVA México", "current", True),
    ),
    "CO": (
        {
            "puntaje_datacredito": 745,
            "entidad": "Bancolombia",
            "estado_cuenta": "ACTIVA",
            "deuda_total": 1_250_000,
        },
        Report(745, 1_250_000_00, "Bancolombia", "current", True),
    ),
    "ES": (
        {
            "consulta": {"referencia": "EFX-4711", "fecha": "2026-01-31"},
            "titular": {"verificado": True},
            "scoring": {"puntuacion": 731, "escala": "0-1000"},
            "posiciones": {
                "entidad_principal": "CaixaBank",
                "situacion": "AL_DIA",
                "saldo_deudor": "12.345,67",
                "divisa": "EUR",
            },
        },
        Report(731, 12_345_67, "CaixaBank", "current", True),
    ),
    "PT": (
        {
            "mapa_responsabilidades": {
                "indice_risco": "688",
                "identificacao_confirmada": "S",
                "responsabilidades": [
                    {
                        "instituicao": "Caixa Geral de Depósitos",
                        "em_divida": "1500,50",
                        "situacao": "REGULAR",
                    },
                    {
                        "instituicao": "Millennium bcp",
                        "em_divida": "250,00",
                        "situacao": "VENCIDO",
                    },
                ],
            }
        },
        Report(688, 1_750_50, "Caixa Geral de Depósitos", "in_arrears", True),
    ),
    "IT": (
        {
            "esito": "TROVATO",
            "soggetto": {"cf_verificato": 1},
            "crif_score": {"valore": 640, "fascia": "C"},
            "esposizione": {
                "totale_centesimi": 1_234_567,
                "istituto": "Intesa Sanpaolo",
                "stato": "REGOLARE",
            },
        },
        Report(640, 12_345_67, "Intesa Sanpaolo", "current", True),
    ),
    "BR": (
        {
            "protocolo": "SRS-4711",
            "serasa": {"score": "715", "faixa": "BAIXO_RISCO"},
            "pendencias": {"quantidade": 2, "valor_total": "R$ 1.234,56"},
            "relacionamento": {"banco": "Itaú Unibanco", "conta": "ATIVA", "cpf_regular": True},
        },
        Report(715, 1_234_56, "Itaú Unibanco", "current", True),
    ),
    "IN": (
        {
            "control_number": "CB-4711",
            "cibil_score": 790,
            "pan_verified": "Y",
            "accounts": {
                "lender": "State Bank of India",
                "standing": "STANDARD",
                "outstanding_inr": "3,45,000.00",
            },
        },
        Report(790, 3_45_000_00, "State Bank of India", "current", True),
    ),
}

SCORE = {
    "MX": ("score_buro",),
    "CO": ("puntaje_datacredito",),
    "ES": ("scoring", "puntuacion"),
    "PT": ("mapa_responsabilidades", "indice_risco"),
    "IT": ("crif_score", "valore"),
    "BR": ("serasa", "score"),
    "IN": ("cibil_score",),
}
DEBT = {
    "MX": ("total_debt",),
    "CO": ("deuda_total",),
    "ES": ("posiciones", "saldo_deudor"),
    "PT": ("mapa_responsabilidades", "responsabilidades", 0, "em_divida"),
    "IT": ("esposizione", "totale_centesimi"),
    "BR": ("pendencias", "valor_total"),
    "IN": ("accounts", "outstanding_inr"),
}
STATUS = {
    "MX": ("status_pago",),
    "CO": ("estado_cuenta",),
    "ES": ("posiciones", "situacion"),
    "PT": ("mapa_responsabilidades", "responsabilidades", 0, "situacao"),
    "IT": ("esposizione", "stato"),
    "BR": ("relacionamento", "conta"),
    "IN": ("accounts", "standing"),
}
BANK = {
    "MX": ("banco",),
    "CO": ("entidad",),
    "ES": ("posiciones", "entidad_principal"),
    "PT": ("mapa_responsabilidades", "responsabilidades", 0, "instituicao"),
    "IT": ("esposizione", "istituto"),
    "BR": ("relacionamento", "banco"),
    "IN": ("accounts", "lender"),
}
LEFT_OUT = object()


def changed(code: str, place: tuple[str | int, ...], value: object) -> Raw:
    """A good answer of that country with one value put in another's place, or left out."""
    raw = deepcopy(ANSWERS[code][0])
    inner: Any = raw
    for step in place[:-1]:
        inner = inner[step]
    if value is LEFT_OUT:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return raw


def read(code: str, raw: Mapping[str, object]) -> Report:
    return COUNTRIES[code].read_report(raw)


def refused(code: str, raw: Mapping[str, object]) -> str:
    with pytest.raises(UnreadableReportError) as unreadable:
        read(code, raw)
    return str(unreadable.value)


@pytest.mark.parametrize("code", ANSWERS)
def test_a_good_answer_says_the_same_in_every_shape(code: str) -> None:
    raw, report = ANSWERS[code]
    assert read(code, raw) == report
    assert read(code, json.loads(json.dumps(raw))) == report


def test_every_country_has_such_an_answer_here() -> None:
    assert set(ANSWERS) == set(COUNTRIES)


@pytest.mark.parametrize("code", ANSWERS)
def test_a_score_is_a_whole_number_from_0_to_1000_or_there_is_none(code: str) -> None:
    for value, expected in [(0, 0), (1000, 1000), ("0", 0), ("1000", 1000), (None, None)]:
        assert read(code, changed(code, SCORE[code], value)).credit_score == expected
    assert read(code, changed(code, SCORE[code], LEFT_OUT)).credit_score is None
    odd = [
        1001, -2, 712.0, 712.5, float("nan"), True, False, "", " 712", "712\n", "712.0", "+712", "٧١٢",
        "1001", "9" * 5000, [], [712], {"valor": 712}, 10**400, "good",
    ]  # fmt: skip
    for value in odd:
        message = refused(code, changed(code, SCORE[code], value))
        assert message == f"{SCORE[code][-1]} is not a whole number from 0 to 1000"


def test_no_history_at_the_indian_bureau_is_no_score() -> None:
    for value in (-1, "-1", "NH", "NA"):
        assert read("IN", changed("IN", SCORE["IN"], value)).credit_score is None


AMOUNTS: dict[str, dict[object, int]] = {
    "MX": {1: 100, 0.1: 10, 1234.5: 1234_50, 1e3: 1000_00, "1234.56": 1234_56, -0.0: 0},
    "CO": {5_500_000: 5_500_000_00, 500_000.25: 500_000_25, "0.01": 1},
    "ES": {"0": 0, "0,01": 1, "1,5": 1_50, "1234,56": 1234_56, "1.234": 1234_00},
    "PT": {"0": 0, "0,01": 1, "999.999.999,99": 999_999_999_99},
    "IT": {0: 0, 1: 1, 10**14 - 1: 10**14 - 1},
    "BR": {"R$ 0,00": 0, "R$\u00a01.234,56": 1234_56, "R$1,00": 1_00, "12,30": 12_30},
    "IN": {
        "0": 0,
        "1,000": 1000_00,
        "12,34,56,789.10": 12_34_56_789_10,
        "100000.5": 100_000_50,
        7: 7_00,
    },
}


@pytest.mark.parametrize("code", AMOUNTS)
def test_a_debt_is_read_to_the_cent(code: str) -> None:
    more = 250_00 if code == "PT" else 0  # of the second lender
    for value, minor in AMOUNTS[code].items():
        assert read(code, changed(code, DEBT[code], value)).total_debt == minor + more, value


WRONG_AMOUNTS: dict[str, list[object]] = {
    "MX": ["1,50", "1e3", 1.005, 0.1 + 0.2, 1e-7, 10**12, 1e300, 10**5000, "١"],
    "CO": ["1,50", 1.005, 10**12],
    "ES": ["1234.56", "1.23,45", "12.3456", "1,234", ",5", "1,", 12, 12.5, "1.234.56"],
    "PT": ["1234.56", "1,234", 12, "€ 12,00"],
    "IT": ["100", 1.0, 10**14, 10**5000],
    "BR": ["R$ 1,234.56", "$ 1,00", "R$ -1,00", "R$", 12, "1,234"],
    "IN": ["1,2,3", "1,00,00", "345,000,00", "1.005", "Rs 5", "1,0000"],
}


@pytest.mark.parametrize("code", WRONG_AMOUNTS)
def test_a_debt_that_is_not_exact_is_unreadable(code: str) -> None:
    always: list[object] = [
        -1,
        "-1",
        "",
        " ",
        "NaN",
        float("nan"),
        float("inf"),
        True,
        [],
        {},
        "9" * 50,
    ]
    for value in always + WRONG_AMOUNTS[code]:
        message = refused(code, changed(code, DEBT[code], value))
        assert message == f"{DEBT[code][-1]} is not an amount of money", value


@pytest.mark.parametrize("code", ANSWERS)
def test_what_is_left_out_is_not_known(code: str) -> None:
    for value in (None, LEFT_OUT):
        assert read(code, changed(code, DEBT[code], value)).total_debt is None
        assert read(code, changed(code, BANK[code], value)).bank_name == ""
    nothing = Report(None, None, "", "unknown", False)
    assert read(code, {}) == nothing
    assert read(code, dict.fromkeys(ANSWERS[code][0])) == nothing


WORDS = {
    "MX": {"al_corriente": "current", "atrasado": "in_arrears", "en_cobranza": "in_arrears"},
    "CO": {"ACTIVA": "current", "MORA": "in_arrears", "CERRADA": "closed"},
    "ES": {"AL_DIA": "current", "IMPAGO": "in_arrears", "SIN_DATOS": "unknown"},
    "IT": {"REGOLARE": "current", "INSOLUTO": "in_arrears"},
    "BR": {"ATIVA": "current", "NEGATIVADA": "in_arrears", "ENCERRADA": "closed"},
    "IN": {"STANDARD": "current", "SUB_STANDARD": "in_arrears", "LOSS": "in_arrears"},
}


@pytest.mark.parametrize("code", WORDS)
def test_a_bureaus_word_for_an_account_is_one_of_ours(code: str) -> None:
    for word, expected in {**WORDS[code], "???": "unknown", "": "unknown"}.items():
        status = read(code, changed(code, STATUS[code], word)).account_status
        assert (status, status in ACCOUNT_STATUSES) == (expected, True), word


@pytest.mark.parametrize("code", ANSWERS)
def test_a_text_is_short_and_on_one_line(code: str) -> None:
    assert read(code, changed(code, BANK[code], "Ü" * 100)).bank_name == "Ü" * 100
    wrong: list[object] = ["x" * 101, "a\nb", "\0", "\u202eabc", 7, True, [], {}]
    for value in wrong:
        message = refused(code, changed(code, BANK[code], value))
        assert message == f"{BANK[code][-1]} is not a text of up to 100 characters"
        assert "is not a text" in refused(code, changed(code, STATUS[code], value))


VERIFIED: dict[str, tuple[tuple[str, ...], list[object]]] = {
    "MX": (("folio",), [None, ""]),
    "CO": (("estado_cuenta",), ["MORA", "CERRADA", None]),
    "ES": (("titular", "verificado"), [False, 1, "true", None]),
    "PT": (("mapa_responsabilidades", "identificacao_confirmada"), ["N", "s", True, None]),
    "IT": (("soggetto", "cf_verificato"), [0, True, 1.0, "1", None]),
    "BR": (("relacionamento", "cpf_regular"), [False, 1, "true", None]),
    "IN": (("pan_verified",), ["N", "y", True, None]),
}


@pytest.mark.parametrize("code", VERIFIED)
def test_only_a_clear_yes_is_one(code: str) -> None:
    place, noes = VERIFIED[code]
    for value in noes:
        assert not read(code, changed(code, place, value)).is_verified, value


def test_a_part_that_is_not_what_it_should_be_is_named() -> None:
    for code, (raw, _) in ANSWERS.items():
        for name, value in raw.items():
            if isinstance(value, dict) and name != "consulta":
                assert refused(code, {**raw, name: [1]}) == f"{name} is not an object"
    assert refused("ES", changed("ES", ("posiciones", "divisa"), "USD")) == "divisa is not EUR"
    lines = ("mapa_responsabilidades", "responsabilidades")
    wrong: list[object] = [{}, "none", [1], [None], [[]], 0, False]
    for value in wrong:
        assert (
            refused("PT", changed("PT", lines, value))
            == "responsabilidades is not a list of objects"
        )


def test_who_owes_nothing_in_portugal_owes_0_and_who_owes_something_unknown_is_not_known() -> None:
    lines = ("mapa_responsabilidades", "responsabilidades")
    report = read("PT", changed("PT", lines, []))
    assert (report.total_debt, report.bank_name, report.account_status) == (0, "", "unknown")
    many = [{"instituicao": "A", "em_divida": "999.999.999.999,99", "situacao": "REGULAR"}] * 2
    assert "come to more than any debt" in refused("PT", changed("PT", lines, many))
    mixed = [{"em_divida": "5,00", "situacao": "REGULAR"}, {"situacao": "REGULAR"}]
    report = read("PT", changed("PT", lines, mixed))
    assert (report.total_debt, report.account_status) == (None, "current")
    mixed[1]["situacao"] = "?"
    assert read("PT", changed("PT", lines, mixed)).account_status == "unknown"


@given(minor=st.integers(0, 10**14 - 1))
def test_money_comes_back_to_the_cent_however_it_is_written(minor: int) -> None:
    exact = Decimal(minor).scaleb(-2)
    assert money({"x": str(exact)}, "x", "EUR") == minor
    assert money({"x": float(exact)}, "x", "EUR") == minor
    assert comma_money({"x": str(exact).replace(".", ",")}, "x", "EUR") == minor
    grouped = f"{exact:,}".translate(str.maketrans(",.", ".,"))
    assert comma_money({"x": grouped}, "x", "EUR") == minor


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


@pytest.mark.parametrize("code", ANSWERS)
@given(data=st.data())
def test_whatever_an_answer_holds_it_is_read_or_unreadable(code: str, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from([SCORE[code], DEBT[code], STATUS[code], BANK[code]]))
    depth = data.draw(st.integers(1, len(place)))
    raw = changed(code, place[:depth], data.draw(ODD))
    try:
        report = read(code, raw)
    except UnreadableReportError:
        return
    assert report.credit_score is None or 0 <= report.credit_score <= 1000
    assert report.total_debt is None or 0 <= report.total_debt < 10**14
    assert report.account_status in ACCOUNT_STATUSES
