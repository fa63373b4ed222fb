"""`make bench`: what a citizen with 1,000 entries waits for; `python -m tests.bench.citizen` alone.

The list: over HTTP, from a database of a million access records, the citizen's scattered among them. The check of all entries: in a
headless Chromium, from the portal's bundle, with receipts of a log of a million leaves.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway.citizen.service import FOLDER
from gateway.core.disclosure.leaf import AccessEntry
from gateway.core.merkle.hashing import leaf_hash, node_hash
from gateway.core.merkle.proofs import inclusion_proof
from gateway.core.merkle.receipt import Receipt
from gateway.pages.look import static_name
from gateway.storage.database import EmbeddedDatabase, open_database
from tests.support.access import add_access
from tests.support.chromium import chromium, page_of
from tests.support.logkeys import AUDITOR, LOG, LOG_PQ, WITNESS, checkpoint_of, signed
from tests.support.portal import ANH, NOW, Browser, PortalWorld, portal_world

_OTHERS = """
INSERT INTO access_record (server, number, record_id, time, message_number, person_kind, person, fields, seed, leaf)
SELECT server, n, gen_random_uuid(), time - n * interval '31 seconds', 1, person_kind,
       '9990' || lpad((n % 50000)::text, 8, '0'), fields, seed, leaf
FROM access_record, generate_series($1::int, $2::int) n WHERE number = 1
"""
_PURPOSES = ("DVC-GIAI-QUYET-HO-SO", "BHXH-GIAI-QUYET-CHE-DO", "BHXH-DOI-SOAT", "HOTICH-DANG-KY")
_TIMED = "async (text) => { const t = performance.now(), found = await Ledger.check(text); return [performance.now() - t, found]; }"
_ASKERS = ("VN/GOV/G22/dvc", "VN/GOV/G12/bhxh", "VN/GOV/G15/hotich")


class Tree:
    """A log of `size` leaves, of which `ours` stand at known places and the others are somebody's."""

    def __init__(self, ours: list[bytes], size: int) -> None:
        dice = random.Random(1)
        self.places = dict(
            zip((leaf_hash(leaf) for leaf in ours), sorted(dice.sample(range(size), len(ours))), strict=True)
        )
        level = [os.urandom(32) for _ in range(size)]
        for hash_, place in self.places.items():
            level[place] = hash_
        self.levels = [level]
        while len(level) > 1:
            level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
            self.levels.append(level)
        self.size = size
        self.note: Any = signed(checkpoint_of(self.levels[0]), LOG, LOG_PQ, WITNESS, AUDITOR)

    def node(self, level: int, n: int) -> bytes:
        return self.levels[level][n]

    def receipt(self, wanted: bytes) -> bytes:
        index = self.places[wanted]
        return bytes(Receipt(index, inclusion_proof(index, self.size, self.node), self.note))


async def citizen_figures(*, mine: int = 1000, records: int = 1_000_000, rounds: int = 15) -> None:
    """Prints a line for the list and one for the check."""
    folder = Path(tempfile.mkdtemp(prefix="bench"))
    try:
        async with AsyncExitStack() as stack:
            database = await open_database(EmbeddedDatabase(folder / "pg", "bench"))
            stack.push_async_callback(database.close)
            world = await stack.enter_async_context(portal_world(database))
            entries = await _fill(world, database.pool, mine, records)
            browser = await stack.enter_async_context(world.signed_in(ANH))
            await _list(browser, rounds, mine, records)
            tree = await asyncio.to_thread(Tree, [entry.leaf for entry in entries], records)
            world.log.receipt = tree.receipt  # type: ignore[method-assign]
            world.log.note = tree.note
            world.log.files = {"checkpoint": bytes(tree.note)}
            await _check(world, mine, rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _fill(world: PortalWorld, pool: asyncpg.Pool, mine: int, records: int) -> list[AccessEntry]:
    dice = random.Random(2)
    entries = []
    for n in range(mine):
        asked: dict[str, Any] = {"consumer": dice.choice(_ASKERS), "purpose": dice.choice(_PURPOSES)}
        when = NOW - timedelta(minutes=dice.randrange(320 * 24 * 60), microseconds=n)
        entries.append(await add_access(pool, ANH, when, **asked))
    for first in range(mine + 1, records + 1, 100_000):
        await pool.execute(_OTHERS, first, min(first + 99_999, records), timeout=600)
    async with world.database.owner() as owner:
        await owner.execute("VACUUM ANALYZE access_record")
    return entries


async def _list(browser: Browser, rounds: int, mine: int, records: int) -> None:
    for what, path in (("page", "/records"), ("API", "/citizen/v1/records?limit=20")):
        times = []
        for _ in range(rounds + 2):
            began = time.perf_counter()
            status, _, text = await browser.get(path)
            times.append(1000 * (time.perf_counter() - began))
            assert status == 200
            assert text
        times = sorted(times[2:])
        print(
            f"first {what} of {mine} entries out of {records}: median {statistics.median(times):.0f} ms, worst {times[-1]:.0f} ms "
            "over HTTP (to reach: <= 100)"
        )


async def _check(world: PortalWorld, mine: int, rounds: int) -> None:
    try:
        async with chromium() as browser, page_of(browser, "desk") as page:
            await page.goto(world.origin + "/")
            await _measure(world, page, mine, rounds)
    except pytest.skip.Exception as e:
        print(f"check of {mine} entries in the browser: not measured, {e}")


async def _measure(world: PortalWorld, page: Any, mine: int, rounds: int) -> None:
    async with world.signed_in(ANH) as browser:
        began = time.perf_counter()
        _, _, bundle = await browser.get("/citizen/v1/bundle")
        fetched = time.perf_counter() - began
    for name in ("checker.js", "ledger.js"):
        await page.add_script_tag(url=f"{world.origin}/static/{static_name(FOLDER / 'static' / name)}")
    times = []
    for _ in range(min(rounds, 7)):
        milliseconds, found = await page.evaluate(_TIMED, bundle)
        assert found["verified"] == mine, found
        times.append(milliseconds)
    print(
        f"check of {mine} entries in the browser: first {times[0] / 1000:.2f} s, median {statistics.median(times) / 1000:.2f} s "
        f"(to reach: <= 1); the bundle before it {fetched:.1f} s, {len(bundle) / 1e6:.1f} MB"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mine", type=int, default=1000)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    asyncio.run(citizen_figures(**vars(parser.parse_args())))
