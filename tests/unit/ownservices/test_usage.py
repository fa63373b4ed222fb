"""The data tracker over an exchange: what it shows of whom, in which order, and what its own being asked leaves behind."""

from __future__ import annotations

from datetime import timedelta

import pytest
import pytest_asyncio

from gateway.core.disclosure.record import Field, official_pseudonym
from gateway.core.sealing.access import AccessKeys
from gateway.storage.database import Database
from tests.support.access import add_access
from tests.support.sealing import data_key
from tests.support.simulator import DVC, START
from tests.support.tracker import TRACKER, TrackerWorld, tracker_world

ANH, HOA = "999300000017", "999070000015"
ME = ("X-Road-UserId", "thanh.tra")


@pytest_asyncio.fixture
async def world(database: Database) -> TrackerWorld:
    return tracker_world(database)


async def test_a_usage_in_words(world: TrackerWorld) -> None:
    await add_access(world.database.pool, ANH, START)
    assert await world.find(ANH) == {
        "totalUsages": 1,
        "usages": [
            {
                "logtime": "2026-11-24T08:00:00.000Z",
                "action": "Giải quyết hồ sơ",
                "receiverCode": "G22",
                "receiverName": "Member G22",
                "receiverSystem": "dvc",
            }
        ],
    }
    assert (await world.find(ANH, language="en-GB"))["usages"][0]["action"] == "Handling an application"


async def test_refusals_unknown_purposes_and_unknown_members(world: TrackerWorld) -> None:
    pool = world.database.pool
    await add_access(pool, ANH, START, outcome="refused", purpose="")
    await add_access(pool, ANH, START - timedelta(seconds=1), outcome="failed", purpose="OLD", consumer="VN/GOV/G99")
    first, second = (await world.find(ANH))["usages"]
    assert first["action"] == "Không nêu mục đích (bị từ chối)"
    assert second == {
        "logtime": "2026-11-24T07:59:59.000Z",
        "action": "OLD (không thành công)",
        "receiverCode": "G99",
        "receiverSystem": "G99",
    }


async def test_only_this_person_this_server_and_this_provider(world: TrackerWorld) -> None:
    pool = world.database.pool
    await add_access(pool, HOA, START)
    await add_access(pool, ANH, START, service="VN/GOV/G01/dancu2/person")
    await add_access(pool, ANH, START, server="VN/GOV/G01/ss2")
    assert await world.find(ANH) == {"totalUsages": 0, "usages": []}


async def test_pages_and_periods(world: TrackerWorld) -> None:
    for n in range(5):
        await add_access(world.database.pool, ANH, START - timedelta(minutes=n, microseconds=7))
    times = [u["logtime"] for u in (await world.find(ANH))["usages"]]
    assert times == sorted(times, reverse=True)
    page = await world.find(ANH, more="&offset=1&limit=2")
    assert (page["totalUsages"], [u["logtime"] for u in page["usages"]]) == (5, times[1:3])
    assert (await world.find(ANH, more="&limit=0"))["usages"] == []
    assert (await world.find(ANH, more="&offset=2147483647&limit=2147483647"))["usages"] == []
    period = await world.find(ANH, more=f"&periodStart={times[3]}&periodEnd={times[1]}")
    assert (period["totalUsages"], [u["logtime"] for u in period["usages"]]) == (3, times[1:4])


async def test_a_long_list_is_whole(world: TrackerWorld) -> None:
    """More than the database hands over at once, and than a body has in memory."""
    await add_access(world.database.pool, ANH, START)
    await world.database.pool.execute(
        "INSERT INTO access_record (server, number, record_id, time, message_number, person_kind, person, fields, seed, leaf)"
        " SELECT server, n, gen_random_uuid(), time, 1, person_kind, person, fields, seed, leaf"
        " FROM access_record, generate_series(2, 1300) n"
    )
    found = await world.find(ANH, more="&limit=5000")
    assert (found["totalUsages"], len(found["usages"])) == (1300, 1300)
    assert len((await world.find(ANH))["usages"]) == 1000  # what is left out means 1000


async def test_asking_is_an_access_of_the_person_asked_about(world: TrackerWorld) -> None:
    await world.find(ANH)
    (stored,) = world.sim.provider.log.entries
    assert stored.entry.person.number == ANH
    assert stored.entry.fields[Field.SERVICE] == "VN/GOV/G01/dancu/findUsage"
    assert stored.entry.fields[Field.PURPOSE] == "SMB-XEM-SO-TRUY-CAP"


async def test_own_reading_is_left_out_and_that_of_others_is_not(world: TrackerWorld) -> None:
    key, tracker = world.sim.disclosure.official_key, "VN/GOV/G01/dancu/findUsage"
    for user in (ANH, f"VN{ANH}", "thanh.tra", HOA):
        official = official_pseudonym(key, DVC, user)
        await add_access(world.database.pool, ANH, START, service=tracker, official=official)
    own = official_pseudonym(key, DVC, ANH)
    await add_access(world.database.pool, ANH, START, official=own)  # not through the tracker
    assert (await world.find(ANH, user=ANH))["totalUsages"] == 3
    assert (await world.find(ANH))["totalUsages"] == 3  # whoever asks


async def test_sealed_records_are_found_and_own_reading_is_left_out_of_them(database: Database) -> None:
    key, tracker = data_key(), "VN/GOV/G01/dancu/findUsage"

    async def keys() -> AccessKeys:
        return AccessKeys({key.id: key})

    world = tracker_world(database, keys=keys)
    pool, pseudonyms = world.database.pool, world.sim.disclosure.official_key
    for user in (ANH, f"VN{ANH}", "thanh.tra"):
        official = official_pseudonym(pseudonyms, DVC, user)
        await add_access(pool, ANH, START, service=tracker, official=official, key=key)
    await add_access(pool, ANH, START - timedelta(hours=1), outcome="refused", key=key)
    await add_access(pool, HOA, START, key=key)
    await add_access(pool, ANH, START - timedelta(days=400))  # from before the log was sealed
    found = await world.find(ANH)
    assert [u["logtime"][:13] for u in found["usages"]] == ["2026-11-24T08", "2026-11-24T07", "2025-10-20T08"]
    assert (await tracker_world(database).find(ANH))["totalUsages"] == 1  # without the keys only what is in clear


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1",
        "limit=2147483648",
        "offset=x",
        "offset=",
        "limit=1&limit=2",
        "periodStart=2026-01-01",
        "periodEnd=%ff",
    ],
)
async def test_what_is_not_understood(world: TrackerWorld, query: str) -> None:
    status, problem = await world.call(f"/v2/findUsage?userCode={ANH}&{query}", ME)
    assert (status, problem["status"]) == (400, 400)
    assert ANH not in str(problem)


async def test_who_asks_must_be_said(world: TrackerWorld) -> None:
    assert (await world.call(f"/v2/findUsage?userCode={ANH}"))[0] == 400


@pytest.mark.parametrize("query", ["", "?userCode=", "?userCode=x", "?usercode=999300000017"])
async def test_whom_it_is_about_must_be_said(world: TrackerWorld, query: str) -> None:
    outcome = await world.sim.outcome("GET", f"{TRACKER}/v2/findUsage{query}", headers=(ME,))
    assert outcome == "server.serverproxy.invalid_request"


async def test_two_persons_are_none(world: TrackerWorld) -> None:
    assert (await world.call(f"/v2/findUsage?userCode={ANH}&userCode={HOA}", ME))[0] == 400
    assert {s.entry.person.number for s in world.sim.provider.log.entries} == {ANH, HOA}


async def test_the_period_that_is_kept(world: TrackerWorld) -> None:
    now = {"periodStart": "2026-11-24T08:00:00.000Z"}
    assert await world.call("/v2/usagePeriod") == (200, now)
    await add_access(world.database.pool, HOA, START - timedelta(days=400))
    assert await world.call("/v2/usagePeriod") == (200, {"periodStart": "2025-10-20T08:00:00.000Z"})
    assert world.sim.provider.log.entries == []


async def test_heartbeat(world: TrackerWorld) -> None:
    assert (await world.call("/v2/heartbeat"))[1]["status"] == "OK"


async def test_without_the_database_it_fails_and_says_so(world: TrackerWorld) -> None:
    await world.database.pool.close()
    assert (await world.call("/v2/heartbeat"))[1]["status"] == "FAIL"
    outcome = await world.sim.outcome("GET", f"{TRACKER}/v2/findUsage?userCode={ANH}", headers=(ME,))
    assert outcome == "server.serverproxy.internal_error"
