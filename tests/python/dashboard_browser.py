"""A real browser for the tests of the dashboard: Debian's Chromium, headless, with a note of everything that should not happen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
DESKTOP, PHONE = 1280, 360


@dataclass
class Visit:
    """A page that is open, and what went wrong with it: messages of the console, errors, requests that leave the folder.

    A state of the page is waited for by a selector or a locator, never by `wait_for_function`: that evaluates its text in the
    page again and again, which the page's content security policy refuses from the second time on.
    """

    page: Page
    site: Path
    trouble: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def open(self, name: str, fragment: str = "") -> Visit:
        """Open a page of the site, and wait until its charts are drawn."""
        self.page.goto(f"{(self.site / f'{name}.html').as_uri()}{fragment}")
        self.page.wait_for_selector("html[data-drawn]", timeout=30_000)
        return self

    def value(self, script: str) -> Any:
        """Give the value of a JavaScript expression."""
        return self.page.evaluate(script)

    @property
    def leads(self) -> list[list[str]]:
        """The rows of the list of leads that are shown, each as its texts."""
        self.page.wait_for_selector("#lead-table:not([aria-busy])[data-shown]", state="attached")
        return self.value(
            "[...document.querySelectorAll('#lead-table tbody tr')].map(r => [...r.cells].map(c => c.innerText))"
        )

    @property
    def count(self) -> int:
        """How many leads the list has under its filters."""
        return int(self.value("document.querySelector('#lead-table').dataset.shown"))

    def wait_for_count(self, count: int) -> None:
        """Wait until the list has so many leads."""
        self.page.wait_for_selector(
            f"#lead-table[data-shown='{count}']:not([aria-busy])", state="attached", timeout=30_000
        )


@contextmanager
def visit(
    browser: Browser, site: Path, *, scheme: str = "light", width: int = DESKTOP, now: str | None = None, **options: Any
) -> Iterator[Visit]:
    """Open a window on a site.

    Args:
        browser: the browser.
        site: the folder with the pages.
        scheme: `light` or `dark`.
        width: of the window, in pixels.
        now: what the browser takes for the present (UTC); default: the machine's clock.
        options: further options of the browser's context.
    """
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, **options)
    page = context.new_page()
    if now:
        page.clock.set_fixed_time(now)
    seen = Visit(page, site)
    page.on("console", lambda message: seen.trouble.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: seen.trouble.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (seen.trouble.append(f"dialog: {dialog.message}"), dialog.dismiss()))

    def request(asked: Any) -> None:
        seen.loaded.append(asked.url)
        if not asked.url.startswith((site.parent.as_uri(), "data:")):
            seen.trouble.append(f"request: {asked.url}")

    page.on("request", request)
    page.on("requestfailed", lambda asked: seen.trouble.append(f"failed: {asked.url}"))
    try:
        yield seen
    finally:
        context.close()
