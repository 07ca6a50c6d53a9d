"""Commands that are loaded when they are called: each needs only a part of what all of them need."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


class Listed(NamedTuple):
    """A command, or a group of commands, as the list of all shows it."""

    name: str
    place: str
    """The module, and the function or `typer.Typer` in it: `api.cli.serving:up`."""
    help: str


class LazyGroup(TyperGroup):
    """A group that knows of its commands what the list of them shows, until one of them is called."""

    def __init__(self, listed: Sequence[Listed], **options: Any) -> None:
        shown = [TyperCommand(each.name, help=each.help) for each in listed]
        super().__init__(commands=shown, **options)
        self._listed = {each.name: each for each in listed}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, shown, rest = super().resolve_command(ctx, args)
        return name, shown if name is None else self._load(self._listed[name]), rest

    def loaded(self) -> dict[str, Any]:
        """All commands by their names, for who wants to know what is in them."""
        return {name: self._load(listed) for name, listed in self._listed.items()}

    def _load(self, listed: Listed) -> Any:
        module, _, inside = listed.place.partition(":")
        found = getattr(import_module(module), inside)
        one = typer.Typer(rich_markup_mode=self.rich_markup_mode)
        if isinstance(found, typer.Typer):
            one.add_typer(found, name=listed.name, help=listed.help)
        else:
            one.command(listed.name)(found)
        return get_group(one).commands[listed.name]
