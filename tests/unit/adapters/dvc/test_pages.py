"""The portal's pages: a person reads about his own dossiers, whose turn it is, why one was returned; and nobody reads another's."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from adapters.dvc import web
from adapters.dvc.web.app import Pages, build_pages, places_of
from adapters.dvc.web.reasons import load_return_reasons
from adapters.dvc.web.words import PortalWords
from adapters.sdk import DefinitionError
from adapters.sdk.access import adapter_log, failures
from adapters.vneid.service import load_officers
from tests.support.dvcpages import BIRTH, DAUGHTER, FATHER, HEAD, HOME, NUMBER, REASON, REASONS, Portal, portal_pages
from tests.support.linkedpages import Visitor, unexpected


@pytest.fixture
async def portal(source_pool: Any) -> AsyncIterator[Portal]:
    async with portal_pages(source_pool) as opened:
        yield opened


@asynccontextmanager
async def visiting(portal: Portal, who: str | None = DAUGHTER) -> AsyncIterator[Visitor]:
    visitor = Visitor(portal.origin)
    try:
        if who is not None:
            await visitor.get("/sign-in")
            await visitor.post("/authorize", {**visitor.hidden(), "citizen": who})
        yield visitor
    finally:
        await visitor.http.close()


async def test_whose_turn_it_is_stands_beside_each_dossier(portal: Portal) -> None:
    async with visiting(portal) as daughter:
        assert daughter.url == f"{portal.origin}/dossiers"
        assert "Cơ quan giải quyết đang xử lý" in daughter.text
        await portal.state("processing", BIRTH)
        assert "Hộ tịch đang xử lý. Bạn không phải làm gì." in await daughter.get("/dossiers")
        await portal.state("returned", BIRTH, reason=REASON)
        assert "Bạn phải bổ sung" in await daughter.get("/dossiers")
        await portal.state("waiting_consent", HOME, waiting_for=[HEAD])
        assert "To answer in VNeID: Householder. Silence is no consent." in await daughter.get("/en/dossiers")
        await portal.state("finished")
        assert "There is nothing left to do." in await daughter.get("/en/dossiers")


async def test_a_return_says_why_by_which_law_and_what_to_do(portal: Portal) -> None:
    await portal.state("processing", BIRTH)
    await portal.state("returned", BIRTH, reason=REASON)
    async with visiting(portal) as daughter:
        page = await daughter.get(f"/dossiers/{NUMBER}")
        assert "Trả lại lúc 08:30 ngày 22/10/2026:" in page
        assert "Thông tin trong hồ sơ không khớp với cơ sở dữ liệu" in page
        assert "Căn cứ Luật Hộ tịch 60/2014/QH13, điều 16: Thủ tục đăng ký khai sinh." in page
        assert "/sex &lt;b&gt;x&lt;/b&gt;" in page, "what an agency adds is text"
        assert "Bạn phải bổ sung theo lý do trả lại, rồi nộp lại." in page
        page = await daughter.get("/dossiers")
        assert "Lý do: Thông tin trong hồ sơ không khớp với cơ sở dữ liệu." in page
        page = await daughter.get(f"/en/dossiers/{NUMBER}")
        assert "The dossier does not agree with the database" in page
        assert "Registration of a birth." in page


async def test_steps_with_their_days_and_what_was_given_out(portal: Portal) -> None:
    await portal.state("processing", BIRTH)
    await portal.state("waiting_consent", HOME, waiting_for=[HEAD])
    copy = {"kind": "registration", "reference": "TL-2026-000001", "title": BIRTH["step"], "issued_by": BIRTH["agency"]}
    await portal.told("/v1/dossiers/{number}/results", copy)
    async with visiting(portal) as daughter:
        page = await daughter.get(f"/en/dossiers/{NUMBER}")
        assert "08:30, 21 October 2026 to 08:30, 22 October 2026" in page
        assert "Since 08:30, 22 October 2026, not done" in page
        assert "Consent is missing: Householder." in page
        assert re.search(r"<dt>Birth registration</dt><dd><code>TL-2026-000001</code></dd>", page)
        assert "Civil status, 08:30, 23 October 2026" in page
        assert f"Dossier {NUMBER} has a result: TL-2026-000001." in await daughter.get("/en/dossiers")


async def test_whoever_is_asked_finds_the_question_and_when_it_is_over_that_it_is(portal: Portal) -> None:
    question = {"person_id": FATHER, "dossier": NUMBER, "role": HEAD, "answer_by": "2199-12-05T08:30:00+07:00"}
    for kind in ("consent_request", "consent_expired"):
        await portal.told("/v1/notifications", {**question, "kind": kind})
        async with visiting(portal, FATHER) as father:
            assert f"/dossiers/{NUMBER}" not in father.text, "it is not his dossier"
            assert father.text.count('<a href="http://answers.example/">Trả lời</a>') == 1
    async with visiting(portal, FATHER) as father:
        assert "Im lặng không phải là đồng ý: hồ sơ được trả lại người nộp" in father.text


async def test_nobody_reads_anothers(portal: Portal) -> None:
    async with visiting(portal, FATHER) as father:
        await father.get(f"/dossiers/{NUMBER}")
        assert (father.status, NUMBER in father.text) == (404, False)
    async with visiting(portal, None) as stranger:
        await stranger.get(f"/dossiers/{NUMBER}")
        assert (stranger.url, NUMBER in stranger.text) == (f"{portal.origin}/", False)


async def test_an_officer_is_nobody_here(portal: Portal) -> None:
    async with visiting(portal, load_officers()[0].code) as officer:
        assert officer.url == f"{portal.origin}/?state=refused"
        assert await portal.served.pool.fetchval("select count(*) from dvc.session") == 0


@pytest.mark.parametrize("how", ["state", "browser"])
async def test_a_sign_in_belongs_to_the_browser_that_began_it(portal: Portal, how: str) -> None:
    async with visiting(portal, None) as visitor:
        await visitor.get("/sign-in")
        fields = {**visitor.hidden(), "citizen": DAUGHTER}
        if how == "state":
            fields["state"] = "x" * 43
        else:
            visitor.http.cookie_jar.clear()
        await visitor.post("/authorize", fields)
        assert visitor.url == f"{portal.origin}/?state=refused"


async def test_only_our_own_page_signs_out(portal: Portal) -> None:
    async with visiting(portal) as daughter:
        csrf = daughter.hidden()
        for fields, headers in (({}, {}), ({"csrf": "x"}, {}), (csrf, {"Origin": "http://evil.example"})):
            await daughter.post("/sign-out", fields, **headers)
            assert daughter.status == 403
        await daughter.post("/sign-out", csrf)
        assert daughter.url == f"{portal.origin}/"
        await daughter.get("/dossiers")
        assert daughter.url == f"{portal.origin}/"


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nowhere", 404, "bạn không có hồ sơ này"),
        ("/en/nowhere", 404, "no such dossier of yours"),
        ("/dossiers/%00", 404, "bạn không có hồ sơ này"),
        ("/sign-out", 405, "Không có trang nào ở địa chỉ này"),
        ("/en", 200, "What you filed"),
    ],
)
async def test_every_address_answers_in_words(portal: Portal, path: str, status: int, words: str) -> None:
    async with visiting(portal) as daughter:
        assert words in await daughter.get(path)
        assert daughter.status == status


async def test_a_form_that_is_too_large_is_refused_in_words(portal: Portal) -> None:
    async with visiting(portal) as daughter:
        assert "Nội dung gửi lên quá lớn" in await daughter.post("/sign-out", {"csrf": "x" * 20_000})
        assert daughter.status == 413


async def test_a_session_ends_and_says_so(portal: Portal) -> None:
    async with visiting(portal) as daughter:
        await portal.served.pool.execute("update dvc.session set seen = seen - interval '31 minutes'")
        assert "Bạn đã được đăng xuất vì lâu không dùng." in await daughter.get("/dossiers")
        assert daughter.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("path", "cookie"), [("/dossiers", b"session"), ("/callback?state=x", b"sign-in")])
async def test_a_cookie_of_bytes_that_are_no_text_is_none_of_ours(portal: Portal, path: str, cookie: bytes) -> None:
    host, _, port = portal.origin.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n".encode() + b"Cookie: " + cookie + b"=\xff\xfe\r\n\r\n"
    )
    assert (await reader.readline()).split()[1] == b"303"
    writer.close()


async def test_over_https_cookies_are_of_this_host_alone(portal: Portal) -> None:
    places = places_of({"DVC_ORIGIN": "https://portal.example/"})
    async with aiohttp.ClientSession() as http:
        args = (portal.served.pool, http, load_return_reasons(REASONS), lambda: datetime.now(UTC), unexpected)
        app = build_pages(places, *args)
        async with TestClient(TestServer(app)) as browser:
            get = browser.get("/sign-in", headers={"Host": "portal.example"}, allow_redirects=False)
            async with get as answer:
                (cookie,) = answer.headers.getall("Set-Cookie")
    assert cookie.startswith("__Host-sign-in=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))


async def test_what_nobody_foresaw_is_a_page_with_the_number_of_its_log_line(source_pool: Any) -> None:
    lines = io.StringIO()
    async with portal_pages(source_pool, failures(adapter_log("dvc", lines))) as portal, visiting(portal) as daughter:
        await portal.served.pool.execute("alter table dvc.dossier rename to elsewhere")
        page = await daughter.get(f"/dossiers/{NUMBER}")
        assert (daughter.status, "Đã xảy ra lỗi" in page, "Something went wrong" in page) == (500, True, True)
    line = json.loads(lines.getvalue())
    assert (line["level"], line["event"], line["endpoint"]) == ("error", "internal_error", "/dossiers/{number}")
    assert f"<code>{line['correlation_id']}</code>" in page
    assert line["error"] == "UndefinedTableError"
    assert not any(text in lines.getvalue() for text in (DAUGHTER, NUMBER, "elsewhere"))


def test_both_languages_say_the_same_things() -> None:
    vi, en = (catalogue.texts for catalogue in PortalWords.load(Path(web.__file__).parent / "words").values())
    assert vi.keys() == en.keys()
    for key in vi:
        assert sorted(re.findall(r"{\w+}", vi[key])) == sorted(re.findall(r"{\w+}", en[key])), key


def test_a_code_that_is_not_in_the_list_is_shown_as_it_is() -> None:
    reasons = load_return_reasons(REASONS)
    assert (reasons.words("X")["vi"], reasons.law("Y").document) == ("X", "Y")


@pytest.mark.parametrize(
    "text", ["", "[]", "reasons: {A: {}}", "reasons: {}\nlegal_references: {L: {vi: a, en: b}}", "{"]
)
def test_what_is_no_list_of_reasons_stops_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "reasons.yaml").write_text(text)
    with pytest.raises(DefinitionError):
        Pages(places_of({"DVC_REASONS": str(tmp_path / "reasons.yaml")}))
