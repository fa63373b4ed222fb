"""What nobody foresaw: on a page, for a program, in the middle of an answer; and what is no such thing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientError, web
from aiohttp.test_utils import TestClient, TestServer

from gateway.pages.failure import in_both_languages
from gateway.pages.look import Look
from gateway.pages.words import Catalogue

Reported = list[tuple[str, str, Exception]]


@pytest.fixture
def reported() -> Reported:
    return []


@pytest.fixture
async def browser(reported: Reported, tmp_path: Path) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    async def fails(request: web.Request) -> web.Response:
        raise KeyError(request.match_info["id"])

    async def breaks_off(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"begun")
        raise KeyError

    async def reads(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    told = in_both_languages(
        Look(tmp_path, {"vi": Catalogue("vi", {})}), lambda *what: reported.append(what), ("/api/",)
    )
    app = web.Application(middlewares=[told])
    app.router.add_get("/of/{id}", fails)
    app.router.add_get("/api/{id}", fails)
    app.router.add_get("/long", breaks_off)
    app.router.add_post("/read", reads)
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_a_page_in_both_languages_that_quotes_nothing(
    browser: TestClient[web.Request, web.Application], reported: Reported
) -> None:
    async with browser.get("/of/999300000017") as answer:
        page = await answer.text()
    ((number, route, error),) = reported
    assert (answer.status, answer.content_type, route) == (500, "text/html", "/of/{id}")
    assert isinstance(error, KeyError)
    assert page.count(f"<code>{number}</code>") == 2
    assert "Đã xảy ra lỗi" in page
    assert 'lang="en"' in page
    assert "999300000017" not in page


async def test_a_program_gets_a_problem(browser: TestClient[web.Request, web.Application], reported: Reported) -> None:
    async with browser.get("/api/x") as answer:
        problem = await answer.json(content_type="application/problem+json")
    assert (problem["status"], problem["correlation_id"]) == (500, reported[0][0])


async def test_an_answer_that_has_begun_breaks_off(
    browser: TestClient[web.Request, web.Application], reported: Reported
) -> None:
    with pytest.raises(ClientError):
        async with browser.get("/long") as answer:
            await answer.read()
    assert [route for _, route, _ in reported] == ["/long"]


async def test_what_the_framework_refuses_and_broken_bodies_are_foreseen(
    browser: TestClient[web.Request, web.Application], reported: Reported
) -> None:
    async with browser.get("/nowhere") as answer:
        assert answer.status == 404
    reader, writer = await asyncio.open_connection(browser.host, browser.port)
    writer.write(b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n")
    assert (await reader.readline()).split()[1] == b"400"
    writer.close()
    assert reported == []
