"""One notice of every facility, through two security servers and the signature gate of the second, and the gate's report of them.

A facility that is not answered sends again, under the same key: its notice arrives once, whoever is killed meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import aiohttp

from adapters.sdk import Adapter, Call, Connection, Effect, JsonObject
from gateway.core.identifiers import parse_client_id, parse_service_id
from tests.architecture.source import ROOT
from tests.simulation.instance import GATE, HOSPITALS, Instance
from tests.support.documents import Documents, notice

_AT_ONCE = 12
_SECONDS = 30.0
_PAUSE = 0.25
_OPENAPI = """
    openapi: 3.0.3
    info: {title: notices, version: 1.0.0}
    paths:
      /v1/notices:
        post:
          parameters:
            - {name: Idempotency-Key, in: header, required: true, schema: {type: string, format: uuid}}
          requestBody:
            content:
              application/json:
                schema:
                  type: object
                  additionalProperties: false
                  required: [facility, document]
                  properties: {facility: {type: integer}, document: {type: string}}
          responses: {'201': {description: taken}}
"""
_MANIFEST = f"""
    name: notices
    title: Notices
    owner: GOV/G15
    synthetic: true
    service: {GATE}
    endpoints:
      POST /v1/notices: {{action: {{vi: Gửi, en: Send}}, subjects: none}}
"""
SCHEMA = "--- 1: notices\ncreate table notice (facility int);\n"  # nothing forbids doubles here


def gate_adapter(folder: Path) -> Adapter:
    """The service behind the gate: it takes notices in, once for each key."""

    async def take(call: Call, connection: Connection) -> JsonObject:
        await connection.execute("insert into notice values ($1)", call.body["facility"])
        return {"facility": call.body["facility"]}

    folder.mkdir(exist_ok=True)
    for name, text in (("openapi.yaml", _OPENAPI), ("manifest.yaml", _MANIFEST)):
        (folder / name).write_text(dedent(text), "utf-8")
    (folder / "schema.sql").write_text(SCHEMA, "utf-8")
    return Adapter("notices", folder, lambda _: (Effect("POST", "/v1/notices", take, messages=True),))


def hospitals(now: datetime) -> Documents:
    """The authority of facilities, at this moment."""
    world = Documents()
    world.pki.now = now
    world.signer = world.issue()
    return world


class Facilities:
    """`causes`: how each facility signs, by its number."""

    def __init__(self, instance: Instance, world: Documents, causes: Sequence[str]) -> None:
        self._instance = instance
        self._world = world
        self.causes = causes
        self.sent = 0

    async def send_all(self) -> None:
        """Returns when every notice was taken."""
        waiting = list(range(len(self.causes)))
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        async with aiohttp.ClientSession(trust_env=False, timeout=timeout) as session, asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(self._senders(session, waiting))

    async def _senders(self, session: aiohttp.ClientSession, waiting: list[int]) -> None:
        while waiting:
            number = waiting.pop()
            document = b64encode(self._written(number)).decode()
            body = json.dumps({"facility": number, "document": document}).encode()
            while not await self._send(session, number, body):
                await asyncio.sleep(_PAUSE)
            self.sent += 1

    async def _send(self, session: aiohttp.ClientSession, number: int, body: bytes) -> bool:
        headers = {
            "X-Road-Client": parse_client_id(HOSPITALS).encoded(),
            "Idempotency-Key": str(uuid.uuid5(uuid.NAMESPACE_URL, f"facility/{number}")),
            "Content-Type": "application/json",
        }
        target = f"{self._instance.road(HOSPITALS)}/r1/{parse_service_id(GATE).encoded()}/v1/notices"
        try:
            async with session.post(target, data=body, headers=headers) as answer:
                await answer.read()
                return answer.status == 201
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    def _written(self, number: int) -> bytes:
        """The notice as the facility signs it, if it does."""
        world, text = self._world, notice(code_of(number))
        match self.causes[number]:
            case "unsigned":
                return text.encode()
            case "good":
                return world.signed(text, by=world.issue(code_of(number)))
            case "altered":
                return world.signed(text, by=world.issue(code_of(number))).replace("Bé".encode(), "Bế".encode())
            case "untrusted":
                return world.signed(text, by=world.issue("00000"))  # somebody else's certificate
            case "expired":
                ended = world.now - timedelta(hours=1)
                before = world.now - timedelta(days=9)
                return world.signed(text, by=world.issue(code_of(number), not_before=before, not_after=ended))
            case "signing_time":
                return world.signed(text, by=world.issue(code_of(number)), time="")
            case _:
                twice = world.signed(text, by=world.issue(code_of(number)))
                return world.signed(twice.decode().partition("?>")[2], by=world.issue(code_of(number)))


def code_of(number: int) -> str:
    return f"{number:05}"


async def report(instance: Instance, since: datetime) -> tuple[Mapping[str, int], Mapping[str, frozenset[str]]]:
    """What `gateway documents report` says of the months since then: its totals, and the causes of each facility."""
    totals: dict[str, int] = {}
    causes: dict[str, frozenset[str]] = {}
    server = f"VN/GOV/{GATE.split('/')[2]}/ss1"
    for month in sorted({f"{moment:%Y-%m}" for moment in (_here(since), _here(datetime.now(UTC)))}):
        command = ("-m", "gateway", "documents", "report", "--server", server, "--month", month, "--json")
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, "--configs", str(instance.configs), stdout=asyncio.subprocess.PIPE, cwd=ROOT
        )
        out, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError("the report of facilities cannot be made")
        found: dict[str, Any] = json.loads(out)
        for name in ("facilities", "failing", "documents"):
            totals[name] = totals.get(name, 0) + found[name]
        for line in found["by_facility"]:
            told = frozenset(line["causes"]) | (frozenset({"good"}) if line["good"] else frozenset())
            causes[line["facility"]] = causes.get(line["facility"], frozenset()) | told
    return totals, causes


def _here(moment: datetime) -> datetime:
    return moment + timedelta(hours=7)
