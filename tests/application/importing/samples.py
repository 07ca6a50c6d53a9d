"""Statements to import: those that ship with the product, faulty ones, and ones made to measure."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

SAMPLES = Path(str(files("api") / "samples" / "statements"))
FAULTY = Path(__file__).parents[2] / "data" / "statements"

LINE = ":61:2402010201C25,50NTRFINVOICE 7//BANK0001\n:86:Paid by Ann"


def mt940(
    *lines: str,
    account: str = "NL01BANK0000000001",
    reference: str = "REF1",
    number: str = "7/1",
    opening: str = "C240131EUR100,00",
    closing: str = "C240201EUR125,50",
) -> str:
    """A statement of these lines; balances as after `:60F:` and `:62F:`."""
    head = f":20:{reference}\n:25:{account}\n:28C:{number}\n:60F:{opening}"
    return "\n".join([head, *lines, f":62F:{closing}\n-\n"])


def write(folder: Path, *statements: str, name: str = "bank.sta") -> Path:
    """A file of these statements."""
    path = folder / name
    path.write_text("".join(statements))
    return path


def camt(
    *entries: str,
    version: str = "08",
    account: str = "NL91ABNA0417164300",
    number: str = "7",
    currency: str = "EUR",
    opening: str = "100.00",
    closing: str = "125.50",
    opening_code: str = "OPBD",
) -> str:
    """A camt.053 statement of these entries; balances below zero are debit."""
    balances = "".join(
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{_signed(amount, currency)}"
        f"<Dt><Dt>{day}</Dt></Dt></Bal>"
        for code, amount, day in (
            (opening_code, opening, "2024-01-31"),
            ("CLBD", closing, "2024-02-01"),
        )
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"><BkToCstmrStmt>'
        "<GrpHdr><MsgId>M1</MsgId><CreDtTm>2024-02-01T23:00:00</CreDtTm></GrpHdr>"
        f"<Stmt><Id>S1</Id><ElctrncSeqNb>{number}</ElctrncSeqNb>"
        f"<CreDtTm>2024-02-01T23:00:00</CreDtTm><Acct><Id><IBAN>{account}</IBAN></Id></Acct>"
        f"{balances}{''.join(entries)}</Stmt></BkToCstmrStmt></Document>"
    )


def entry(
    amount: str,
    *details: str,
    version: str = "08",
    currency: str = "EUR",
    status: str = "BOOK",
    reversal: str = "",
) -> str:
    """An entry of a camt.053 statement, a debit below zero; `details` as made by `part`."""
    booked = f"<Sts>{status}</Sts>" if version < "08" else f"<Sts><Cd>{status}</Cd></Sts>"
    payments = f"<NtryDtls>{''.join(details)}</NtryDtls>" if details else ""
    return (
        f"<Ntry><NtryRef>N1</NtryRef>{_signed(amount, currency)}{reversal}{booked}"
        "<BookgDt><Dt>2024-02-01</Dt></BookgDt><ValDt><DtTm>2024-02-02T00:00:00+01:00</DtTm></ValDt>"
        "<AcctSvcrRef>BANK1</AcctSvcrRef><BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd>"
        f"<SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>{payments}</Ntry>"
    )


def part(
    end_to_end: str,
    amount: str = "",
    *,
    version: str = "08",
    text: str = "Thanks",
    name: str = "Ann",
) -> str:
    """One payment of an entry."""
    if amount and version < "08":
        figure = f'<AmtDtls><TxAmt><Amt Ccy="EUR">{amount}</Amt></TxAmt></AmtDtls>'
    else:
        figure = f'<Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd>' if amount else ""
    person = f"<Nm>{name}</Nm>" if version < "08" else f"<Pty><Nm>{name}</Nm></Pty>"
    return (
        f"<TxDtls><Refs><InstrId>I-{end_to_end}</InstrId><EndToEndId>{end_to_end}</EndToEndId></Refs>"
        f"{figure}<RltdPties><Dbtr>{person}</Dbtr></RltdPties>"
        f"<RmtInf><Ustrd>{text}</Ustrd></RmtInf></TxDtls>"
    )


def _signed(amount: str, currency: str) -> str:
    side = "DBIT" if amount.startswith("-") else "CRDT"
    figure = amount.removeprefix("-")
    return f'<Amt Ccy="{currency}">{figure}</Amt><CdtDbtInd>{side}</CdtDbtInd>'
