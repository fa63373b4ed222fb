"""A headless Chromium for tests, when there is one: Playwright, axe-core, and the system's browser."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

SIZES = {"phone": (390, 844), "desk": (1280, 900)}
_WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
_PICTURES = Path(__file__).resolve().parents[2] / "build" / "screenshots"


@asynccontextmanager
async def chromium() -> AsyncIterator[Any]:
    """A running browser; skips with the reason where there is none."""
    reason = "playwright and axe-playwright-python are not installed: make test-full installs them"
    api = pytest.importorskip("playwright.async_api", reason=reason)
    pytest.importorskip("axe_playwright_python.async_playwright", reason=reason)
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine (Debian: apt install chromium)")
    async with api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=list(_QUIET))
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def page_of(browser: Any, size: str, *, dark: bool = False) -> AsyncIterator[Any]:
    """A fresh page; whatever it complains about in its console is a failure."""
    width, height = SIZES[size]
    scheme = "dark" if dark else "light"
    context = await browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    try:
        yield page
    finally:
        await context.close()
    wanted = ("status of", "ERR_INCOMPLETE_CHUNKED")  # answers other than 200, or cut off: what some tests are about
    assert [c for c in complaints if not any(words in c for words in wanted)] == []


async def look_at(page: Any, name: str) -> None:
    """A picture, WCAG 2.2 AA by axe-core, and nothing wider than the window."""
    from axe_playwright_python.async_playwright import Axe

    _PICTURES.mkdir(parents=True, exist_ok=True)
    width = page.viewport_size["width"]
    await page.screenshot(path=_PICTURES / f"{name}-{width}.png", full_page=True)
    found = await Axe().run(page, options={"runOnly": _WCAG})
    wrong = [(v["id"], [n["target"] for n in v["nodes"]]) for v in found.response["violations"]]
    assert wrong == [], name
    assert await page.evaluate("document.documentElement.scrollWidth") <= width, name


async def verdict(page: Any) -> tuple[str, dict[str, str]]:
    """Press the button; the state it ends in, and what each step says."""
    await page.click("#bang-chung [data-check]")
    settled = "#bang-chung:not([data-state=unchecked]):not([data-state=checking])"
    await page.wait_for_selector(settled, timeout=20_000)
    steps = {}
    for step in await page.query_selector_all("#bang-chung [data-step]"):
        steps[await step.get_attribute("data-step")] = await (await step.query_selector("[data-words]")).inner_text()
    return await page.get_attribute("#bang-chung", "data-state"), steps
