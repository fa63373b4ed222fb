"""The promise keeper: kept, broken with a proof that holds, and what is neither."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.core.errors import PeerUnavailable
from gateway.core.merkle.checkpoint import parse_checkpoint
from gateway.core.merkle.hashing import leaf_hash
from gateway.core.merkle.witnessing import AddCheckpoint
from gateway.storage.database import Database
from gateway.transparency.keeper import KeeperPolicy, Misdated
from gateway.transparency.witnesses import WitnessClient
from tests.support.logkeys import AUDITOR, LOG, LOG_PQ, ORIGIN, WITNESS, checkpoint_of, signed
from tests.support.logworld import RunningWitness, policy_of, witness_at
from tests.support.promises import PromiseWorld, dated, leaf


@pytest.fixture
def world(database: Database, tmp_path: Path) -> PromiseWorld:
    return PromiseWorld(database, tmp_path)


async def test_a_provider_that_drops_one_of_a_thousand_leaves_is_named(world: PromiseWorld) -> None:
    """Issue 4: exactly that leaf, that provider, and no other."""
    dropped = 617
    for n in range(0, 1000, 50):
        await world.promised([leaf(i) for i in range(n, n + 50)], "G15" if n >= 500 else "G01")
    await world.stamp()
    world.log.entries = [leaf(i) for i in range(1000) if i != dropped]
    world.log.publish()
    await world.keeper.round()
    assert await world.states() == {"kept": 999, "open": 1}
    assert (world.told, world.keeper.stats.trouble) == ([], {})
    assert len([path for path in world.log.asked if path.startswith("receipt/")]) <= 6  # a tile tells of 256 leaves

    world.later(hours=23)
    await world.keeper.round()
    assert await world.states() == {"kept": 999, "open": 1}

    world.later(hours=2)
    await world.keeper.round()
    assert await world.states() == {"kept": 999, "broken": 1}
    (broken,) = world.told
    assert (broken.provider, broken.origin, broken.leaf) == ("VN/GOV/G15", ORIGIN, leaf_hash(leaf(dropped)))
    (proof,) = world.proofs()
    report = world.verify(proof)
    assert report.ok
    assert (proof.leaf, report.provider) == (broken.leaf, "VN/GOV/G15/dancu")
    assert world.keeper.stats.cases == {"VN/GOV/G15": 1}

    world.later(hours=2)
    await world.keeper.round()
    assert len(world.told) == 1
    (world.folder / broken.file).unlink()  # moved to whoever deals with it
    await world.keeper.round()
    assert world.keeper.stats.cases == {}


async def test_an_idle_keeper_asks_the_log_nothing(world: PromiseWorld) -> None:
    await world.keeper.round()
    await world.promised([leaf(1)])
    await world.keeper.round()  # not stamped yet
    assert (await world.states(), world.log.asked) == ({}, [])
    await world.stamp()
    world.log.entries = [leaf(1)]
    world.log.publish()
    await world.keeper.round()
    assert await world.states() == {"kept": 1}
    asked = len(world.log.asked)
    await world.keeper.round()
    assert len(world.log.asked) == asked


async def test_a_leaf_that_comes_late_is_looked_for_less_and_less_often(world: PromiseWorld) -> None:
    await world.promised([leaf(1)])
    await world.stamp()
    world.log.entries = [leaf(0)]
    world.log.publish()
    looks = 0
    for _ in range(24):
        world.later(minutes=5)
        world.log.asked.clear()
        await world.keeper.round()
        looks += "checkpoint" in world.log.asked
    assert 4 <= looks <= 6  # each wait as long as all before together
    world.log.entries.append(leaf(1))
    world.later(hours=1)
    await world.keeper.round()
    assert await world.states() == {"kept": 1}


async def test_a_missing_receipt_is_no_missing_entry(world: PromiseWorld) -> None:
    await world.promised([leaf(1)])
    await world.stamp()
    world.log.entries = [leaf(0), leaf(1)]
    world.log.hidden = {leaf_hash(leaf(1))}
    world.later(hours=25)
    await world.keeper.round()
    assert (await world.states(), world.told) == ({"kept": 1}, [])


async def test_a_log_that_is_away_is_no_missing_entry(world: PromiseWorld) -> None:
    await world.promised([leaf(1)])
    await world.stamp()
    world.log.publish()
    world.log.down = True
    world.later(hours=25)
    await world.keeper.round()
    stats = world.keeper.stats
    assert (await world.states(), stats.trouble[ORIGIN][0], stats.overdue, world.told) == (
        {"open": 1},
        "unreachable",
        1,
        [],
    )
    world.log.down = False
    world.later(hours=1)
    await world.keeper.round()
    assert (await world.states(), stats.trouble, stats.overdue, len(world.told)) == ({"broken": 1}, {}, 0, 1)


async def test_a_view_from_before_the_deadline_proves_nothing(world: PromiseWorld) -> None:
    await world.promised([leaf(1)])
    await world.stamp()
    world.log.entries = [leaf(0)]
    world.later(hours=20)
    world.now += timedelta(hours=10)  # the log goes on showing what was witnessed before
    await world.keeper.round()
    assert (await world.states(), world.keeper.stats.overdue, world.told) == ({"open": 1}, 1, [])


async def test_a_missing_leaf_is_noticed_from_when_it_was_promised(world: PromiseWorld) -> None:
    """The proof counts from the time-stamp, which came ten minutes later; operators know ten minutes before there is one."""
    await world.promised([leaf(1)], before=timedelta(minutes=10))
    await world.stamp()
    world.log.entries = [leaf(0)]
    world.later(hours=23, minutes=40)
    await world.keeper.round()
    assert (await world.states(), world.keeper.stats.overdue) == ({"open": 1}, 0)
    world.later(minutes=11)
    await world.keeper.round()
    assert (await world.states(), world.keeper.stats.overdue, world.told) == ({"open": 1}, 1, [])
    world.later(minutes=10)  # the keeper looks again as soon as a proof can hold, not after its usual wait
    await world.keeper.round()
    assert (await world.states(), len(world.told)) == ({"broken": 1}, 1)
    assert world.verify(world.proofs()[0]).ok


async def test_after_the_deadline_it_is_looked_for_often_at_first(world: PromiseWorld) -> None:
    await world.promised([leaf(1)])
    await world.stamp()
    world.log.entries = [leaf(0)]
    world.later(hours=20)
    looks = 0
    for _ in range(
        60
    ):  # from four hours before the deadline to an hour after it; the log goes on showing what was witnessed before
        world.now += timedelta(minutes=5)
        world.log.asked.clear()
        await world.keeper.round()
        looks += "checkpoint" in world.log.asked and world.keeper.stats.overdue
    assert 3 <= looks <= 5


@asynccontextmanager
async def watched_by_witnesses(world: PromiseWorld, folder: Path) -> AsyncIterator[RunningWitness]:
    """Both witnesses of the policy, which the keeper may ask itself."""
    async with (
        witness_at(folder / "w", (WITNESS,), world.clock) as one,
        witness_at(folder / "a", (AUDITOR,), world.clock) as two,
    ):
        world.witnesses = WitnessClient(
            policy_of((WITNESS, one.url), (AUDITOR, two.url)).witnesses, timedelta(seconds=5)
        )
        world.keeper = world.new_keeper(world.keeper.policy)
        try:
            yield one
        finally:
            await world.witnesses.close()


async def test_the_last_promises_of_a_year_that_is_over_are_judged(world: PromiseWorld, tmp_path: Path) -> None:
    """The log of that year is files only: nobody has its tree cosigned any more, and nobody gives receipts."""
    await world.promised([leaf(1)])
    await world.promised([leaf(2)], "G15")
    await world.stamp()
    world.log.entries = [leaf(0), leaf(2)]
    world.log.hidden = {leaf_hash(leaf(2))}
    world.later(hours=1)
    world.now += timedelta(hours=24)
    async with watched_by_witnesses(world, tmp_path):
        await world.keeper.round()
    assert (await world.states(), world.keeper.stats.trouble) == ({"kept": 1, "broken": 1}, {})
    assert [broken.provider for broken in world.told] == ["VN/GOV/G01"]
    assert world.verify(world.proofs()[0]).ok


async def test_a_log_that_hides_its_end_is_not_believed(world: PromiseWorld, tmp_path: Path) -> None:
    """Witnesses saw a larger tree than the one that the log shows: nothing is missing yet."""
    await world.promised([leaf(1)])
    await world.stamp()
    world.log.entries = [leaf(0)]
    world.later(hours=1)
    world.now += timedelta(hours=24)
    async with watched_by_witnesses(world, tmp_path) as witness:
        larger = signed(checkpoint_of([leaf_hash(leaf(0)), leaf_hash(leaf(1))]), LOG, LOG_PQ)
        await witness.witness.add_checkpoint(AddCheckpoint(0, (), larger, parse_checkpoint(larger.text)))
        await world.keeper.round()
    stats = world.keeper.stats
    assert (await world.states(), stats.trouble[ORIGIN][0], stats.overdue) == ({"open": 1}, "unverified", 1)
    assert "has seen size 2" in stats.trouble[ORIGIN][1]


async def test_without_witnesses_nothing_is_decided(world: PromiseWorld) -> None:
    await world.promised([leaf(1)])
    await world.stamp()
    world.log.entries = [leaf(1)]
    world.later(hours=25)
    world.log.publish(witnessed=False)
    await world.keeper.round()
    assert (await world.states(), world.keeper.stats.trouble[ORIGIN][0]) == ({"open": 1}, "unverified")


async def test_two_histories_are_kept_and_nothing_is_decided_by_either(world: PromiseWorld) -> None:
    world.log.entries = [leaf(n) for n in range(300)]
    world.log.publish()
    await world.promised([leaf(7)])
    await world.stamp()
    await world.keeper.round()
    assert await world.states() == {"kept": 1}
    await world.promised([leaf(8)])
    await world.stamp()
    for size in (300, 700):  # another tree of the same size, and a larger one that does not continue the first
        world.log.entries = [leaf(n + 1) for n in range(size)]
        world.later(hours=25)
        await world.keeper.round()
        stats = world.keeper.stats
        assert (await world.states(), stats.trouble[ORIGIN][0], stats.forks) == (
            {"kept": 1, "open": 1},
            "two-histories",
            1,
        )
    (file,) = world.folder.glob("two-histories-*.txt")
    assert file.read_text().count(f"{ORIGIN}\n300\n") == 2


async def test_damaged_files_and_an_older_tree_are_no_fork(world: PromiseWorld) -> None:
    world.log.entries = [leaf(n) for n in range(600)]
    world.log.publish()
    await world.promised([leaf(7)])
    await world.stamp()
    await world.keeper.round()
    await world.promised([leaf(8)])
    await world.stamp()
    world.log.entries += [leaf(n) for n in range(600, 800)]
    world.later(hours=2)
    world.log.files["tile/0/002"] = bytes(8192)
    world.log.files["tile/1/000.p/3"] = bytes(96)
    await world.keeper.round()
    assert world.keeper.stats.trouble[ORIGIN][0] == "unverified"
    world.log.entries = world.log.entries[:500]
    world.later(hours=2)
    await world.keeper.round()
    stats = world.keeper.stats
    assert (stats.trouble[ORIGIN][0], stats.forks) == ("unverified", 0)
    assert "before" in stats.trouble[ORIGIN][1]


async def test_a_log_that_the_policy_does_not_name(world: PromiseWorld) -> None:
    await world.promised([leaf(1)], origin="log.example/access/2031")
    await world.stamp()
    world.log.publish()
    world.later(hours=25)
    await world.keeper.round()
    assert world.keeper.stats.trouble == {"log.example/access/2031": ("unknown", "the policy does not name it")}
    assert (await world.states(), world.keeper.stats.overdue) == ({"open": 1}, 1)


async def test_a_receipt_that_points_elsewhere_is_not_believed(world: PromiseWorld) -> None:
    await world.promised([leaf(1)])
    await world.stamp()
    world.log.entries = [leaf(n) for n in range(3)]
    world.log.publish()
    other = world.log.receipt(leaf_hash(leaf(2)))
    world.log.receipt = lambda _: other  # type: ignore[method-assign, assignment]
    await world.keeper.round()
    assert (await world.states(), world.keeper.stats.trouble[ORIGIN][0]) == ({"open": 1}, "unverified")


@pytest.mark.parametrize("withheld", ["garbled", "refused"])
async def test_no_receipt_hides_a_missing_entry(world: PromiseWorld, withheld: str) -> None:
    await world.promised([leaf(1)])
    await world.promised([leaf(2)])
    await world.stamp()
    world.log.entries = [leaf(0), leaf(2)]
    world.later(hours=25)

    def receipt(wanted: bytes) -> bytes | None:
        if withheld == "refused":
            raise PeerUnavailable("not now")
        return b"c2sp.org/tlog-proof@v1\n"

    world.log.receipt = receipt  # type: ignore[method-assign]
    await world.keeper.round()
    assert await world.states() == {"kept": 1, "broken": 1}
    assert [broken.leaf for broken in world.told] == [leaf_hash(leaf(1))]
    assert world.keeper.stats.trouble[ORIGIN][0] == {"garbled": "unverified", "refused": "unreachable"}[withheld]


async def test_a_crash_after_the_file_repeats_the_verdict(world: PromiseWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.promised([leaf(1)])
    await world.stamp()
    world.log.entries = [leaf(0)]
    world.later(hours=25)
    with monkeypatch.context() as patch:
        patch.setattr("gateway.transparency.promised.PromiseTable.broken", _crash)
        with pytest.raises(RuntimeError):
            await world.keeper.round()
    assert (await world.states(), len(world.proofs()), world.told) == ({"open": 1}, 1, [])
    world.keeper = world.new_keeper(world.keeper.policy)
    await world.keeper.round()
    assert (await world.states(), len(world.proofs()), len(world.told)) == ({"broken": 1}, 1, 1)


async def _crash(*_: object) -> None:
    raise RuntimeError


async def test_kept_promises_are_forgotten_in_time(world: PromiseWorld) -> None:
    world.keeper = world.new_keeper(KeeperPolicy(keep_kept=timedelta(hours=2)))
    world.log.entries = [leaf(1)]
    world.log.publish()
    await world.promised([leaf(1)])
    await world.promised([leaf(2)])
    await world.stamp()
    await world.keeper.round()
    world.later(hours=1)
    await world.keeper.round()
    assert await world.states() == {"kept": 1, "open": 1}
    world.later(hours=2)
    await world.keeper.round()
    assert await world.states() == {"open": 1}


async def test_a_response_that_cannot_be_read_any_more(world: PromiseWorld, database: Database) -> None:
    """Nothing is claimed without a proof that holds."""
    await world.promised([leaf(1)])
    await world.stamp()
    await world.keeper.round()
    world.conf = PromiseWorld(database, world.folder).conf  # nobody whom we believe issued the provider's certificate
    world.log.entries = [leaf(0)]
    world.later(hours=25)
    await world.keeper.round()
    assert (await world.states(), world.keeper.stats.overdue, world.told) == ({"open": 1}, 1, [])


@pytest.mark.parametrize(
    ("said", "lasted", "told"),
    [
        ({"days": -2}, {"minutes": 1}, True),
        ({"hours": -1}, {"minutes": 1}, True),
        ({"hours": -1}, {"hours": 2}, False),  # a large body over a slow line
        ({"minutes": -9}, {"minutes": 1}, False),  # ten minutes tell no more, and clocks differ
        ({"hours": -1}, None, False),  # nothing is known of the request any more
        ({"minutes": 30}, {"minutes": 1}, True),
        ({"minutes": 30}, None, True),
        ({"minutes": 5}, {"minutes": 1}, False),
    ],
)
async def test_a_record_that_is_dated_otherwise_than_the_exchange_is_told(
    world: PromiseWorld, said: dict[str, float], lasted: dict[str, float] | None, told: bool
) -> None:
    entry = dated(1, world.trust.pki.now + timedelta(**said))
    response = await world.promised([entry], "G15")
    if lasted is not None:
        await world.asked(response, timedelta(**lasted))
    await world.stamp()
    world.log.entries = [leaf(0), entry]
    world.log.publish()
    await world.keeper.round()
    assert (await world.states(), world.keeper.stats.misdated) == ({"kept": 1}, int(told))
    found = [Misdated("VN/GOV/G15", ORIGIN, leaf_hash(entry), f"wrong-time-{leaf_hash(entry).hex()}.json")]
    assert world.told == found * told
    if told:
        file = json.loads((world.folder / found[0].file).read_bytes())
        assert (file["leaf"], file["index"], file["record"]) == (leaf_hash(entry).hex(), 1, str(response.uid))
        assert file["says_from"] <= (world.trust.pki.now + timedelta(**said)).timestamp() < file["says_until"]
        (world.folder / found[0].file).unlink()
        await world.keeper.round()
        assert (world.keeper.stats.misdated, len(world.told)) == (0, 1), "dealt with"


async def test_a_log_that_withholds_entries_hides_no_missing_one(world: PromiseWorld) -> None:
    await world.promised([leaf(1)])
    await world.promised([leaf(2)], "G15")
    await world.stamp()
    world.log.entries = [leaf(0), leaf(1)]
    world.later(hours=25)
    bundle = world.log.files.pop("tile/entries/000.p/2")
    await world.keeper.round()
    assert await world.states() == {"open": 1, "broken": 1}
    assert [found.provider for found in world.told] == ["VN/GOV/G15"]
    assert world.keeper.stats.trouble[ORIGIN][0] == "unverified"
    world.log.files["tile/entries/000.p/2"] = bundle[:-1] + b"\0"
    world.now += timedelta(hours=1)
    await world.keeper.round()
    assert await world.states() == {"open": 1, "broken": 1}
    world.log.files["tile/entries/000.p/2"] = bundle
    world.now += timedelta(hours=1)
    await world.keeper.round()
    assert await world.states() == {"kept": 1, "broken": 1}
