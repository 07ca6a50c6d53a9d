"""Reports as the bureaus of different countries write them: each has words and a way of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from api.sandbox.scoring import Asked, Known

_GOOD = 600
"""Who has less is late with something."""

Report = dict[str, Any]
Write = Callable[[Asked, Known], Report]


def report_of(asked: Asked, known: Known) -> Report:
    """What the country's bureau says."""
    return SHAPES.get(asked.country, _generic)(asked, known)


def garbled(report: Report) -> Report:
    """A report of which nothing can be understood any more."""
    return {name: [["\ufffd", None]] for name in report}


def _mexico(asked: Asked, known: Known) -> Report:
    return {
        "folio": _number("MX", asked),
        "score_buro": known.score,
        "status_pago": _word(known, "al_corriente", "atrasado"),
        "banco": "BBVA México",
        "total_debt": _json_number(known.debt),
    }


def _colombia(asked: Asked, known: Known) -> Report:
    return {
        "puntaje_datacredito": known.score,
        "entidad": "Bancolombia",
        "estado_cuenta": _word(known, "ACTIVA", "MORA"),
        "deuda_total": _json_number(known.debt),
    }


def _spain(asked: Asked, known: Known) -> Report:
    return {
        "consulta": {"referencia": _number("EFX", asked)},
        "titular": {"verificado": True},
        "scoring": {"puntuacion": known.score, "escala": "0-1000"},
        "posiciones": {
            "entidad_principal": "CaixaBank",
            "situacion": _word(known, "AL_DIA", "IMPAGO"),
            "saldo_deudor": _with_commas(known.debt),
            "divisa": "EUR",
        },
    }


def _portugal(asked: Asked, known: Known) -> Report:
    """Two lenders, who have lent it together."""
    most = (known.debt * 3 / 4).quantize(Decimal("0.01"))
    owed = (("Caixa Geral de Depósitos", most), ("Millennium bcp", known.debt - most))
    status = _word(known, "REGULAR", "VENCIDO")
    return {
        "mapa_responsabilidades": {
            "indice_risco": None if known.score is None else str(known.score),
            "identificacao_confirmada": "S",
            "responsabilidades": [
                {
                    "instituicao": lender,
                    "em_divida": f"{debt:.2f}".replace(".", ","),
                    "situacao": status,
                }
                for lender, debt in owed
            ],
        }
    }


def _italy(asked: Asked, known: Known) -> Report:
    if known.score is None:
        return {"esito": "NON_TROVATO", "soggetto": {"cf_verificato": 1}}
    return {
        "esito": "TROVATO",
        "soggetto": {"cf_verificato": 1},
        "crif_score": {"valore": known.score, "fascia": "C"},
        "esposizione": {
            "totale_centesimi": int(known.debt * 100),
            "istituto": "Intesa Sanpaolo",
            "stato": _word(known, "REGOLARE", "INSOLUTO"),
        },
    }


def _brazil(asked: Asked, known: Known) -> Report:
    return {
        "protocolo": _number("SRS", asked),
        "serasa": {"score": None if known.score is None else str(known.score)},
        "pendencias": {"quantidade": int(known.debt > 0), "valor_total": _reais(known.debt)},
        "relacionamento": {
            "banco": "Itaú Unibanco",
            "conta": _word(known, "ATIVA", "NEGATIVADA"),
            "cpf_regular": True,
        },
    }


def _india(asked: Asked, known: Known) -> Report:
    return {
        "control_number": _number("CB", asked),
        "cibil_score": "NH" if known.score is None else known.score,
        "pan_verified": "Y",
        "accounts": {
            "lender": "State Bank of India",
            "standing": _word(known, "STANDARD", "SUB_STANDARD"),
            "outstanding_inr": _lakhs(known.debt),
        },
    }


def _generic(asked: Asked, known: Known) -> Report:
    return {
        "score": known.score,
        "debt": f"{known.debt:.2f}",
        "bank": "First Bank",
        "status": _word(known, "active", "overdue"),
    }


SHAPES: Mapping[str, Write] = {
    "MX": _mexico,
    "CO": _colombia,
    "ES": _spain,
    "PT": _portugal,
    "IT": _italy,
    "BR": _brazil,
    "IN": _india,
}


def _number(prefix: str, asked: Asked) -> str:
    return f"{prefix}-{asked.report_id.int % 1_000_000:06}"


def _word(known: Known, good: str, late: str) -> str:
    return late if known.score is not None and known.score < _GOOD else good


def _json_number(amount: Decimal) -> int | float:
    """A JSON number with the same digits."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _with_commas(amount: Decimal) -> str:
    """As 12.345,67."""
    return f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))


def _reais(amount: Decimal) -> str:
    return f"R$ {_with_commas(amount)}"


def _lakhs(amount: Decimal) -> str:
    """As 3,45,000.00: three digits, and then two by two."""
    whole, _, fraction = f"{amount:.2f}".partition(".")
    head, tail = whole[:-3], whole[-3:]
    pairs: list[str] = []
    while head:
        head, pair = head[:-2], head[-2:]
        pairs.insert(0, pair)
    return f"{','.join([*pairs, tail])}.{fraction}"
