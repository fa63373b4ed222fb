"""The portal's pages, and what people see of a question that expired, in a real browser: both widths, both tones.

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
from tests.support.dvcpages import BIRTH, DAUGHTER, FATHER, HEAD, HOME, NUMBER, REASON, portal_pages
from tests.support.linked import HOUSEHOLDER, linked_world
from tests.support.linkedpages import linked_pages
from tests.unit.adapters.lienthong.test_service import opened

pytestmark = [pytest.mark.slow, pytest.mark.interop]


@pytest_asyncio.fixture(scope="module")
async def browser() -> AsyncIterator[Any]:
    async with chromium() as found:
        yield found


@pytest.mark.parametrize("size", SIZES)
async def test_an_applicant_finds_the_dossier_and_why_it_was_returned(
    browser: Any, source_pool: Any, size: str
) -> None:
    async with portal_pages(source_pool) as portal:
        await portal.state("processing", BIRTH)
        copy = {
            "kind": "registration",
            "reference": "TL-2026-000001",
            "title": BIRTH["step"],
            "issued_by": BIRTH["agency"],
        }
        await portal.told("/v1/dossiers/{number}/results", copy)
        await portal.state("waiting_consent", HOME, waiting_for=[HEAD])
        asked = {"person_id": FATHER, "dossier": NUMBER, "role": HEAD, "answer_by": "2199-12-05T08:30:00+07:00"}
        await portal.told("/v1/notifications", {**asked, "kind": "consent_request"})
        await portal.state("returned", HOME, reason=REASON)
        for dark in (False, True) if size == "phone" else (False,):
            tone = "-dark" if dark else ""
            async with page_of(browser, size, dark=dark) as page:
                await page.goto(f"{portal.origin}/")
                await look_at(page, "portal-login" + tone)
                await page.click("a.primary")
                await page.click(f'button[value="{DAUGHTER}"]')
                await look_at(page, "portal-dossiers" + tone)
                await page.click(f"text={NUMBER}")
                await look_at(page, "portal-dossier-returned" + tone)
                assert "Luật Hộ tịch" in await page.inner_text("main")
        async with page_of(browser, size) as page:
            await page.goto(f"{portal.origin}/en/")
            await page.click("a.primary")
            await page.click(f'button[value="{FATHER}"]')
            await look_at(page, "portal-asked-en")
            await page.goto(f"{portal.origin}/en/dossiers/{NUMBER}")
            await look_at(page, "portal-none-en")


async def test_whoever_did_not_answer_is_told(browser: Any, databases: Databases, tmp_path: Path) -> None:
    async with (
        linked_world(databases, tmp_path) as world,
        linked_pages(world) as origin,
        page_of(browser, "phone") as page,
    ):
        await opened(world)
        await world.pass_time(46, step=1)
        await page.goto(f"{origin}/")
        await page.click('a[href="/sign-in/person"]')
        await page.click(f'button[value="{HOUSEHOLDER}"]')
        await look_at(page, "mine-expired")
        await page.click("form.stack button")
        await page.click(f'button[value="{HOUSEHOLDER}"]')
        await look_at(page, "vneid-expired")
        await page.click('button[value="seen"]')
        assert page.url == f"{origin}/mine?said=closed"
