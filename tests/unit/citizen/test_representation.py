"""A parent reads a minor child's ledger; nobody learns anything of anybody else's children."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from gateway.citizen.representation import age
from tests.support.portal import ADULT, ANH, CHILD, HOA, Browser, PortalWorld

REFUSED = "/records?said=no-relation#thay-mat"


async def ask(browser: Browser, number: str) -> str:
    form = {"csrf": await browser.csrf(), "number": number}
    status, headers, _ = await browser.send("POST", "/represent", data=form)
    assert status == 303
    where: str = headers["Location"]
    return where


async def test_a_parent_reads_and_the_child_can_see_it(world: PortalWorld) -> None:
    entry = await world.add(CHILD)
    await world.add(HOA)
    async with world.signed_in(HOA) as browser:
        assert await ask(browser, CHILD) == "/records"
        assert world.register.asked == [(CHILD, "SMB")]
        page = await browser.json("/records")
        assert [r["id"] for r in page["records"]] == [str(entry.record_id)]
        _, _, text = await browser.get(f"/records/{entry.record_id}")
        assert "đã hỏi dữ liệu của Nguyễn Minh Khôi" in text
        (lookup,) = (await browser.json("/lookups"))["lookups"]
        assert (lookup["by"], lookup["action"], lookup["evidence"]) == ("Nguyễn Văn Hòa", "read", "m-1")
        form = {"csrf": await browser.csrf()}
        assert (await browser.send("POST", "/represent/end", data=form))[0] == 303
        assert str(entry.record_id) not in str(await browser.json("/records"))
        assert (await browser.get(f"/citizen/v1/records/{entry.record_id}"))[0] == 404


@pytest.mark.parametrize(
    "number", [ADULT, "999399999999", HOA, "x", "", "../persons", "999215000061 ", "９９９２１８００００６１"]
)
async def test_no_relation_looks_like_nobody(world: PortalWorld, number: str) -> None:
    async with world.signed_in(HOA) as browser:
        assert await ask(browser, number) == REFUSED
        assert (await browser.json("/session"))["reads_for"] is None


async def test_anothers_child(world: PortalWorld) -> None:
    await world.add(CHILD)
    async with world.signed_in(ANH) as browser:
        assert await ask(browser, CHILD) == REFUSED
        assert (await browser.json("/records"))["records"] == []


async def test_guessing_ends_soon_and_leaves_a_trace(world: PortalWorld) -> None:
    async with world.signed_in(HOA) as browser:
        for _ in range(5):
            assert await ask(browser, "999399999999") == REFUSED
        assert len(world.register.asked) == 3
        tried = [x["action"] for x in (await browser.json("/lookups"))["lookups"]]
        assert tried.count("represent") == 3
        assert await ask(browser, CHILD) == REFUSED
    world.now += timedelta(minutes=61)
    async with world.signed_in(HOA) as browser:
        assert await ask(browser, CHILD) == "/records"


async def test_a_register_that_is_away(world: PortalWorld) -> None:
    world.register.down = True
    async with world.signed_in(HOA) as browser:
        assert await ask(browser, CHILD) == "/records?said=register-away#thay-mat"


@pytest.mark.parametrize(
    ("born", "years"),
    [(date(2008, 11, 24), 18), (date(2008, 11, 25), 17), (date(2008, 2, 29), 18), (date(2026, 11, 24), 0)],
)
def test_age(born: date, years: int) -> None:
    assert age(born, date(2026, 11, 24)) == years
