"""The portal in a real browser: it verifies what is true, and says what is wrong after one byte was changed anywhere.

Pictures of every page are left in `build/screenshots`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from gateway.citizen.records import RecordStore
from gateway.storage.database import Database
from tests.support.bundles import Lines, bundle_file, of_two_years
from tests.support.chromium import SIZES, chromium, look_at, page_of, verdict
from tests.support.logkeys import LOG, LOG_PQ, WITNESS, Key, checkpoint_of, signed
from tests.support.portal import ANH, HOA, NOW, PortalWorld, portal_world
from tests.unit.core.disclosure.test_bundlecheck import ALTERED, GOOD

pytestmark = [pytest.mark.slow, pytest.mark.interop]


@pytest_asyncio.fixture(scope="module")
async def browser() -> AsyncIterator[Any]:
    async with chromium() as found:
        yield found


@pytest_asyncio.fixture
async def world(database: Database) -> AsyncIterator[PortalWorld]:
    async with portal_world(database) as made:
        for n in range(3):
            await made.add(HOA, n)
        yield made


async def sign_in(world: PortalWorld, page: Any, citizen: str = ANH) -> None:
    """The identity provider of these tests has no pages: what a person does there is done here."""
    async with world.signed_in(citizen) as known:
        cookies = [{"name": c.key, "value": c.value, "url": world.origin} for c in known.http.cookie_jar]
    await page.context.add_cookies(cookies)


_DESTROYED = """
INSERT INTO data_key (id, day, member, kek, destroyed, destroyed_by, reason, rule, accesses)
SELECT gen_random_uuid(), date '2026-09-01' + n, 'VN/GOV/G01', 'k', timestamptz '2026-11-02 03:00Z', 'x', 'x', rule, 617
FROM (VALUES (0, 'Luật Bảo vệ dữ liệu cá nhân'), (1, 'Luật Bảo vệ dữ liệu cá nhân'), (2, NULL)) AS v (n, rule)
"""


@pytest.mark.parametrize("size", SIZES)
async def test_every_page(browser: Any, world: PortalWorld, size: str) -> None:
    agencies = ("G22/dvc", "G12/bhxh", "G15/hotich", "G01/dancu", "G30/x", "G31/y", "G32/z")
    for n in range(24):
        more = {"outcome": ("granted", "granted", "refused", "failed")[n % 4], "official": "cb7q4mk2"}
        consumer, months = f"VN/GOV/{agencies[n % 7]}", n * n
        await world.add(ANH, months * 24 * 60 + n, log=n == 0, consumer=consumer, **more)
    async with world.database.owner() as owner:
        await owner.execute(_DESTROYED)
    for dark in (False, True) if size == "phone" else (False,):
        async with page_of(browser, size, dark=dark) as page:
            tone = "-dark" if dark else ""
            for path, name in (
                ("/", "login"),
                ("/?state=refused", "refused"),
                ("/proof", "proof"),
                ("/en/proof", "proof-en"),
            ):
                await page.goto(world.origin + path)
                await look_at(page, name + tone)
            await sign_in(world, page)
            await page.goto(world.origin + "/records")
            await look_at(page, "records" + tone)
            await page.click("a[rel=next]")
            await page.goto(world.origin + "/records?outcome=failed&agency=VN/GOV/G22")
            await look_at(page, "no-match" + tone)
            await page.goto(world.origin + "/en/records")
            await page.click(".entry h4 a >> nth=0")
            await page.click(".technical summary")
            for details in await page.query_selector_all(".actions summary"):
                await details.click()
            await look_at(page, "record-en" + tone)
            assert (await verdict(page))[0] == "verified"
            await look_at(page, "verified-en" + tone)
            async with page.expect_download() as downloading:
                await page.click("text=Download receipt")
            assert (await downloading.value).suggested_filename.endswith(".tlog-proof")
            world.log.waiting = True
            await page.click("text=Download receipt")
            await page.wait_for_selector("text=There is no receipt yet")
            await look_at(page, "receipt-waits-en" + tone)
            world.log.waiting = False
            await page.goto(world.origin + "/records/none")
            await look_at(page, "not-found" + tone)


@pytest.mark.parametrize("size", SIZES)
async def test_the_page_of_what_nobody_foresaw(
    browser: Any, database: Database, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with portal_world(database, report=lambda *_: None) as world, page_of(browser, size) as page:
        await sign_in(world, page)
        monkeypatch.delattr(RecordStore, "page")
        await page.goto(world.origin + "/records")
        await look_at(page, "failure")
        assert "Something went wrong" in await page.inner_text("main")


_FLIP = "UPDATE access_record SET {0} = set_byte({0}, $2::int, get_byte({0}, $2::int) # 1) WHERE record_id = $1"
_TEXT = "UPDATE access_record SET fields = jsonb_set(fields, '{4}', '\"DVC-GIAI-QUYET-HO-SP\"') WHERE record_id = $1"

RECORDS = (
    (_TEXT, (), "content", "content", "at least one of the 16 fields"),
    (_FLIP.format("seed"), (9,), "content", "content", "at least one of the 16 fields"),
    (_FLIP.format("leaf"), (0,), "content", "content", "no access record"),
    (_FLIP.format("leaf"), (7,), "content", "content", "time in the trace"),
    (_FLIP.format("leaf"), (11,), "missing", "inclusion", "does not have this trace"),
    (_FLIP.format("leaf"), (20,), "content", "inclusion", "does not have this trace"),
    (_FLIP.format("leaf"), (50,), "content", "content", "not about you"),
    (_FLIP.format("leaf"), (90,), "content", "content", "does not commit to exactly"),
)


async def test_a_changed_byte_of_the_record(browser: Any, world: PortalWorld) -> None:
    async with page_of(browser, "desk") as page, world.database.owner() as owner:
        await page.clock.set_fixed_time(NOW + timedelta(days=1))
        await sign_in(world, page)
        for statement, places, state, step, words in RECORDS:
            record = (await world.add(ANH)).record_id
            await owner.execute(statement, record, *places)
            await page.goto(f"{world.origin}/en/records/{record}")
            found, steps = await verdict(page)
            assert (found, words in steps[step]) == (state, True), (statement, places, steps)


def _flip(path: str, at: int) -> Callable[[PortalWorld], None]:
    def change(world: PortalWorld) -> None:
        data = bytearray(world.log.files[path])
        data[at] ^= 1
        world.log.files[path] = bytes(data)

    return change


def _signed_by(*keys: Key) -> Callable[[PortalWorld], None]:
    def change(world: PortalWorld) -> None:
        world.log.note = signed(world.log.note.text, *keys)
        world.log.files["checkpoint"] = bytes(world.log.note)

    return change


def _another_history(world: PortalWorld) -> None:
    other = checkpoint_of([bytes(32)] * len(world.log.entries))
    world.log.files["checkpoint"] = bytes(signed(other, LOG, LOG_PQ, WITNESS))


def _without(path: str) -> Callable[[PortalWorld], None]:
    return lambda world: world.log.files.__delitem__(path)


def _down(world: PortalWorld) -> None:
    world.log.down = True


def _waiting(world: PortalWorld) -> None:
    world.log.waiting = True


LOGS = (
    (_flip("tile/entries/000.p/4", 3 * 110 + 50), "missing", "inclusion", "holds another trace"),
    (_flip("tile/0/000.p/4", 3 * 32), "missing", "inclusion", "holds another trace"),
    (_flip("tile/0/000.p/4", 5), "log", "inclusion", "do not lead to the root"),
    (_without("tile/0/000.p/4"), "log", "inclusion", "lacks the file"),
    (_flip("checkpoint", 3), "signature", "inclusion", "another log"),
    (_flip("checkpoint", 30), "signature", "signature", "Failed"),
    (_flip("checkpoint", 130), "signature", "signature", "Failed"),
    (_another_history, "log", "inclusion", "do not lead to the root"),
    (_signed_by(LOG, LOG_PQ), "few", "witnesses", "Too few"),
    (_signed_by(LOG, WITNESS), "few", "witnesses", "Too few"),
    (_signed_by(Key("log.example/another"), WITNESS), "signature", "signature", "not signed by the log"),
    (_waiting, "pending", "inclusion", "No position yet"),
    (_down, "unreachable", "inclusion", "Could not be loaded"),
)


async def test_a_changed_byte_of_the_log(browser: Any, world: PortalWorld) -> None:
    record = (await world.add(ANH)).record_id
    async with page_of(browser, "desk") as page:
        await page.clock.set_fixed_time(NOW)
        await sign_in(world, page)
        await page.goto(f"{world.origin}/en/records/{record}")
        for n, (change, state, step, words) in enumerate(LOGS):
            world.log.waiting = world.log.down = False
            world.log.publish()
            change(world)
            found, steps = await verdict(page)
            assert (found, words in steps[step]) == (state, True), (n, steps)


@pytest.mark.parametrize("waiting", [True, False], ids=["the log says it waits", "the log does not know it"])
@pytest.mark.parametrize(("published", "hours"), [(None, 24), (36, 36), (10**6, 168), ("for ever", 24)])
async def test_an_entry_waits_as_long_as_is_published_and_never_for_ever(
    browser: Any, world: PortalWorld, published: object, hours: int, waiting: bool
) -> None:
    record = (await world.add(ANH, log=False)).record_id
    world.log.waiting = waiting
    async with page_of(browser, "phone") as page:
        if published is not None:
            told = json.dumps({"max_delay_hours": published})
            await page.route("**/citizen/v1/terms", lambda route: route.fulfill(body=told))
        await page.clock.set_fixed_time(NOW + timedelta(hours=hours - 1))
        await sign_in(world, page)
        await page.goto(f"{world.origin}/en/records/{record}")
        assert (await verdict(page))[0] == "pending"
        await page.clock.set_fixed_time(NOW + timedelta(hours=hours))
        found, steps = await verdict(page)
        assert (found, f"the {hours} h that it may take are over" in steps["inclusion"]) == ("missing", True)
        await look_at(page, "missing-en")
        await page.goto(world.origin + "/en/records")
        state, _, wrong = await ledger(page)
        assert (state, len(wrong)) == ("wrong", 1)
        await page.clock.set_fixed_time(NOW)
        said = (await ledger(page))[1]
        assert ("0 of 1" in said, f"up to {hours} h" in said) == (True, True)


@pytest.mark.parametrize("shown", [0, 1], ids=["beside the words", "technical details"])
async def test_a_page_that_shows_something_else_than_was_committed(
    browser: Any, world: PortalWorld, shown: int
) -> None:
    record = (await world.add(ANH)).record_id
    async with page_of(browser, "phone") as page:
        await sign_in(world, page)
        await page.goto(f"{world.origin}/en/records/{record}")
        await page.evaluate(f"document.querySelectorAll('[data-field=\"4\"]')[{shown}].textContent = 'ANOTHER'")
        found, steps = await verdict(page)
        assert found == "content"
        assert "Purpose" in steps["content"]


async def test_a_time_that_was_changed_beside_the_record_is_not_shown(browser: Any, world: PortalWorld) -> None:
    record = (await world.add(ANH)).record_id
    async with world.database.owner() as owner:
        await owner.execute("UPDATE access_record SET time = '2026-03-01Z' WHERE record_id = $1", record)
    async with page_of(browser, "desk") as page:
        await sign_in(world, page)
        await page.goto(f"{world.origin}/en/records/{record}")
        assert (await verdict(page))[0] == "verified"
        assert "24 November 2026" in await page.inner_text(".lead")


async def test_forms_are_taken_from_the_page(browser: Any, world: PortalWorld) -> None:
    """What a real browser sends along: origin, fetch metadata, token."""
    record = (await world.add(ANH)).record_id
    async with page_of(browser, "phone") as page:
        await sign_in(world, page)
        await page.goto(f"{world.origin}/en/records/{record}#khieu-nai")
        await page.fill("#khieu-nai", "I know nothing about this.")
        await page.click("details[open] button.primary")
        await page.wait_for_selector("#da-gui")
        await look_at(page, "inquiry-en")
        await page.click("button.plain")
        await page.wait_for_selector(".welcome")
        await page.goto(f"{world.origin}/en/records/{record}")
        await page.wait_for_selector(".welcome")


async def test_a_large_log(browser: Any, world: PortalWorld) -> None:
    """Several tiles and levels, positions at their edges."""
    record = (await world.add(ANH)).record_id
    leaf = world.log.entries[-1]
    for size, index in ((257, 256), (600, 255), (600, 599), (513, 511)):
        world.log.entries = [n.to_bytes(108, "big") for n in range(size)]
        world.log.entries[index] = leaf
        world.log.publish()
        async with page_of(browser, "desk") as page:
            await sign_in(world, page)
            await page.goto(f"{world.origin}/records/{record}")
            found, steps = await verdict(page)
            assert found == "verified", steps
            assert f"vị trí {index} trên {size}" in steps["inclusion"]


async def ledger(page: Any) -> tuple[str, str, list[str]]:
    """Press the button that checks everything: the state, what is said, and what is named as wrong."""
    await page.evaluate("delete document.querySelector('[data-ledger]').dataset.state")
    await page.click("[data-ledger] button")
    await page.wait_for_selector("[data-ledger][data-state]", timeout=20_000)
    wrong = [await item.inner_text() for item in await page.query_selector_all("[data-ledger] .bullets li")]
    return (
        await page.get_attribute("[data-ledger]", "data-state"),
        await page.inner_text("[data-ledger] [role=status]"),
        wrong,
    )


def damaged(receipt: bytes, line: int) -> bytes:
    """Another hash in one line of a receipt's path."""
    lines = receipt.split(b"\n")
    lines[line] = b"A" * 43 + b"="
    return b"\n".join(lines)


@pytest.mark.parametrize("others", [0, 1, 2, 5, 12, 250])
async def test_the_whole_ledger_at_once(browser: Any, world: PortalWorld, others: int) -> None:
    """Trees of every shape: entries that share paths, a last one without sibling."""
    for n in range(9):
        await world.add(ANH, n)
        if n % 3 == 0:
            world.log.entries += [b"%d/%d" % (n, k) for k in range(others)]
    world.log.publish()
    async with page_of(browser, "phone") as page:
        await sign_in(world, page)
        await page.goto(world.origin + "/en/records")
        state, said, wrong = await ledger(page)
        assert (state, wrong) == ("verified", []), said
        assert "All 9 entries" in said
        checked = await page.inner_text("[data-checked]")
        for words in ("16 fields", "checkpoint: 9", "enough witnesses: 1", "each a beginning", "Not checked here"):
            assert words in checked
        if others == 1:
            await look_at(page, "ledger-en")


async def _judged(page: Any, lines: Lines) -> dict[str, Any]:
    text = "".join(json.dumps(line) + "\n" for line in lines)
    found: dict[str, Any] = await page.evaluate(
        "([text, now]) => Ledger.check(text, now)", [text, NOW.timestamp() * 1000]
    )
    return found


async def test_the_browser_finds_in_a_bundle_whatever_the_verifier_finds(browser: Any, world: PortalWorld) -> None:
    step_of = dict(enumerate(("whole", "whole", "content", "inclusion", "signature", "witnesses", "history"), 1))
    async with page_of(browser, "desk") as page:
        await sign_in(world, page, HOA)
        await page.goto(world.origin + "/records")
        good = await _judged(page, GOOD)
        assert (good["state"], good["verified"]) == ("verified", 3)
        assert {s["state"] for s in good["steps"].values()} == {"ok"}
        assert good["steps"]["history"]["values"] == {"n": 2, "logs": 1}
        for name, (change, steps, _) in ALTERED.items():
            lines = copy.deepcopy(GOOD)
            change(lines)
            found = await _judged(page, lines)
            bad = {step for step, result in found["steps"].items() if result["state"] == "bad"}
            if name == "no receipt yet":
                assert (found["state"], found["waiting"], bad) == ("verified", 1, set())
            else:
                assert (found["state"] in ("wrong", "broken"), bool(bad & {step_of[n] for n in steps})) == (
                    True,
                    True,
                ), name
        forked = copy.deepcopy(GOOD)
        forked[5:7] = bundle_file(first=b"another beginning")[5:7]
        found = await _judged(page, forked)
        assert (found["state"], found["steps"]["history"]["key"], len(found["wrong"])) == ("wrong", "history.two", 3)


async def test_the_browser_goes_on_beside_a_year_that_it_cannot_check(browser: Any, world: PortalWorld) -> None:
    async with page_of(browser, "desk") as page:
        await sign_in(world, page, HOA)
        await page.goto(world.origin + "/records")
        found = await _judged(page, of_two_years())
        assert (found["state"], found["verified"], len(found["wrong"])) == ("wrong", 3, 2)
        assert found["steps"]["signature"]["key"] == "signature.none"
        lines = copy.deepcopy(GOOD)
        lines[3].update(log=None, receipt=None)
        found = await _judged(page, lines)
        assert (found["state"], found["verified"], found["steps"]["inclusion"]["key"]) == (
            "unreachable",
            2,
            "inclusion.no-log",
        )


async def test_in_a_whole_ledger_what_is_wrong_is_named(browser: Any, world: PortalWorld) -> None:
    entries = [await world.add(ANH, n) for n in range(6)]
    receipt = world.log.receipt
    async with page_of(browser, "phone") as page:
        await page.clock.set_fixed_time(NOW)
        await sign_in(world, page)
        await page.goto(world.origin + "/records")

        bad = entries[2].leaf_hash
        world.log.receipt = lambda wanted: damaged(receipt(wanted), 2) if wanted == bad else receipt(wanted)  # type: ignore
        state, said, wrong = await ledger(page)
        assert (state, len(wrong)) == ("wrong", 1), said
        assert wrong[0].startswith(str(entries[2].record_id))
        await look_at(page, "ledger-wrong")
        world.log.receipt = receipt  # type: ignore[method-assign]

        async with world.database.owner() as owner:
            change = "UPDATE access_record SET fields = jsonb_set(fields, '{12}', '\"X\"') WHERE record_id = $1"
            await owner.execute(change, entries[4].record_id)
        state, said, wrong = await ledger(page)
        assert (state, [w[:36] for w in wrong]) == ("wrong", [str(entries[4].record_id)]), said
        async with world.database.owner() as owner:
            await owner.execute(change.replace("X", ""), entries[4].record_id)

        world.log.note = signed(checkpoint_of([b"\0" * 32]), LOG, LOG_PQ, WITNESS)
        state, said, wrong = await ledger(page)
        assert (state, len(wrong)) == ("wrong", 6), said  # another history

        world.log.publish()
        world.log.note = signed(world.log.note.text, LOG, LOG_PQ, WITNESS)
        world.log.files["checkpoint"] = bytes(world.log.note)
        state, said, wrong = await ledger(page)
        assert (state, wrong) == ("unreachable", []), said
        assert "Chưa đủ nhân chứng" in await page.inner_text("[data-checked]")

        world.log.publish()
        world.log.waiting = True
        state, said, _ = await ledger(page)
        assert (state, "6 lượt hỏi mới còn chờ" in said) == ("verified", True), said
        world.log.down = True
        assert (await ledger(page))[0] == "unreachable"
