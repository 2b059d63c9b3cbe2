"""Looks at every dashboard with a real browser: Debian's Chromium, headless. Runs in the project's environment, which has Playwright.

    python bi/superset/browser.py ADDRESS PASSWORD FOLDER [WIDTH]

Writes FOLDER/<slug>.png of each dashboard, and FOLDER/seen.json: what each chart asked for and was answered, and what went wrong.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import ConsoleMessage, Page, Request, Response, expect, sync_playwright

SLUGS = ("do-not-be-on-it", "marketing-sla", "sales-sla", "buyer-matrix")
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# As high as the longest dashboard: Superset draws what is in view.
HEIGHT = 5_000


def look(address: str, password: str, folder: Path, width: int) -> dict[str, Any]:
    """Open each dashboard, and wait until it is drawn.

    Returns:
        For each slug: `charts` (id of the chart -> rows of each of its queries), `errors` (texts that the page shows), `trouble`
        (errors of the console, answers from elsewhere, requests and answers that failed).
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_context(viewport={"width": width, "height": HEIGHT}).new_page()
        page.goto(f"{address}/login/")
        page.fill("input#username, input[name=username]", "admin")
        page.fill("input#password, input[name=password]", password)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "/login" not in url)
        seen = {slug: _dashboard(page, address, slug, folder) for slug in SLUGS}
        browser.close()
    return seen


def _dashboard(page: Page, address: str, slug: str, folder: Path) -> dict[str, Any]:
    """Look at one dashboard."""
    charts: dict[str, list[int]] = {}
    trouble: list[str] = []

    def answered(response: Response) -> None:
        if not response.url.startswith((address, "data:", "blob:")):
            trouble.append(f"answered from outside: {response.url}")
        elif response.status >= 400:
            trouble.append(f"{response.status} {response.url}")
        elif "/api/v1/chart/data" in response.url:
            form = json.loads(response.request.post_data or "{}").get("form_data", {})
            rows = [query["rowcount"] for query in response.json()["result"]]
            charts[str(form.get("slice_id"))] = rows

    def failed(request: Request) -> None:
        # What the content security policy refuses has left the browser no more than if it had not been asked for.
        if request.failure not in ("csp", "net::ERR_ABORTED"):
            trouble.append(f"{request.failure} {request.url}")

    def said(message: ConsoleMessage) -> None:
        if message.type == "error" and "Content Security Policy" not in message.text:
            trouble.append(f"console: {message.text}")

    listeners = {"response": answered, "requestfailed": failed, "console": said}
    for event, listener in listeners.items():
        page.on(event, listener)  # type: ignore[call-overload]
    page.goto(f"{address}/superset/dashboard/{slug}/")
    page.wait_for_selector(".dashboard-component-chart-holder", timeout=60_000)
    page.wait_for_load_state("networkidle", timeout=60_000)
    expect(page.locator(".dashboard-component-chart-holder .loading")).to_have_count(0, timeout=60_000)
    page.wait_for_timeout(2_000)  # the charts move while they are drawn
    errors = page.locator(".dashboard-component-chart-holder [role=alert]").all_inner_texts()
    height = page.evaluate(
        'Math.max(...[...document.querySelectorAll(".dashboard-component-chart-holder")].map(c => c.getBoundingClientRect().bottom)) + 24'
    )
    page.screenshot(
        path=folder / f"{slug}.png",
        clip={"x": 0, "y": 0, "width": page.viewport_size["width"], "height": height or HEIGHT},
    )
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    return {"charts": charts, "errors": errors, "trouble": trouble}


if __name__ == "__main__":
    where = Path(sys.argv[3])
    where.mkdir(parents=True, exist_ok=True)
    found = look(sys.argv[1], sys.argv[2], where, int(sys.argv[4]) if len(sys.argv) > 4 else 1_600)
    (where / "seen.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
