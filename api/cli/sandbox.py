"""`daybook sandbox`: services to try Daybook with, which stand in for those of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_TOKEN = "sandbox-token"  # noqa: S105 - of a bank that has no money

app = typer.Typer(no_args_is_help=True)


@app.callback()
def sandbox() -> None:
    """Services that stand in for those of others."""


@app.command()
def bank(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8010,
    data: Annotated[
        Path | None,
        typer.Option(help="The file to keep movements in; without one they end with the bank."),
    ] = None,
    webhook_url: Annotated[
        str | None, typer.Option(help="Where to tell of what becomes of movements.")
    ] = None,
    webhook_secret: Annotated[
        str, typer.Option(help="whsec_..., to sign with.", envvar="SANDBOX_WEBHOOK_SECRET")
    ] = "",
    settle_after: Annotated[
        float, typer.Option(min=0.0, help="Seconds until a movement is settled; 0: at once.")
    ] = 0.0,
    token: Annotated[
        str, typer.Option(help="What callers have to know.", envvar="SANDBOX_TOKEN")
    ] = DEFAULT_TOKEN,
) -> None:
    """Run a bank that moves no money, until Ctrl-C.

    It answers like a bank that takes its time, and does wrong what it is told to by `PUT /faults`.
    Its interface is described at /docs.
    """
    from api.sandbox.bank import BankConfig
    from api.sandbox.running import bank_server
    from api.sandbox.sending import Sender, TargetError
    from api.sandbox.service import create_bank

    if webhook_url is not None:
        try:
            Sender(webhook_url, webhook_secret, lambda _: None)
        except TargetError as error:
            raise typer.BadParameter(str(error)) from error
    config = BankConfig(
        token=token,
        data=data,
        webhook_url=webhook_url,
        webhook_secret=webhook_secret,
        settle_after_s=settle_after,
    )
    typer.echo(f"The sandbox bank is at http://{host}:{port}")
    bank_server(create_bank(config), host, port).run()
