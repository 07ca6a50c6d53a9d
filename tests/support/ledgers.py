"""Short ways to put commands into a ledger and to see what came out."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from application.ledger import Accepted, Answer, Done, Ledger, Outcome, Receipt, Refused, Submission
from application.ledger.outcomes import Command
from domain.accounts import Account, OpenAccount
from domain.provenance import Provenance
from domain.transfers import PostTransfer

WHO = Provenance(actor="somebody", correlation_id="a test")


def submission(
    *commands: Command, linked: bool = False, receipt: Receipt | None = None
) -> Submission:
    return Submission(commands, WHO, linked, receipt)


def submit(
    ledger: Ledger, *commands: Command, linked: bool = False, receipt: Receipt | None = None
) -> Done:
    return ledger.submit(submission(*commands, linked=linked, receipt=receipt)).result(30)


def ask(ledger: Ledger, command: Command) -> Outcome:
    """The outcome of one command by itself."""
    return submit(ledger, command).outcomes[0]


def accepted(ledger: Ledger, command: Command) -> Accepted:
    outcome = ask(ledger, command)
    assert isinstance(outcome, Accepted), outcome
    return outcome


def refusal(ledger: Ledger, command: Command) -> Refused:
    outcome = ask(ledger, command)
    assert isinstance(outcome, Refused), outcome
    return outcome


def open_account(
    ledger: Ledger,
    type_: str = "checking",
    *,
    balance: int = 0,
    currency: str = "EUR",
    credit_limit: int = 0,
) -> UUID:
    """A new account, funded from a cash account of its own when it is to have a balance."""
    id_, cash = uuid4(), uuid4()
    commands: list[Command] = [OpenAccount(id_, "any", type_, currency, credit_limit=credit_limit)]
    if balance:
        commands += [
            OpenAccount(cash, "cash", "cash", currency),
            PostTransfer(uuid4(), cash, id_, balance, currency),
        ]
    for outcome in submit(ledger, *commands, linked=True).outcomes:
        assert isinstance(outcome, Accepted), outcome
    return id_


def pay(source: UUID, destination: UUID, amount: int, id_: UUID | None = None) -> PostTransfer:
    return PostTransfer(id_ or uuid4(), source, destination, amount, "EUR")


def balances(outcome: Outcome) -> tuple[int, ...]:
    """The balances of source and destination right after an accepted transfer."""
    assert isinstance(outcome, Accepted), outcome
    return tuple(account.balance for account in outcome.accounts)


def account_after(outcome: Outcome) -> Account:
    """The account that an accepted command made or changed."""
    assert isinstance(outcome, Accepted), outcome
    assert isinstance(outcome.state, Account)
    return outcome.state


def receipt(key: str, content: bytes = b"one", caller: str = "shop") -> Receipt:
    """A receipt whose answer spells out the outcomes, as an edge would."""
    return Receipt(caller, key, content, render)


def render(outcomes: Sequence[Outcome]) -> Answer:
    position = max((o.position for o in outcomes if isinstance(o, Accepted)), default=0)
    status = 201 if all(isinstance(o, Accepted) for o in outcomes) else 422
    return Answer(status, "|".join(map(_spell, outcomes)).encode(), position)


def _spell(outcome: Outcome) -> str:
    if isinstance(outcome, Refused):
        return outcome.reason
    return f"{outcome.id} at {outcome.position}: {[a.balance for a in outcome.accounts]}"
