"""`GET /asic`: X-Road's parameters, statuses and sentences; nobody gets anything of another client."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest

from gateway.app.listeners import listen
from gateway.clientproxy.asic import answer_asic
from gateway.core.errors import EvidenceUnavailable
from gateway.core.identifiers import ClientId, SecurityServerId, SubsystemId
from gateway.core.messagelog.record import RecordKind
from gateway.core.serverconf.model import Client, ConnectionType, ServerConf
from gateway.exchange.states import InformationSystem
from gateway.httpd.values import Answer, Request
from tests.support.rawhttp import free_port

DVC = SubsystemId("VN", "GOV", "G22", "dvc")
SECRET = SubsystemId("VN", "GOV", "G22", "secret")
CONF = ServerConf(
    SecurityServerId("VN", "GOV", "G22", "ss1"),
    {
        DVC: Client(DVC, connection=ConnectionType.HTTP),
        SECRET: Client(SECRET, connection=ConnectionType.MUTUAL_TLS, certificates=(b"right",)),
    },
)
WHO = "xRoadInstance=VN&memberClass=GOV&memberCode=G22&subsystemCode=dvc"
PLAIN = InformationSystem(False, None)
TIME = datetime(2026, 11, 24, 8, tzinfo=UTC)


@dataclass(frozen=True)
class OneContainer:
    name: str
    content: bytes
    time: datetime = TIME

    async def write(self, out: IO[bytes]) -> None:
        out.write(self.content)


@dataclass
class FakeContainers:
    found: list[OneContainer] = field(default_factory=list)
    stamped: bool = True
    asked: list[tuple[str, ClientId | None, RecordKind | None, bool]] = field(default_factory=list)

    async def find(
        self, message_id: str, *, client: ClientId | None = None, kind: RecordKind | None = None, force: bool = False
    ) -> Sequence[OneContainer]:
        self.asked.append((message_id, client, kind, force))
        if not self.stamped and not force:
            raise EvidenceUnavailable("Message signature has not been timestamped yet!", code="internal_error")
        return self.found


A, B = OneContainer("a-request-1.asice", b"first"), OneContainer("a-response-2.asice", b"second" * 100_000)


@asynccontextmanager
async def serving(containers: FakeContainers, system: InformationSystem = PLAIN) -> AsyncIterator[str]:
    async def handle(request: Request) -> Answer:
        query = dict(parse_qsl(urlsplit(request.target).query, keep_blank_values=True))
        return await answer_asic(query, containers, CONF, system)

    port = free_port()
    async with AsyncExitStack() as stack:
        await listen(stack, handle, "127.0.0.1", port)
        yield f"http://127.0.0.1:{port}/asic"


async def get(
    containers: FakeContainers, query: str, system: InformationSystem = PLAIN
) -> tuple[int, str, str | None, bytes]:
    """(status, content type, disposition, body)"""
    async with (
        serving(containers, system) as url,
        aiohttp.ClientSession() as session,
        session.get(f"{url}?{query}") as r,
    ):
        return r.status, r.headers["Content-Type"], r.headers.get("Content-Disposition"), await r.read()


async def test_all_containers_of_a_message_come_as_a_zip() -> None:
    containers = FakeContainers([A, B])
    status, kind, disposition, body = await get(containers, f"{WHO}&queryId=a/b%20c")
    assert (status, kind, disposition) == (200, "application/zip", 'attachment; filename="a%2Fb+c.zip"')
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert {i.filename: (archive.read(i), i.compress_type) for i in archive.infolist()} == {
            A.name: (A.content, zipfile.ZIP_STORED),
            B.name: (B.content, zipfile.ZIP_STORED),
        }
    assert containers.asked == [("a/b c", DVC, None, False)]


@pytest.mark.parametrize(("flag", "kind"), [("requestOnly", "request"), ("responseOnly", "response")])
async def test_one_kind(flag: str, kind: RecordKind) -> None:
    containers = FakeContainers([A])
    status, _, disposition, _ = await get(containers, f"{WHO}&queryId=a&{flag}")
    assert (status, disposition) == (200, f'attachment; filename="a-{kind}.zip"')
    assert containers.asked == [("a", DVC, kind, False)]


async def test_unique_is_the_container_itself_the_newest_of_several() -> None:
    status, kind, disposition, body = await get(FakeContainers([A, B]), f"{WHO}&queryId=a&unique&responseOnly")
    assert (status, kind) == (200, "application/vnd.etsi.asic-e+zip")
    assert disposition == f'attachment; filename="{B.name}"'
    assert body == B.content


async def test_force_stamps_what_has_no_time_stamp() -> None:
    refused = await get(FakeContainers([A], stamped=False), f"{WHO}&queryId=a")
    assert (refused[0], refused[3]) == (500, b"Message signature has not been timestamped yet!")
    status, *_ = await get(FakeContainers([A], stamped=False), f"{WHO}&queryId=a&force")
    assert status == 200


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("memberClass=GOV&memberCode=G22&queryId=a", 400, 'Parameter "xRoadInstance"  must be specified.'),
        ("xRoadInstance=VN&memberCode=G22&queryId=a", 400, 'Parameter "memberClass"  must be specified.'),
        ("xRoadInstance=VN&memberClass=GOV&queryId=a", 400, 'Parameter "memberCode"  must be specified.'),
        (WHO, 400, 'Parameter "queryId"  must be specified.'),
        (f"{WHO}&queryId=a&unique", 400, 'Parameter "unique" not applicable without "requestOnly" or "responseOnly".'),
        (
            f"{WHO}&queryId=a&requestOnly&responseOnly",
            400,
            'Parameters "requestOnly" and "responseOnly" cannot be used at the same time.',
        ),
        (f"{WHO}&queryId=a", 404, "No signed documents found"),
        (
            "xRoadInstance=VN&memberClass=GOV&memberCode=G15&subsystemCode=hotich&queryId=a",
            401,
            "Client 'VN/GOV/G15/hotich' not found",
        ),
        ("xRoadInstance=VN&memberClass=GOV&memberCode=G22&queryId=a", 401, "Client 'VN/GOV/G22' not found"),
    ],
)
async def test_refusals_are_plain_text(query: str, status: int, text: str) -> None:
    found = await get(FakeContainers(), query)
    assert (found[0], found[1], found[3].decode()) == (status, "text/plain; charset=utf-8", text)


SECRETS = WHO.replace("dvc", "secret") + "&queryId=a"


@pytest.mark.parametrize(
    ("system", "status"),
    [
        (InformationSystem(False, None), 401),
        (InformationSystem(True, None), 401),
        (InformationSystem(True, b"wrong"), 401),
        (InformationSystem(True, b"right"), 200),
    ],
)
async def test_the_connection_must_be_what_the_client_asks_for(system: InformationSystem, status: int) -> None:
    """Exactly as for a call; the log is not even asked before."""
    containers = FakeContainers([A])
    assert (await get(containers, SECRETS, system))[0] == status
    assert len(containers.asked) == (1 if status == 200 else 0)


async def test_a_container_that_cannot_be_written_is_an_error_and_not_half_a_file() -> None:
    class Spoilt(OneContainer):
        async def write(self, out: IO[bytes]) -> None:
            out.write(b"half")
            raise EvidenceUnavailable("The body of a record is not the one that was recorded")

    status, _, _, body = await get(FakeContainers([A, Spoilt("b", b"")]), f"{WHO}&queryId=a")
    assert (status, body) == (500, b"The body of a record is not the one that was recorded")
