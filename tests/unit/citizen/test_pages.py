"""What people read, in both languages; what others wrote is text there and never markup."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from gateway import pages
from gateway.citizen.chart import MONTHS, chart
from gateway.citizen.inquiries import Deadlines
from gateway.citizen.records import Count
from gateway.citizen.service import FOLDER
from gateway.core.disclosure.bundlecheck import verify_bundle
from gateway.core.merkle.hashing import leaf_hash
from gateway.core.workingdays import WorkingDays
from gateway.pages.words import Catalogue
from gateway.settings.holidays import load_holidays, working_days
from tests.support.portal import ANH, HOA, NAMES, NOW, ROOT, PortalWorld

MADE_KEYS = (
    *("outcome.", "login.", "trouble.", "verify.", "step.", "field.", "proof.", "ledger."),
    *("inquiry.", "reason.", "record.lead.", "lookup.", "represent.", "receipt."),
)
EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'{{7*7}}"


@pytest.mark.parametrize(("prefix", "words"), [("", "Ai đã hỏi dữ liệu của bạn"), ("/en", "Who asked for your data")])
async def test_the_list_and_a_record(world: PortalWorld, prefix: str, words: str) -> None:
    for n in range(12):
        await world.add(ANH, n, log=False)
    refused = await world.add(ANH, 2000, log=False, outcome="refused", purpose="", legal_basis="")
    async with world.signed_in() as browser:
        status, _, text = await browser.get(f"{prefix}/records")
        assert (status, words in text) == (200, True)
        assert text.count('class="entry"') == 10
        assert ": Bộ Công an." in text  # whose records are read
        older = re.search(r'href="([^"]*cursor=[^"]*)"', text)
        assert older is not None
        _, _, text = await browser.get(older[1].replace("&amp;", "&").partition("#")[0])
        assert text.count('class="entry"') == 3
        status, _, text = await browser.get(f"{prefix}/records/{refused.record_id}")
        assert status == 200
        assert "{" not in re.sub(r'data-catalogue="[^"]*"', "", text)
        assert (await browser.get(f"{prefix}/records?outcome=failed"))[0] == 200
        assert (await browser.get(f"{prefix}/records?cursor=nonsense"))[0] == 403


async def test_a_receipt_is_a_file_or_a_page_that_says_why_not(world: PortalWorld) -> None:
    entry = await world.add(ANH, 24 * 60 - 5, log=False)
    async with world.signed_in() as browser:
        for prefix, words in (
            ("", ("Chưa có biên nhận", "chậm nhất 24 giờ", "Sổ công khai không có", "Lúc này chưa lấy được")),
            ("/en", ("There is no receipt yet", "24 h after the access", "The public log has no", "cannot be fetched")),
        ):
            _, _, record = await browser.get(f"{prefix}/records/{entry.record_id}")
            path = f"{prefix}/records/{entry.record_id}/receipt"
            assert f'href="{path}"' in record
            status, headers, page = await browser.get(path)
            assert (status, headers["Content-Type"].partition(";")[0]) == (202, "text/html")
            assert all(text in page for text in words[:2])
            assert f'href="{prefix}/records/{entry.record_id}#bang-chung"' in page
            world.now = NOW + timedelta(minutes=5)
            status, _, page = await browser.get(path)
            assert (status, words[2] in page) == (404, True)
            world.now, world.log.down = NOW, True
            status, _, page = await browser.get(path)
            assert (status, words[3] in page) == (503, True)
            world.log.down = False
        world.log.entries.append(entry.leaf)
        world.log.publish()
        status, headers, file = await browser.get(f"/en/records/{entry.record_id}/receipt")
        assert (status, headers["Content-Disposition"]) == (200, f'attachment; filename="{entry.record_id}.tlog-proof"')
        assert file.encode() == world.log.receipt(leaf_hash(entry.leaf))
        assert (await browser.get(f"/records/{uuid4()}/receipt"))[0] == 404


async def test_markup_in_names_and_purposes_is_text(world: PortalWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMES, ANH, EVIL)
    fields = {
        "consumer": f"VN/GOV/{EVIL}/x",
        "purpose": EVIL,
        "legal_basis": EVIL,
        "case": EVIL,
        "categories": (EVIL,),
        "official": EVIL,
    }
    entry = await world.add(ANH, log=False, **fields)  # type: ignore[arg-type]
    async with world.signed_in() as browser:
        for path in (
            "/records",
            f"/records/{entry.record_id}",
            f"/en/records/{entry.record_id}",
            "/records?agency=" + "%22%3E%3Cscript%3E",
            "/?state=%3Cscript%3E",
        ):
            status, _, text = await browser.get(path)
            assert status in (200, 303)
            assert "<script>alert" not in text
            assert "<img" not in text
            assert ">49<" not in text
        _, headers, _ = await browser.get(f"/citizen/v1/records/{entry.record_id}")
        assert headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize(
    "texts",
    [{1: "nonsense"}, {1: "0001-01-01T00:00:00+14:00"}, {1: "9999-12-31T23:59:59Z"}, {3: ""}, {2: "x"}, {10: "gone"}],
)
async def test_a_record_that_was_altered_is_shown_for_the_check(world: PortalWorld, texts: dict[int, str]) -> None:
    record = (await world.add(ANH)).record_id
    async with world.database.owner() as owner:
        for field, text in texts.items():
            await owner.execute(
                "UPDATE access_record SET fields = jsonb_set(fields, $1, to_jsonb($2::text))", [str(field)], text
            )
    async with world.signed_in() as browser:
        for page in ("records", f"records/{record}"):
            for prefix in ("/", "/en/", "/citizen/v1/"):
                status, _, text = await browser.get(prefix + page)
                assert (status, str(record) in text) == (200, True), (prefix, page)
        _, _, bundle = await browser.get("/citizen/v1/bundle")
        assert not all(step.ok for step in verify_bundle(bundle.encode().splitlines(keepends=True), None).steps)


_DESTROYED = """
INSERT INTO data_key (id, day, member, kek, destroyed, destroyed_by, reason, rule, accesses)
VALUES (gen_random_uuid(), $1, $2, 'k', $3, 'Trần Văn Quản', 'complaint of a person', $4, $5)
"""


async def test_everybody_is_told_of_records_that_were_destroyed(world: PortalWorld) -> None:
    """By holder and days that went together; the operator's own words and name are not for the public."""
    at = datetime(2026, 11, 2, 3, tzinfo=UTC)
    async with world.database.owner() as owner:
        for day, member, rule, records in (
            (date(2026, 9, 1), "VN/GOV/G01", "Luật <91>/2025", 1200),
            (date(2026, 9, 2), "VN/GOV/G01", "Luật <91>/2025", 34),
            (date(2026, 9, 3), "VN/GOV/G01", None, 5),
            (date(2026, 9, 4), "VN/GOV/G01", None, 0),
            (date(2026, 8, 1), "VN/GOV/G15", None, 7),
        ):
            await owner.execute(_DESTROYED, day, member, at, rule, records)
    await world.add(ANH)
    for citizen in (ANH, HOA):  # one with records, one with none: both read the same
        async with world.signed_in(citizen) as browser:
            for prefix, words in (
                (
                    "",
                    (
                        "1.234 bản ghi từ 1/9/2026 đến 2/9/2026",
                        "Hủy ngày 2/11/2026",
                        "nêu: Luật &lt;91&gt;/2025",
                        "không nêu",
                    ),
                ),
                (
                    "/en",
                    (
                        "1,234 records of 1 September 2026 to 2 September 2026",
                        "Destroyed on 2 November 2026",
                        "stated no rule",
                    ),
                ),
            ):
                _, _, text = await browser.get(f"{prefix}/records")
                section = text[text.index('id="da-huy"') :]
                section = section[: section.index("</section>")]
                assert [w for w in words if w not in section] == []
                assert section.count("<li>") == 3
                assert "Quản" not in text
                assert "complaint of" not in text
            _, _, bundle = await browser.get("/citizen/v1/bundle")
            report = verify_bundle([line.encode() for line in bundle.splitlines()], None)
            assert report.bundle is not None
            assert [gone.records for gone in report.bundle.destroyed] == [1234, 5, 7]
            assert "; 1246 records of everybody were destroyed, says the file" in report.steps[1].what
            assert [d["rule"] for d in (await browser.json("/destroyed"))["destroyed"]] == [
                "Luật <91>/2025",
                None,
                None,
            ]


async def test_an_inquiry_from_the_page(world: PortalWorld) -> None:
    entry = await world.add(ANH)
    async with world.signed_in() as browser:
        form = {"csrf": await browser.csrf(), "kind": "complain", "reason": "purpose", "words": "<b>Không đúng</b>"}
        status, headers, _ = await browser.send("POST", f"/records/{entry.record_id}/inquiry", data=form)
        assert (status, headers["Location"]) == (303, f"/records/{entry.record_id}?said=sent#da-gui")
        _, _, text = await browser.get(f"/records/{entry.record_id}")
        assert "Hạn trả lời Thứ Năm, 24/12/2026" in text
        assert '<blockquote class="answer">&lt;b&gt;Không đúng&lt;/b&gt;</blockquote>' in text


@pytest.mark.parametrize("words", ["", " \n ", "x" * 4001, "a\r\n" * 2001])
async def test_a_text_that_is_none_is_said_at_the_form(world: PortalWorld, words: str) -> None:
    entry = await world.add(ANH)
    async with world.signed_in() as browser:
        form = {"csrf": await browser.csrf(), "kind": "correct", "reason": "", "words": words}
        _, headers, _ = await browser.send("POST", f"/records/{entry.record_id}/inquiry", data=form)
        assert headers["Location"] == f"/records/{entry.record_id}?said=words#lam-h"
        assert "Chưa gửi được" in (await browser.get(headers["Location"].partition("#")[0]))[2]
        assert (await browser.json(f"/records/{entry.record_id}"))["inquiries"] == []


async def test_a_line_end_is_one_character(world: PortalWorld) -> None:
    entry = await world.add(ANH)
    async with world.signed_in() as browser:
        form = {"csrf": await browser.csrf(), "kind": "correct", "reason": "", "words": "a\r\n" * 1999 + "bc"}
        _, headers, _ = await browser.send("POST", f"/records/{entry.record_id}/inquiry", data=form)
        assert "said=sent" in headers["Location"]
        (made,) = (await browser.json(f"/records/{entry.record_id}"))["inquiries"]
        assert made["words"] == "a\n" * 1999 + "bc"


def test_working_days_are_those_of_the_citizen() -> None:
    """Three in the morning of a Saturday here is Friday in UTC."""
    filed = datetime(2026, 11, 27, 20, tzinfo=UTC)
    assert Deadlines(2, 30, 10, WorkingDays()).due("why", filed) == datetime(2026, 11, 30, 20, tzinfo=UTC)


def test_no_public_holiday_is_a_working_day() -> None:
    """Filed on the Friday before lunar new year, at three in the afternoon."""
    calendar = working_days(load_holidays(ROOT / "config/codes/holidays.yaml"))
    filed = datetime(2026, 2, 13, 8, tzinfo=UTC)
    deadlines = Deadlines(2, 30, 10, calendar)
    assert deadlines.due("why", filed) == datetime(2026, 2, 24, 8, tzinfo=UTC)
    assert deadlines.due("correct", filed) == datetime(2026, 2, 23, 8, tzinfo=UTC), "days as the calendar has them"


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nowhere", 404, "Không có trang này"),
        ("/records/", 404, "Không có trang này"),
        ("/en/nowhere", 404, "There is no such page"),
        ("/en", 200, "Which agency asked for your data?"),
        ("/sign-out", 405, "Không có trang này"),
        ("/records?agency=%00&purpose=%00", 303, ""),
    ],
)
async def test_every_address_answers_in_words(world: PortalWorld, path: str, status: int, words: str) -> None:
    async with world.browser() as browser:
        found, _, text = await browser.get(path)
        assert (found, words in text) == (status, True), text


async def test_what_no_database_keeps_restricts_nothing(world: PortalWorld) -> None:
    entry = await world.add(ANH)
    async with world.signed_in() as browser:
        status, _, text = await browser.get("/records?agency=%00&purpose=%00")
        assert (status, str(entry.record_id) in text) == (200, True)


async def test_a_form_that_is_too_large_is_refused_in_words(world: PortalWorld) -> None:
    async with world.signed_in() as browser:
        status, _, text = await browser.send("POST", "/en/represent", data={"number": "x" * 70_000})
        assert (status, "That is too long" in text) == (413, True)


@pytest.mark.parametrize(("prefix", "words"), [("", "Lúc này chưa đọc được sổ"), ("/en", "cannot be read just now")])
async def test_without_the_database_nothing_is_lost_and_the_page_says_so(
    world: PortalWorld, prefix: str, words: str
) -> None:
    async with world.signed_in() as browser:
        await world.pool.close()
        for path in ("/", "/records", "/sign-in", "/proof"):
            status, _, text = await browser.get(prefix + path)
            assert (status, words in text) == (503, True), path
        status, headers, _ = await browser.get("/citizen/v1/records")
        assert (status, headers["Content-Type"].partition(";")[0]) == (503, "application/problem+json")


async def test_no_number_of_a_person_in_an_address(world: PortalWorld) -> None:
    await world.add(ANH)
    async with world.signed_in() as browser:
        _, _, text = await browser.get("/records")
        assert not re.search(r'(?:href|action)="[^"]*\d{12}', text)
        assert ANH not in text


def test_both_languages_have_the_same_words() -> None:
    vi, en = (c.texts for c in Catalogue.load(FOLDER / "words").values())
    assert vi.keys() == en.keys()
    for key in vi:
        assert sorted(re.findall(r"\{\w+\}", vi[key])) == sorted(re.findall(r"\{\w+\}", en[key])), key


def test_every_word_is_used_and_every_used_word_is_there() -> None:
    texts = Catalogue.load(FOLDER / "words")["vi"].texts
    shared = (Path(pages.__file__).parent / "templates" / name for name in ("frame.html", "nav.macros.html"))
    sources = [
        p.read_text("utf-8") for p in (*shared, *FOLDER.rglob("*.html"), *FOLDER.rglob("*.js"), *FOLDER.glob("*.py"))
    ]
    used = set(re.findall(r'\bt\("([\w.-]+)"', "".join(sources)))
    assert {key for key in used if not key.endswith(".")} <= texts.keys()
    assert [key for key in texts.keys() - used if not key.startswith(MADE_KEYS) and key != "at"] == []


def test_the_words_that_are_never_said() -> None:
    text = "".join(Catalogue.load(FOLDER / "words")["vi"].texts.values()).lower()
    for never in ("mọi lượt truy cập", "tuyệt đối", "không thể sửa", "an toàn 100%"):
        assert never not in text


def test_chart() -> None:
    def count(month: date, code: str, n: int) -> Count:
        return Count(month, f"VN/GOV/{code}/x", "P", "granted", n, NOW)

    counts = [count(date(2026, m, 1), f"G{a}", a) for m in (1, 11) for a in range(1, 8)] + [
        count(date(2025, 11, 1), "G1", 99)
    ]
    made = chart(counts, date(2026, 11, 24))
    assert list(made.months)[:: MONTHS - 1] == [date(2025, 12, 1), date(2026, 11, 1)]
    assert [(s.agency, s.others, s.total) for s in made.series] == [
        ("VN/GOV/G7", 0, 14),
        ("VN/GOV/G6", 0, 12),
        ("VN/GOV/G5", 0, 10),
        ("VN/GOV/G4", 0, 8),
        ("", 3, 12),
    ]
    assert made.total == 56
    assert sum(b.value for b in made.bars) == 56
    assert chart([], date(2026, 1, 1)).bars == ()
    assert min(float(b.y[:-1]) for b in made.bars) >= 9
