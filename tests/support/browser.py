"""The console in a real browser: Chromium, which is told by Playwright what a person sees and presses."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from unittest.mock import patch

from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize, expect, sync_playwright

from tests.support.chromium.install import FOLDER, IS_PACKED
from tests.support.windows import NODE

Scheme = Literal["light", "dark"]

LOOKS: list[tuple[int, Scheme]] = [(360, "light"), (801, "light"), (1280, "dark")]
"""Widths in pixels: a small telephone, the least that is none to the style sheet, and a desk."""

_SIZE: ViewportSize = {"width": 1280, "height": 800}
_TIMEOUT_MS = 30_000
_MOST_STOPS = 150
_ELSEWHERE = ("chromium", "chromium-browser", "google-chrome")

# A tab gets its session as one that is reloaded has it; what the policy refuses is said like other errors.
_BEFORE = """
for (const [name, value] of Object.entries({kept}))
  if (!sessionStorage.getItem(name)) sessionStorage.setItem(name, value);
addEventListener("securitypolicyviolation", ({{ violatedDirective, blockedURI }}) =>
  console.error(`refused by ${{violatedDirective}}: ${{blockedURI}}`));
"""


@contextmanager
def chromium(home: Path) -> Iterator[Browser]:
    """A browser without a screen, which keeps what it keeps in a folder."""
    expect.set_options(timeout=_TIMEOUT_MS)
    environment: dict[str, str | float | bool] = {"HOME": str(home), "TZ": "UTC", "LANG": "C.UTF-8"}
    if IS_PACKED:
        environment["LD_LIBRARY_PATH"] = str(FOLDER / "al2023" / "lib")
        environment["FONTCONFIG_PATH"] = str(FOLDER / "fonts")
    own_node = {"PLAYWRIGHT_NODEJS_PATH": str(NODE)}  # Playwright's needs a library that few have
    path = _executable()
    with (
        patch.dict(os.environ, own_node),
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=path, env=environment) as browser,
    ):
        yield browser


def _executable() -> Path:
    if IS_PACKED:
        own = FOLDER / "chromium"
        assert own.exists(), f"{own} is missing: 'make test' installs it"
        return own
    found = next(filter(None, map(shutil.which, _ELSEWHERE)), None)
    assert found, f"no package has a browser for this machine: put one of {_ELSEWHERE} on PATH"
    return Path(found)


class Tab:
    """A page, and what the browser complained of there."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} ({message.location.get('url')})")

    def shows(self, *texts: str) -> None:
        """Wait until all these are to be seen."""
        for text in texts:
            expect(self.page.get_by_text(text).filter(visible=True).first).to_be_visible()

    def complains(self, text: str) -> None:
        """Wait until the browser has complained of this."""
        while not any(text in complaint for complaint in self.complaints):
            self.page.wait_for_event("console", timeout=_TIMEOUT_MS)

    def press(self, name: str) -> None:
        """A button."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def focused(self) -> str:
        """What has the focus, by the name that is read out to people who do not see it."""
        return str(self.page.evaluate(_FOCUSED))

    def tab_to(self, name: str, limit: int = 40) -> None:
        """To an element by the keyboard alone."""
        for _ in range(limit):
            self.page.keyboard.press("Tab")
            assert self.page.evaluate(_SEES_FOCUS), f"nobody sees where he is: {self.focused()}"
            if self.focused() == name:
                return
        raise AssertionError(f"the keyboard does not lead to {name}")

    def unreached(self) -> list[str]:
        """The controls to which the keyboard does not lead, once around the page."""
        for _ in range(_MOST_STOPS):
            self.page.keyboard.press("Tab")
            if self.page.evaluate(_IS_AROUND):
                return list(self.page.evaluate(_NOT_STOPPED_AT))
        raise AssertionError(f"the keyboard is caught at {self.focused()}")

    def faults(self) -> list[str]:
        """What people have to scroll sideways for, and what keeps some of them out, by the rules of WCAG 2.2
        (AA) that a program can check, in each of the looks."""
        found: list[str] = []
        self.page.evaluate((FOLDER / "axe.min.js").read_text())
        for width, scheme in LOOKS:
            self.page.emulate_media(color_scheme=scheme)
            self.page.set_viewport_size({**_SIZE, "width": width})
            for script in (_TOO_WIDE, _BARRIERS):
                found += [f"{width}, {scheme}: {each}" for each in self.page.evaluate(script)]
        self.page.set_viewport_size(_SIZE)
        return found


_FOCUSED = """() => {
  const { activeElement: at } = document;
  return at.labels?.[0]?.textContent ?? at.getAttribute("aria-label") ?? at.textContent;
}"""
# A field for dates shows by itself at which of its parts one is.
_SEES_FOCUS = """() => {
  const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
  return document.activeElement.type === "date" || (outlineStyle !== "none" && outlineWidth !== "0px");
}"""
# Behind the last element the focus leaves the page, and then begins at the first.
_IS_AROUND = """() => {
  const { activeElement: at } = document;
  const stops = (window.stops ??= new Set());
  if (at !== document.body) return void stops.add(at);
  window.rounds = (window.rounds ?? 0) + 1;
  return window.rounds === 2;
}"""
_NOT_STOPPED_AT = """() => {
  const all = [...document.querySelectorAll("a[href], button, input, select, summary")];
  const missed = all.filter((one) => !one.disabled && one.checkVisibility() && !window.stops.has(one));
  return missed.map((one) => one.outerHTML);
}"""
_TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const all = [...document.body.querySelectorAll("*")];
  const wide = all.filter((one) => one.getBoundingClientRect().right > width + 1);
  return ["the page is too wide", ...wide.map((one) => `${one.tagName}: ${one.textContent.slice(0, 60)}`)];
}"""
_BARRIERS = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  const told = (id) => (node) => `${id}: ${node.html}: ${node.failureSummary}`;
  return violations.flatMap(({ id, nodes }) => nodes.map(told(id)));
}"""


@contextmanager
def tab(browser: Browser, url: str, kept: Mapping[str, str] | None = None) -> Iterator[Tab]:
    """A window at an address, with what it has kept of a login; the browser must not complain of it."""
    with browser.new_context(viewport=_SIZE, locale="en-GB") as context:
        context.set_default_timeout(_TIMEOUT_MS)
        context.add_init_script(_BEFORE.format(kept=json.dumps(dict(kept or {}))))
        opened = Tab(context.new_page())
        opened.page.goto(url)
        yield opened
        assert not opened.complaints, opened.complaints
