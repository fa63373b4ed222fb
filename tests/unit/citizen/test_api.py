"""Records, their openings and receipts, for the person they are about and for nobody else."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from uuid import uuid4

import pytest
from aiohttp import ClientError

from gateway.core.disclosure.bundlecheck import verify_bundle
from gateway.core.disclosure.leaf import LeafKeys, check_leaf
from gateway.core.errors import MalformedMessage
from gateway.core.merkle.hashing import leaf_hash
from gateway.core.merkle.policy import parse_policy
from gateway.core.merkle.receipt import parse_receipt, verify_receipt
from gateway.core.subjects.kinds import Person
from gateway.storage.database import Database
from tests.support.access import SERVER
from tests.support.portal import ANH, HOA, PortalWorld, portal_world

# Filed on Friday 27 November 2026.
INQUIRIES = (("why", "", "2026-12-01"), ("complain", "Không", "2026-12-27"), ("correct", "Tên", "2026-12-07"))
NO_INQUIRIES: tuple[object, ...] = (
    {"kind": "x"},
    {"kind": "complain", "words": " "},
    {"kind": "why", "words": "x" * 4001},
    {"kind": "why", "words": "\0"},
    {"kind": "why", "reason": "x"},
    {"kind": 1},
    [],
    "x",
)


def check_opening_json(opening: dict[str, object], receipt: bytes, policy: bytes) -> int:
    """With the parts of core, as anybody could: the index in the log."""
    raw = {k: base64.b64decode(str(opening[k])) for k in ("leaf", "subject_key", "statement_key")}
    salts = tuple(base64.b64decode(s) for s in opening["salts"])  # type: ignore[attr-defined]
    person = Person(**opening["person"])  # type: ignore[arg-type]
    fields: tuple[str, ...] = tuple(opening["fields"])  # type: ignore[arg-type]
    check_leaf(raw["leaf"], LeafKeys(salts, raw["subject_key"], raw["statement_key"]), fields, person)
    return verify_receipt(parse_receipt(receipt), leaf_hash(raw["leaf"]), parse_policy(policy)).index


async def test_pages_fit_together_while_records_arrive(world: PortalWorld) -> None:
    made = [str((await world.add(ANH, n // 2, log=False)).record_id) for n in range(9)]
    await world.add(HOA, 1, log=False)
    async with world.signed_in() as browser:
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = await browser.json("/records", params={"limit": "2", **cursor})
            seen += [r["id"] for r in page["records"]]
            await world.add(ANH, 0, log=False)  # newer than everything that was shown
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert sorted(seen) == sorted(made)
        times = [(await browser.json(f"/records/{i}"))["time"] for i in seen]
        assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "abcd"),
        ({"agency": "VN/GOV/G22"}, "ab"),
        ({"agency": "VN/GOV/G2"}, ""),
        ({"agency": "VN/GOV/%"}, ""),
        ({"agency": "' OR '1'='1"}, ""),
        ({"purpose": "HOTICH-DANG-KY"}, "c"),
        ({"purpose": "HOTICH%"}, ""),
        ({"outcome": "refused"}, "d"),
        ({"outcome": "nonsense"}, "abcd"),
        ({"period": "30d"}, "ab"),
        ({"period": "2025"}, "d"),
        ({"from": "2026-11-24", "to": "2026-11-24"}, "a"),
        ({"from": "2026-02-31"}, "abcd"),
        ({"agency": "VN/GOV/G15", "outcome": "granted"}, "c"),
    ],
)
async def test_filters(world: PortalWorld, query: dict[str, str], found: str) -> None:
    day = 24 * 60
    made = {
        "a": await world.add(ANH, 1, log=False),
        "b": await world.add(ANH, 2 * day, log=False),
        "c": await world.add(ANH, 60 * day, log=False, consumer="VN/GOV/G15/hotich", purpose="HOTICH-DANG-KY"),
        "d": await world.add(ANH, 400 * day, log=False, consumer="VN/GOV/G12/bhxh", purpose="", outcome="refused"),
    }
    ids = {str(e.record_id): name for name, e in made.items()}
    async with world.signed_in() as browser:
        page = await browser.json("/records", params=query)
        assert "".join(ids[r["id"]] for r in page["records"]) == found
        assert page["total"] == 4


async def test_who_asked_for_the_first_time(world: PortalWorld) -> None:
    second, first = await world.add(ANH, 1, log=False), await world.add(ANH, 9, log=False)
    await world.add(HOA, 99, log=False)
    async with world.signed_in() as browser:
        page = await browser.json("/records")
        assert {r["id"]: r["first_of_agency"] for r in page["records"]} == {
            str(first.record_id): True,
            str(second.record_id): False,
        }


@pytest.mark.parametrize(
    "query",
    [{"cursor": "x"}, {"cursor": "é"}, {"cursor": "A" * 32 + "===="}, {"limit": "0"}, {"limit": "101"}, {"limit": "²"}],
)
async def test_what_is_not_understood(world: PortalWorld, query: dict[str, str]) -> None:
    async with world.signed_in() as browser:
        assert (await browser.get("/citizen/v1/records", params=query))[0] == 400


async def test_a_record_with_everything_that_opens_it(world: PortalWorld) -> None:
    await world.add(HOA, 3)
    entry = await world.add(ANH, 2, case="999-KS-417")
    async with world.signed_in() as browser:
        record = await browser.json(f"/records/{entry.record_id}")
        assert record["consumer"] == {
            "id": "VN/GOV/G22/dvc",
            "name": "Văn phòng Chính phủ",
            "system": "Cổng Dịch vụ công quốc gia",
        }
        assert record["purpose"]["vi"].startswith("Giải quyết hồ sơ")
        status, headers, text = await browser.get(f"/citizen/v1/records/{entry.record_id}/receipt")
        assert status == 200
        assert headers["Content-Disposition"].endswith('.tlog-proof"')
        assert check_opening_json(record["opening"], text.encode(), world.portal.policy) == 1
        assert entry.seed.hex() not in json.dumps(record)
        record["opening"]["fields"][4] = "ANOTHER"
        with pytest.raises(MalformedMessage):
            check_opening_json(record["opening"], text.encode(), world.portal.policy)


async def test_receipts_that_wait_lack_or_cannot_be_had(world: PortalWorld) -> None:
    entry = await world.add(ANH, log=False)
    async with world.signed_in() as browser:
        path = f"/citizen/v1/records/{entry.record_id}/receipt"
        assert (await browser.get(path))[0] == 404
        world.log.waiting = True
        assert (await browser.get(path))[0] == 202
        world.log.down = True
        assert (await browser.get(path))[0] == 503


async def test_anothers_record_is_no_record(world: PortalWorld) -> None:
    theirs = (await world.add(HOA)).record_id
    async with world.signed_in() as browser:
        answers = set()
        for record in (theirs, uuid4(), "no-id", "999070000015", "..%2f", str(theirs).upper()):
            for path in (
                f"/citizen/v1/records/{record}",
                f"/citizen/v1/records/{record}/receipt",
                f"/records/{record}",
            ):
                status, headers, text = await browser.get(path)
                assert status == 404
                answers.add((headers["Content-Type"], text.replace(str(record), "")))
            form = {"csrf": await browser.csrf(), "kind": "why", "words": "", "reason": ""}
            assert (await browser.send("POST", f"/records/{record}/inquiry", data=form))[0] == 404
        assert len(answers) == 2  # one for programs, one for people
        assert (await browser.json("/records"))["records"] == []


async def test_an_inquiry_starts_its_clock(world: PortalWorld) -> None:
    entry = await world.add(ANH)
    async with world.signed_in() as browser:
        path, token = f"/citizen/v1/records/{entry.record_id}/inquiry", {"X-CSRF-Token": await browser.csrf()}
        world.now += timedelta(days=3)  # Friday 27 November 2026
        async with world.signed_in() as browser_again:
            token = {"X-CSRF-Token": await browser_again.csrf()}
            for kind, words, due in (
                ("why", "", "2026-12-01"),
                ("complain", "Không", "2026-12-27"),
                ("correct", "Tên", "2026-12-07"),
            ):
                status, _, text = await browser_again.send(
                    "POST", path, json={"kind": kind, "words": words}, headers=token
                )
                assert (status, json.loads(text)["due"][:10]) == (201, due)
            for bad in NO_INQUIRIES:
                assert (await browser_again.send("POST", path, json=bad, headers=token))[0] == 400
            asked = (await browser_again.json(f"/records/{entry.record_id}"))["inquiries"]
            assert [(a["kind"], a["receiver"]) for a in asked] == [
                ("why", "VN/GOV/G22"),
                ("complain", "VN/GOV/G01"),
                ("correct", "VN/GOV/G01"),
            ]


async def test_the_bundle_verifies_without_us(world: PortalWorld) -> None:
    for n in range(3):
        await world.add(ANH, n)
        await world.add(HOA, n)
    await world.add(ANH, 9, log=False)
    async with world.signed_in() as browser:
        _, headers, text = await browser.get("/citizen/v1/bundle")
        assert headers["Cache-Control"] == "no-store"
        report = verify_bundle([line.encode() for line in text.splitlines()], parse_policy(world.portal.policy))
        assert [step.what for step in report.steps if not step.ok] == [
            "the record in line 6: waits for the log, there is no receipt yet: take the bundle again later"
        ]
        assert report.bundle is not None
        assert (len(report.bundle.records), report.bundle.providers) == (4, (SERVER,))
        assert HOA not in text


async def test_a_bundle_holds_the_history_from_older_receipts(world: PortalWorld) -> None:
    await world.add(ANH, 1)
    entry = await world.add(ANH, 2)
    held = world.log.receipt(leaf_hash(entry.leaf))
    world.log.kept[leaf_hash(entry.leaf)] = held or b""
    for n in range(300):
        world.log.entries.append(bytes([n % 256]) * 108)
    world.log.publish()
    async with world.signed_in() as browser:
        for _ in range(2):
            lines = (await browser.get("/citizen/v1/bundle"))[2].splitlines()
            assert [json.loads(line)["kind"] for line in lines][-3:] == ["checkpoint", "consistency", "end"]
            report = verify_bundle([line.encode() for line in lines], None)
            assert all(step.ok for step in report.steps), report.steps
            partial = world.log.files.pop("tile/0/001.p/46", b"")  # it goes when the full one is there
            world.log.files["tile/0/001"] = partial.ljust(8192, b"x")


async def test_a_year_without_a_log_is_in_the_bundle_and_not_checked(world: PortalWorld) -> None:
    await world.add(ANH, 1)
    old = await world.add(ANH, 400 * 24 * 60, log=False)
    async with world.signed_in() as browser:
        lines = (await browser.get("/citizen/v1/bundle"))[2].splitlines()
        report = verify_bundle([line.encode() for line in lines], parse_policy(world.portal.policy))
        assert [(s.number, s.what) for s in report.steps if not s.ok] == [
            (4, "the record in line 4: whoever made the bundle knew no log of its year: not checked")
        ]
        assert (await browser.get(f"/citizen/v1/records/{old.record_id}/receipt"))[0] == 503


async def test_a_bundle_that_breaks_off_is_no_bundle(world: PortalWorld) -> None:
    await world.add(ANH, 1)
    world.log.down = True
    async with world.signed_in() as browser:
        with pytest.raises(ClientError):
            await browser.get("/citizen/v1/bundle")


async def test_how_long_a_record_may_take_is_published_and_on_the_page(database: Database) -> None:
    async with portal_world(database, max_delay_hours=36) as world:
        entry = await world.add(ANH, log=False)
        async with world.browser() as anybody:
            assert await anybody.json("/terms") == {"max_delay_hours": 36}
        async with world.signed_in() as browser:
            for prefix, words in (("", "Nếu 36 giờ sau lượt hỏi"), ("/en", "36 h after the access")):
                assert words in (await browser.get(f"{prefix}/records/{entry.record_id}"))[2]


async def test_the_log_is_passed_on_as_it_is(world: PortalWorld) -> None:
    await world.add(ANH)
    async with world.browser() as browser:
        for path, data in world.log.files.items():
            async with browser.http.get(f"{world.origin}/citizen/v1/log/2026/{path}") as answer:
                assert await answer.read() == data
        for path in ("2025/checkpoint", "2026/tile/0/1", "2026/tile/0/..%2f..%2fcheckpoint", "2026/receipt/00"):
            assert (await browser.get(f"/citizen/v1/log/{path}"))[0] == 404
        world.log.down = True
        assert (await browser.get("/citizen/v1/log/2026/checkpoint"))[0] == 404
