"""The coordinator's pages in a real browser: every page in both widths and both tones, and a consent given by clicking.

Pictures of every page are left in `build/screenshots`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.chromium import SIZES, chromium, look_at, page_of
from tests.support.databases import Databases
from tests.support.linked import HOUSEHOLDER, OWNER, LinkedWorld, linked_world
from tests.support.linkedpages import linked_pages
from tests.unit.adapters.lienthong.test_pages import stuck_dossiers
from tests.unit.adapters.lienthong.test_service import opened

pytestmark = [pytest.mark.slow, pytest.mark.interop]


@pytest_asyncio.fixture(scope="module")
async def browser() -> AsyncIterator[Any]:
    async with chromium() as found:
        yield found


@pytest_asyncio.fixture
async def world(databases: Databases, tmp_path: Path) -> AsyncIterator[LinkedWorld]:
    async with linked_world(databases, tmp_path) as made:
        yield made


async def sign_in(page: Any, origin: str, who: str, kind: str) -> None:
    await page.goto(f"{origin}/")
    await page.click(f'a[href="/sign-in/{kind}"]')
    await page.click(f'button[value="{who}"]')


@pytest.mark.parametrize("size", SIZES)
async def test_every_page(browser: Any, world: LinkedWorld, size: str) -> None:
    stuck, _, consent = await stuck_dossiers(world)
    async with linked_pages(world) as origin:
        for dark in (False, True) if size == "phone" else (False,):
            tone = "-dark" if dark else ""
            async with page_of(browser, size, dark=dark) as page:
                await sign_in(page, origin, "VH-03", "officer")
                await look_at(page, "dossiers" + tone)
                await page.goto(f"{origin}/dossiers/{consent}")
                await look_at(page, "dossier-consent" + tone)
        async with page_of(browser, size) as page:
            await page.goto(f"{origin}/en/")
            await look_at(page, "lienthong-login-en")
            await sign_in(page, origin, "VH-03", "officer")
            await page.goto(f"{origin}/dossiers/{stuck}")
            await page.click('button[name="do"]')
            await look_at(page, "dossier-asked")
            await page.goto(f"{origin}/letters")
            await look_at(page, "letters")


async def test_persons_say_yes_by_clicking(browser: Any, world: LinkedWorld) -> None:
    number = await opened(world)
    async with linked_pages(world) as origin:
        for person in (OWNER, HOUSEHOLDER):
            async with page_of(browser, "phone") as page:
                await sign_in(page, origin, person, "person")
                await look_at(page, "mine-asked")
                await page.click("button.primary")
                await page.click(f'button[value="{person}"]')
                assert number in await page.inner_text("main")
                await page.click('button[value="granted"]')
                assert page.url == f"{origin}/mine?said=answered"
                await look_at(page, "mine-answered")
    await world.work()
    assert (await world.dossier(number))["status"] == "finished"
