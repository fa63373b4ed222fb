"""Every kind of source keeps the promises of `adapters/sdk/sources/port.py`. What they talk to is real: files, HTTP, PostgreSQL."""

from __future__ import annotations

import asyncio
import csv
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree  # another XML implementation than the one under test
from xml.sax.saxutils import escape

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.sdk import open_pool
from adapters.sdk.problems import SourceUnavailable
from adapters.sdk.sources import CsvSource, RecordSource, RestSource, RoadSource, SoapSource, TableSource
from gateway.storage.embedded import EmbeddedPostgres

CARDS: dict[str, dict[str, str | None]] = {
    "TV-0001": {"number": "TV-0001", "holder": "Nguyễn Thị Minh Anh", "until": "2027-01-31"},
    "TV-0002": {"number": "TV-0002", "holder": "Trần <Văn> & 'Hòa'", "until": None},
    "thẻ / 1": {"number": "thẻ / 1", "holder": "x", "until": None},
}
NS = "urn:example:cards"


@dataclass
class Opened:
    """A source, and ways to break what it asks: `away` stops it, `spoil` makes it say something else."""

    source: RecordSource
    away: Callable[[], Awaitable[None]]
    spoil: Callable[[], Awaitable[None]]


@dataclass
class Answers:
    """What a server says instead of the truth."""

    instead: bytes | None = None


@asynccontextmanager
async def served(
    handler: Callable[[web.Request], Awaitable[web.Response]], method: str, path: str
) -> AsyncIterator[Any]:
    app = web.Application()
    app.router.add_route(method, path, handler)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield server, session


@asynccontextmanager
async def rest(_: Path, __: EmbeddedPostgres) -> AsyncIterator[Opened]:
    said = Answers()

    async def card(request: web.Request) -> web.Response:
        if said.instead is not None:
            return web.Response(body=said.instead, content_type="application/json")
        found = CARDS.get(request.match_info["number"])
        return web.json_response(found or {"error": "none"}, status=200 if found else 404)

    async with served(card, "GET", "/cards/{number}") as (server, session):

        async def spoil() -> None:
            said.instead = b'["TV-0001"]'

        yield Opened(RestSource(session, str(server.make_url("/cards/")), 5.0), server.close, spoil)


@asynccontextmanager
async def road(_: Path, __: EmbeddedPostgres) -> AsyncIterator[Opened]:
    """Behind a client proxy, which passes the service's answers on and says in its own words what it cannot."""
    said = Answers()

    async def card(request: web.Request) -> web.Response:
        assert (request.headers["X-Road-Client"], request.headers["Purpose-Code"]) == ("VN/GOV/G15/hotich", "P")
        if said.instead is not None:
            headers = {"X-Road-Error": "server.clientproxy.unknown_member"}
            return web.Response(status=404, body=said.instead, content_type="application/json", headers=headers)
        found = CARDS.get(request.match_info["number"])
        return web.json_response(found or {"code": "not_found"}, status=200 if found else 404)

    async with served(card, "GET", "/r1/VN/GOV/G16/library/cards/v1/cards/{number}") as (server, _):

        async def spoil() -> None:
            said.instead = b"{}"

        asks = ("VN/GOV/G15/hotich", "VN/GOV/G16/library/cards", "/v1/cards/", "P")
        yield Opened(RoadSource(str(server.make_url("/")), *asks), server.close, spoil)


@asynccontextmanager
async def soap(_: Path, __: EmbeddedPostgres) -> AsyncIterator[Opened]:
    said = Answers()

    async def card(request: web.Request) -> web.Response:
        root = ElementTree.fromstring(await request.read())  # noqa: S314 - our own request
        number = root.findtext(f".//{{{NS}}}getCard/{{{NS}}}number") or ""
        values = "".join(f"<{n}>{escape(t or '')}</{n}>" for n, t in CARDS.get(number, {}).items())
        body = f'<getCardResponse xmlns="{NS}">{values}</getCardResponse>'
        envelope = (
            f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{body}</s:Body></s:Envelope>'
        )
        return web.Response(body=said.instead or envelope.encode(), content_type="text/xml")

    async with served(card, "POST", "/soap") as (server, session):

        async def spoil() -> None:
            said.instead = b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'

        yield Opened(SoapSource(session, str(server.make_url("/soap")), NS, "getCard", "number"), server.close, spoil)


@asynccontextmanager
async def csv_file(folder: Path, _: EmbeddedPostgres) -> AsyncIterator[Opened]:
    path = folder / "cards.csv"

    def write(rows: list[dict[str, str | None]]) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            out = csv.DictWriter(file, ["number", "holder", "until"])
            out.writeheader()
            out.writerows(rows)

    async def away() -> None:
        path.unlink()

    async def spoil() -> None:
        write([*CARDS.values(), CARDS["TV-0001"]])

    write(list(CARDS.values()))
    yield Opened(CsvSource(path, "number"), away, spoil)


@asynccontextmanager
async def table(_: Path, pg: EmbeddedPostgres) -> AsyncIterator[Opened]:
    name = "c_" + uuid.uuid4().hex[:12]
    owner = await asyncpg.connect(**pg.dsn_kwargs())
    await owner.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(pg.dsn_kwargs(name), "test"))
        await pool.execute("create table card (number text, holder text, until date)")
        await pool.executemany(
            "insert into card values ($1, $2, $3::text::date)", [tuple(card.values()) for card in CARDS.values()]
        )

        async def spoil() -> None:
            await pool.execute("insert into card select * from card")

        sql = "select number, holder, until::text from card where number = $1"
        yield Opened(TableSource(pool, sql), pool.close, spoil)
    await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await owner.close()


KINDS = {"rest": rest, "road": road, "soap": soap, "csv": csv_file, "table": table}


@pytest.fixture(params=KINDS)
async def opened(request: pytest.FixtureRequest, tmp_path: Path, pg: EmbeddedPostgres) -> AsyncIterator[Opened]:
    async with KINDS[request.param](tmp_path, pg) as found:
        yield found


async def test_every_record_is_found_as_it_is(opened: Opened) -> None:
    assert {key: await opened.source.find(key) for key in CARDS} == CARDS


@pytest.mark.parametrize(
    "key",
    ["", "TV-0003", "tv-0001", " TV-0001", "TV-0001 ", "' or 1=1 --", "%", "*", ".", "..", "../cards/TV-0001",
     "TV-0001?x", "TV-0001#x", "TV%2D0001", "</number><number>TV-0001", "TV-0001\x00", "\x01", "TV-0001\n", "x" * 5000],
)  # fmt: skip
async def test_no_other_key_finds_anything(opened: Opened, key: str) -> None:
    assert await opened.source.find(key) is None


async def test_any_text_is_a_key(opened: Opened) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.nested_given])
    @given(st.lists(st.text(max_size=20).filter(lambda t: t not in CARDS), max_size=3))
    def drawn(keys: list[str]) -> None:
        asked.extend(keys)

    asked: list[str] = []
    drawn()
    for key in asked:
        assert await opened.source.find(key) is None


async def test_a_source_that_is_away_says_so(opened: Opened) -> None:
    await opened.away()
    with pytest.raises(SourceUnavailable) as raised:
        await opened.source.find("TV-0001")
    assert "TV-0001" not in str(raised.value)


async def test_what_it_should_not_answer_is_no_record(opened: Opened) -> None:
    await opened.spoil()
    with pytest.raises(SourceUnavailable):
        await opened.source.find("TV-0001")


async def test_many_at_once(opened: Opened) -> None:
    found = await asyncio.gather(*(opened.source.find(key) for key in [*CARDS, "TV-0003"] * 5))
    assert found == [*CARDS.values(), None] * 5


async def test_a_new_file_is_read_and_an_old_one_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "cards.csv"
    source = CsvSource(path, "number")
    path.write_text("\ufeffnumber,holder\r\nTV-1,\r\n", "utf-8")
    assert await source.find("TV-1") == {"number": "TV-1", "holder": None}
    path.with_suffix(".new").write_text("number,holder\nTV-2,Hòa\n", "utf-8")
    path.with_suffix(".new").rename(path)
    assert (await source.find("TV-1"), await source.find("TV-2")) == (None, {"number": "TV-2", "holder": "Hòa"})
    path.write_bytes(b"number,holder\nTV-2,\xff\xff\xff\n")
    for _ in range(2):
        with pytest.raises(SourceUnavailable):
            await source.find("TV-2")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "holder\nx\n",
        "number,number\n1,2\n",
        "number,holder\n1\n",
        "number\n1,2\n",
        'number\n""\n',
        "number\n1\n1\n",
    ],
)
async def test_a_broken_file_fail(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cards.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(SourceUnavailable):
        await CsvSource(path, "number").find("1")


ENVELOPE = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{}</s:Body></s:Envelope>'
ANSWERS = {
    "a redirect": (302, b""),
    "an error": (500, b"{}"),
    "no JSON, no XML": (200, b"\xff"),
    "nothing": (200, b""),
    "too large": (200, b" " * (1024 * 1024 + 1)),
    "a fault": (200, ENVELOPE.format("<s:Fault><faultstring>x</faultstring></s:Fault>").encode()),
    "a value twice": (200, ENVELOPE.format("<r><a>1</a><a>2</a></r>").encode()),
    "elements inside a value": (200, ENVELOPE.format("<r><a><b/></a></r>").encode()),
    "an entity": (200, b'<!DOCTYPE s [<!ENTITY e "x">]>' + ENVELOPE.format("<r>&e;<a>&e;</a></r>").encode()),
    "two answers": (200, ENVELOPE.format("<r/><r/>").encode()),
    "another root": (200, b"<r/>"),
}


@pytest.mark.parametrize("kind", ["rest", "soap"])
@pytest.mark.parametrize(("status", "body"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_strange_answers_fail(kind: str, status: int, body: bytes) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers={"Location": "http://127.0.0.1:1/"})

    async with served(answer, "*", "/{any:.*}") as (server, session):
        url = str(server.make_url("/x/"))
        source = RestSource(session, url) if kind == "rest" else SoapSource(session, url, NS, "getCard", "number")
        with pytest.raises(SourceUnavailable):
            await source.find("TV-0001")


@pytest.mark.parametrize("kind", ["rest", "soap"])
async def test_silence_ends(kind: str) -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with served(never, "*", "/{any:.*}") as (server, session):
        url = str(server.make_url("/x/"))
        source = (
            RestSource(session, url, 0.05) if kind == "rest" else SoapSource(session, url, NS, "a", "b", seconds=0.05)
        )
        with pytest.raises(SourceUnavailable):
            await source.find("TV-0001")


async def test_nobody_listens() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(SourceUnavailable):
            await RestSource(session, f"http://127.0.0.1:{unused_port()}/").find("TV-0001")
