"""What a person types."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.sdk.delivery.cli import main
from adapters.sdk.delivery.judging import Answer
from tests.support.delivery import Clock, Receiver, RoadUnderTest, Sender, message

DENIED = Answer(500, b"", error="server.serverproxy.access_denied")


async def _run(database: str, *arguments: str) -> int:
    return await asyncio.to_thread(main, ["--database", database, *arguments])


async def test_a_dead_letter_is_seen_sent_again_and_proved(
    source_parameters: dict[str, Any],
    sender_pool: Any,
    receiver: Receiver,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    sender = Sender(sender_pool, clock, RoadUnderTest(receiver, [DENIED, DENIED]))
    await sender.post(message(1, "a", body=b'"999300000017"'), message(2, "a"), message(3, "b"))
    while await sender.worker.step():
        pass
    database = f"file:{tmp_path / 'database'}"
    (tmp_path / "database").write_text(json.dumps(source_parameters), "utf-8")
    one, three = str(UUID(int=1)), str(UUID(int=3))

    assert await _run(database, "dead") == 0
    listed = capsys.readouterr().out
    assert f"{one}  a  VN/GOV/G22/lienthong/dossiers/v1/things/1  1 attempts" in listed
    assert "server.serverproxy.access_denied  1 behind" in listed
    assert "999300000017" not in listed

    assert await _run(database, "again", one, "--who", "VH-03") == 0
    assert await _run(database, "again", one) == 1
    assert await _run(database, "aside", three, "--note", "told by telephone") == 0
    assert await _run(database, "again", str(UUID(int=9))) == 1
    clock.now = await sender_pool.fetchval("select max(next_at) from delivery.outbox")  # the command has the real clock
    await sender.until_quiet()
    assert await _run(database, "show", one) == 0
    assert "delivered" in capsys.readouterr().out

    asked: list[dict[str, str]] = []

    async def asic(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        return web.Response(body=b"container")

    app = web.Application()
    app.router.add_get("/asic", asic)
    async with TestServer(app) as server:
        road = str(server.make_url("")).rstrip("/")
        target = tmp_path / "evidence.zip"
        chosen = ("--road", road, "--client", "VN/GOV/G15/hotich", "--out", str(target))
        assert await _run(database, "evidence", *chosen, one) == 0
        assert await _run(database, "evidence", *chosen, three) == 1
    delivered = await sender_pool.fetchval(
        "select attempt_id from delivery.attempt where verdict = 'delivered' and message_id = $1", one
    )
    assert (asked[0]["queryId"], asked[0]["subsystemCode"]) == (str(delivered), "hotich")
    assert target.read_bytes() == b"container"


def test_no_database_is_said_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--database", '{"host": "/nowhere", "user": "x"}', "dead"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
