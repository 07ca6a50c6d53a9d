"""`daybook sandbox`: services to try Daybook with, which stand in for those of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_TOKEN = "sandbox-token"  # noqa: S105 - of services that have nothing to lose

_Host = Annotated[str, typer.Option(help="The address to listen on.")]
_Port = Annotated[int, typer.Option(min=1, max=65535)]
_WebhookSecret = Annotated[
    str, typer.Option(help="whsec_..., to sign with.", envvar="SANDBOX_WEBHOOK_SECRET")
]
_Token = Annotated[str, typer.Option(help="What callers have to know.", envvar="SANDBOX_TOKEN")]

app = typer.Typer(no_args_is_help=True)


@app.callback()
def sandbox() -> None:
    """Services that stand in for those of others."""


@app.command()
def bank(
    host: _Host = "127.0.0.1",
    port: _Port = 8010,
    data: Annotated[
        Path | None,
        typer.Option(help="The file to keep movements in; without one they end with the bank."),
    ] = None,
    webhook_url: Annotated[
        str | None, typer.Option(help="Where to tell of what becomes of movements.")
    ] = None,
    webhook_secret: _WebhookSecret = "",
    settle_after: Annotated[
        float, typer.Option(min=0.0, help="Seconds until a movement is settled; 0: at once.")
    ] = 0.0,
    token: _Token = DEFAULT_TOKEN,
) -> None:
    """Run a bank that moves no money, until Ctrl-C.

    It answers like a bank that takes its time, and does wrong what it is told to by `PUT /faults`.
    Its interface is described at /docs.
    """
    from api.sandbox.bank import BankConfig
    from api.sandbox.running import sandbox_server
    from api.sandbox.service import create_bank

    _check_target(webhook_url, webhook_secret)
    config = BankConfig(
        token=token,
        data=data,
        webhook_url=webhook_url,
        webhook_secret=webhook_secret,
        settle_after_s=settle_after,
    )
    typer.echo(f"The sandbox bank is at http://{host}:{port}")
    sandbox_server(create_bank(config), host, port).run()


@app.command()
def bureau(
    host: _Host = "127.0.0.1",
    port: _Port = 8011,
    webhook_url: Annotated[
        str | None, typer.Option(help="Where to tell of reports that were not there at once.")
    ] = None,
    webhook_secret: _WebhookSecret = "",
    answer_after: Annotated[
        float, typer.Option(min=0.0, help="Seconds until a report is there; 0: at once.")
    ] = 0.0,
    scores: Annotated[
        Path | None,
        typer.Option(help="A JSON file of scores by document number.", exists=True, dir_okay=False),
    ] = None,
    token: _Token = DEFAULT_TOKEN,
) -> None:
    """Run a credit bureau that knows nobody, until Ctrl-C.

    It makes reports up, each time the same for an application, in the shape of the country's bureau, and
    does wrong what it is told to by `PUT /faults`. Its interface is described at /docs.
    """
    from api.sandbox.bureau import BureauConfig
    from api.sandbox.bureau_service import create_bureau, read_scores
    from api.sandbox.running import sandbox_server

    _check_target(webhook_url, webhook_secret)
    try:
        known = read_scores(scores.read_bytes()) if scores is not None else {}
    except ValueError as error:
        raise typer.BadParameter(f"{scores}: {error}") from error
    config = BureauConfig(
        token=token,
        webhook_url=webhook_url,
        webhook_secret=webhook_secret,
        answer_after_s=answer_after,
        scores=known,
    )
    typer.echo(f"The sandbox bureau is at http://{host}:{port}")
    sandbox_server(create_bureau(config), host, port).run()


def _check_target(webhook_url: str | None, webhook_secret: str) -> None:
    """Raises `typer.BadParameter` when webhooks cannot be sent there, or not signed so."""
    from api.sandbox.sending import Sender, TargetError

    if webhook_url is not None:
        try:
            Sender(webhook_url, webhook_secret, lambda _: None)
        except TargetError as error:
            raise typer.BadParameter(str(error)) from error
