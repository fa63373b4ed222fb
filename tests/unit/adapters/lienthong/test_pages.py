"""The pages: what an operator sees and may do, what a person sees and says, what nobody gets past."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import jwt
import pytest
import pytest_asyncio
from aiohttp import web as webserver
from aiohttp.test_utils import TestClient, TestServer

from adapters.lienthong import web
from adapters.lienthong.web import board
from adapters.lienthong.web.app import build_pages
from adapters.lienthong.web.words import BoardWords
from adapters.sdk.delivery import Outbox
from adapters.sdk.delivery.legs import Later
from adapters.sdk.identity import IdentityProvider, SignInRefused
from tests.support.linked import DEFINITIONS, FATHER, HOUSEHOLDER, LEGS, MOTHER, OWNER, REASONS, LinkedWorld
from tests.support.linkedpages import Visitor, linked_pages, unexpected
from tests.unit.adapters.lienthong.test_service import DEATH, opened

HOTICH, DANCU, BHXH = LEGS


@pytest_asyncio.fixture
async def origin(world: LinkedWorld) -> AsyncIterator[str]:
    async with linked_pages(world) as address:
        yield address


@asynccontextmanager
async def visiting(origin: str) -> AsyncIterator[Visitor]:
    visitor = Visitor(origin)
    try:
        yield visitor
    finally:
        await visitor.http.close()


async def stuck_dossiers(world: LinkedWorld) -> list[str]:
    """One stuck at the register, one in time, one at its consents; now is day five."""
    world.agencies[HOTICH].decide = lambda _: Later()
    stuck = await opened(world, DEATH)
    await world.pass_time(4, step=4)
    in_time = await opened(world, DEATH)
    world.agencies[HOTICH].decide = lambda _: None
    consent = await opened(world)
    await world.pass_time(1, step=1)
    return [stuck, in_time, consent]


async def test_an_operator_sees_what_is_stuck_and_asks_again_once(world: LinkedWorld, origin: str) -> None:
    stuck, in_time, consent = await stuck_dossiers(world)
    async with visiting(origin) as operator:
        page = await operator.sign_in("VH-03", "officer")
        assert operator.url == f"{origin}/dossiers"
        assert "<strong>1 hồ sơ đang kẹt</strong> trong 3" in page
        assert stuck in page
        assert in_time not in page
        assert "Bản điện tử hộ tịch chưa trả" in page
        (button,) = re.findall(r'name="do" value="(999-[^"]+)"', page)
        for expected in (1, 0):
            asked = await world.pool.fetchval(
                "select count(*) from lienthong.entry where dossier = $1 and kind = 'asked_agency'", stuck
            )
            page = await operator.post("/dossiers/ask-again", {**operator.hidden(), "do": button})
            again = await world.pool.fetchval(
                "select count(*) from lienthong.entry where dossier = $1 and kind = 'asked_agency'", stuck
            )
            assert again - asked == expected
        page = await operator.get(f"/dossiers/{stuck}")
        assert "Trực ban gửi lại" in page
        assert "VH-03" in page
        page = await operator.get(f"/en/dossiers/{consent}")
        assert "Consent: 2 of 2 missing" in page
        assert "Silence is not consent." in page
        page = await operator.get("/en/dossiers?state=consent")
        assert consent in page
        assert stuck not in page
        page = await operator.get(f"/dossiers?case={in_time}&state=running")
        assert in_time in page


@pytest.mark.parametrize(("prefix", "words"), [("", "chỉ đến 31/12/2027"), ("/en", "ends on 31 December 2027")])
async def test_an_operator_is_told_before_the_list_of_holidays_ends(
    world: LinkedWorld, origin: str, prefix: str, words: str
) -> None:
    async with visiting(origin) as operator:
        await operator.sign_in("VH-03", "officer")
        assert words not in await operator.get(f"{prefix}/dossiers")
        world.clock.now = datetime(2027, 11, 5, tzinfo=UTC)
        await operator.sign_in("VH-03", "officer")
        assert words in await operator.get(f"{prefix}/dossiers")


async def test_operators_pages_name_nobody(world: LinkedWorld, origin: str) -> None:
    numbers = await stuck_dossiers(world)
    async with visiting(origin) as operator:
        await operator.sign_in("VH-03", "officer")
        paths = ["/dossiers", "/letters", "/stuck.csv", "/provinces.csv", *(f"/dossiers/{n}" for n in numbers)]
        for path in [*paths, *(f"/en{p}" for p in paths)]:
            page = await operator.get(path)
            assert operator.status == 200
            assert not any(p in page for p in (MOTHER, FATHER, HOUSEHOLDER, OWNER, "Nguyễn An"))


async def test_a_viewer_looks_and_a_person_does_not(world: LinkedWorld, origin: str) -> None:
    (stuck, *_) = await stuck_dossiers(world)
    async with visiting(origin) as viewer:
        page = await viewer.sign_in("XEM-01", "officer")
        assert 'name="do"' not in page
        await viewer.post("/dossiers/ask-again", {**viewer.hidden(), "do": f"{stuck}:registration:1"})
        assert viewer.status == 403
    async with visiting(origin) as person:
        await person.sign_in(MOTHER)
        for path in ("/dossiers", f"/dossiers/{stuck}", "/stuck.csv", "/letters"):
            await person.get(path)
            assert person.url == f"{origin}/mine"
    async with visiting(origin) as nobody:
        await nobody.get(f"/dossiers/{stuck}")
        assert nobody.url == f"{origin}/"
        await nobody.sign_in(MOTHER, "officer")
        assert nobody.url == f"{origin}/?state=refused", "a citizen is no officer"


async def test_changes_come_from_our_own_pages(world: LinkedWorld, origin: str) -> None:
    (stuck, *_) = await stuck_dossiers(world)
    async with visiting(origin) as operator:
        await operator.sign_in("VH-03", "officer")
        good = {**operator.hidden(), "do": f"{stuck}:registration:1"}
        for fields, headers in (
            ({**good, "csrf": ""}, {}),
            ({**good, "csrf": "0" * 64}, {}),
            (good, {"Origin": "http://elsewhere.example"}),
            (good, {"Sec-Fetch-Site": "cross-site"}),
        ):
            await operator.post("/dossiers/ask-again", fields, **headers)
            assert operator.status == 403
        for value in ("x", f"{stuck}:registration", f"{stuck}:registration:-1", "\0:a:1"):
            await operator.post("/dossiers/ask-again", {**good, "do": value})
            assert operator.status == 404
        policy = operator.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        async with operator.http.get(f"{origin}/", headers={"Host": "evil.example"}) as answer:
            assert answer.status == 421


async def test_tables_to_take_away(world: LinkedWorld, origin: str) -> None:
    (stuck, *_) = await stuck_dossiers(world)
    await world.pool.execute("update lienthong.dossier set province = '=cmd()' where id = $1", stuck)
    async with visiting(origin) as operator:
        await operator.sign_in("VH-03", "officer")
        rows = list(csv.DictReader(io.StringIO((await operator.get("/stuck.csv")).lstrip("\ufeff"))))
        assert [(r["dossier"], r["province"], r["cause"], r["overdue_days"]) for r in rows] == [
            (stuck, "'=cmd()", "BDT-02", "2")
        ]
        rows = list(csv.DictReader(io.StringIO((await operator.get("/provinces.csv")).lstrip("\ufeff"))))
        assert [(r["sent"], r["stuck"]) for r in rows] == [("1", "1"), ("2", "0")]


_COPIES = """
    insert into lienthong.dossier select (jsonb_populate_record(d, jsonb_build_object('id', d.id || '-' || n))).*
    from lienthong.dossier d, generate_series(1, $2) n where d.id = $1
"""


async def test_a_table_to_take_away_is_whole_however_long(
    world: LinkedWorld, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stuck, *_) = await stuck_dossiers(world)
    await world.pool.execute(_COPIES, stuck, 6)
    monkeypatch.setattr(board, "_PIECE", 2)
    async with visiting(origin) as operator:
        await operator.sign_in("VH-03", "officer")
        rows = list(csv.DictReader(io.StringIO((await operator.get("/stuck.csv")).lstrip("\ufeff"))))
        assert [row["dossier"] for row in rows] == [stuck, *(f"{stuck}-{n}" for n in range(1, 7))]
        assert int(operator.headers["Content-Length"]) == len(operator.text.encode())


async def test_what_nobody_foresaw_is_a_page_with_the_number_of_its_log_line(world: LinkedWorld) -> None:
    reported: list[tuple[str, str, Exception]] = []
    async with linked_pages(world, lambda *told: reported.append(told)) as origin, visiting(origin) as operator:
        await operator.sign_in("VH-03", "officer")
        await world.pool.execute("alter table lienthong.dossier rename to elsewhere")
        page = await operator.get("/en/stuck.csv")
        assert (operator.status, "Đã xảy ra lỗi" in page, "Something went wrong" in page) == (500, True, True)
    ((number, route, _),) = reported
    assert (f"<code>{number}</code>" in page, route) == (True, "/en/stuck.csv")


async def test_an_undelivered_message_is_sent_again(world: LinkedWorld, origin: str) -> None:
    world.agencies[BHXH].client = "VN/GOV/G99/other"
    number = await opened(world, {**DEATH})
    await world.pool.execute("update delivery.outbox set state = 'dead', settled_at = now(), cause = 'x.access_denied'")
    async with visiting(origin) as operator:
        await operator.sign_in("VH-03", "officer")
        page = await operator.get("/letters")
        assert "x.access_denied" in page
        (message, *_) = re.findall(r'name="message" value="([^"]+)"', page)
        await operator.post("/letters/again", {**operator.hidden(), "message": message})
        assert (
            await world.pool.fetchval("select state from delivery.outbox where message_id = $1", message) == "waiting"
        )
    assert number


async def test_persons_answer_in_the_identity_provider_and_the_answer_is_kept_signed(
    world: LinkedWorld, origin: str
) -> None:
    number = await opened(world)
    async with visiting(origin) as owner:
        page = await owner.sign_in(OWNER)
        assert f"Hồ sơ {number}" in page
        page = await owner.answer("granted", OWNER)
        assert "Câu trả lời của bạn đã được ghi" in page
        assert "Không có câu hỏi nào chờ bạn" in page
    assert (await world.dossier(number))["leg_status"] == "consent", "the householder has said nothing"
    async with visiting(origin) as householder:
        await householder.sign_in(HOUSEHOLDER)
        await householder.answer("granted", HOUSEHOLDER)
    await world.work()
    assert (await world.dossier(number))["status"] == "finished"
    for row in await world.pool.fetch("select * from lienthong.question"):
        claims = jwt.decode(row["statement"], options={"verify_signature": False})
        assert claims["personal_number"] == row["person"]
        assert claims["authorization_details"][0]["decision"] == row["decision"] == "granted"
    async with visiting(origin) as mother:
        page = await mother.sign_in(MOTHER)
        assert page.count('class="outcome tag ok"') == 6


async def test_a_refusal_is_recorded_and_returns_the_leg(world: LinkedWorld, origin: str) -> None:
    number = await opened(world)
    async with visiting(origin) as householder:
        await householder.sign_in(HOUSEHOLDER)
        await householder.answer("refused", HOUSEHOLDER)
    row = await world.dossier(number)
    assert (row["leg_status"], row["reason"]) == ("returned", "CHU-HO-KHONG-DONG-Y")
    async with visiting(origin) as owner:
        page = await owner.sign_in(OWNER)
        assert "Không có câu hỏi nào chờ bạn" in page
        assert "không cần bạn trả lời nữa" in page
        assert "Lý do trả lại: Chủ hộ không đồng ý (CHU-HO-KHONG-DONG-Y), căn cứ LUAT-CUTRU-2020-D22." in page
        question = await world.pool.fetchval("select id::text from lienthong.question where role = 'owner'")
        await owner.post("/mine/answer", {**owner.hidden(), "question": question})
        assert owner.url == f"{origin}/mine?said=closed"


async def test_who_did_not_answer_in_time_is_told_everywhere(world: LinkedWorld, origin: str) -> None:
    """On the person's page, at the identity provider, on the dossier's page: it expired, it was no yes, and what comes next."""
    number = await opened(world)
    async with visiting(origin) as owner:
        await owner.sign_in(OWNER)
        await owner.answer("granted", OWNER)
    await world.pass_time(46, step=1)
    async with visiting(origin) as householder:
        page = await householder.sign_in(HOUSEHOLDER)
        assert "Không có câu hỏi nào chờ bạn" in page
        assert re.search(
            rf"Hồ sơ {number}, với tư cách Chủ hộ: hỏi ngày .*hết hạn ngày .*Im lặng không phải là đồng ý", page
        )
        await householder.post("/mine/answer", householder.hidden())
        page = await householder.post("/authorize", {**householder.hidden(), "citizen": HOUSEHOLDER})
        assert "This question has expired" in page
        assert "goes back to the applicant" in page
        await householder.post("/authorize", {**householder.hidden(), "decision": "seen"})
        assert householder.url == f"{origin}/mine?said=closed"
        assert "Did not answer in time: Householder." in await householder.get("/en/mine")
    async with visiting(origin) as operator:
        await operator.sign_in("VH-03", "officer")
        page = await operator.get(f"/en/dossiers/{number}")
        assert "Expired without an answer" in page
        assert "Question expired without an answer: Householder" in page
        assert "the applicant corrects the dossier" in page


async def test_an_answer_that_comes_too_late_is_not_called_recorded(world: LinkedWorld, origin: str) -> None:
    """The identity provider still had the question open; here it was closed meanwhile."""
    number = await opened(world)
    async with visiting(origin) as owner:
        await owner.sign_in(OWNER)
        await owner.post("/mine/answer", owner.hidden())
        await owner.post("/authorize", {**owner.hidden(), "citizen": OWNER})
        async with visiting(origin) as householder:
            await householder.sign_in(HOUSEHOLDER)
            await householder.answer("refused", HOUSEHOLDER)
        page = await owner.post("/authorize", {**owner.hidden(), "decision": "granted"})
        assert owner.url == f"{origin}/mine?said=closed"
        assert "câu trả lời sau đó không được tính" in page
    assert (await world.dossier(number))["reason"] == "CHU-HO-KHONG-DONG-Y"
    assert await world.pool.fetchval("select count(*) from lienthong.question where decision = 'granted'") == 0


async def test_nobody_answers_for_another(world: LinkedWorld, origin: str) -> None:
    number = await opened(world)
    question = await world.pool.fetchval("select id::text from lienthong.question where role = 'householder'")
    async with visiting(origin) as owner:
        await owner.sign_in(OWNER)
        await owner.post("/mine/answer", {**owner.hidden(), "question": question})
        assert owner.status == 404, "the question is another person's"
        await owner.get("/mine")
        await owner.answer("granted", HOUSEHOLDER)
        assert owner.url == f"{origin}/mine?said=refused", "somebody else signed in at the provider"
    assert await world.pool.fetchval("select count(*) from lienthong.question where decision is not null") == 0
    assert (await world.dossier(number))["leg_status"] == "consent"


@pytest.mark.parametrize("how", ["state", "browser"])
async def test_a_sign_in_belongs_to_the_browser_that_began_it(world: LinkedWorld, origin: str, how: str) -> None:
    async with visiting(origin) as visitor:
        await visitor.get("/sign-in/officer")
        fields = {**visitor.hidden(), "citizen": "VH-03"}
        if how == "state":
            fields["state"] = "x" * 43
        else:
            visitor.http.cookie_jar.clear()
        await visitor.post("/authorize", fields)
        assert visitor.url == f"{origin}/?state=refused"


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nowhere", 404, "Không có trang hoặc hồ sơ này"),
        ("/en/nowhere", 404, "There is no such page or dossier"),
        ("/dossiers/%00", 404, "Không có trang hoặc hồ sơ này"),
        ("/dossiers/ask-again", 404, "Không có trang hoặc hồ sơ này"),
        ("/letters/again", 405, "Không có trang nào ở địa chỉ này"),
        ("/dossiers?cursor=0001-01-01T00:00:00%2B23:00~x", 200, "Hồ sơ kẹt"),
        ("/dossiers?state=%00&case=%00&cursor=2026-01-01T00:00:00Z~%00", 200, "Hồ sơ kẹt"),
        ("/en", 200, "no name or number of a citizen"),
    ],
)
async def test_every_address_answers_in_words(
    world: LinkedWorld, origin: str, path: str, status: int, words: str
) -> None:
    async with visiting(origin) as operator:
        await operator.sign_in("VH-03", "officer")
        assert words in await operator.get(path)
        assert operator.status == status


async def test_an_answer_of_the_provider_that_comes_in_pieces() -> None:
    async def pieces(request: webserver.Request) -> webserver.StreamResponse:
        answer = webserver.StreamResponse()
        await answer.prepare(request)
        for piece in (b'{"id_', b'token": "x"', b"}" if request.path == "/small" else b" " * 300_000):
            await answer.write(piece)
            await asyncio.sleep(0.02)
        return answer

    app = webserver.Application()
    app.router.add_get("/{size}", pieces)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        provider = IdentityProvider(http, str(server.make_url("")).rstrip("/"), "client", "back")
        assert await provider._json("GET", "/small") == {"id_token": "x"}
        with pytest.raises(SignInRefused):
            await provider._json("GET", "/large")


async def test_over_https_cookies_are_of_this_host_alone(world: LinkedWorld) -> None:
    async with aiohttp.ClientSession() as http:
        outbox = Outbox(world.pool, world.clock, lambda: 0.5)
        args = (world.pool, http, DEFINITIONS, world.desk, outbox, world.clock, REASONS, unexpected)
        app = build_pages("https://linked.example", "https://id.example", *args)
        async with TestClient(TestServer(app)) as browser:
            get = browser.get("/sign-in/person", headers={"Host": "linked.example"}, allow_redirects=False)
            async with get as answer:
                (cookie,) = answer.headers.getall("Set-Cookie")
    assert cookie.startswith("__Host-sign-in=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))


def test_both_languages_say_the_same_things() -> None:
    vi, en = (catalogue.texts for catalogue in BoardWords.load(Path(web.__file__).parent / "words").values())
    assert vi.keys() == en.keys()
    for key in vi:
        assert sorted(re.findall(r"{\w+}", vi[key])) == sorted(re.findall(r"{\w+}", en[key])), key
