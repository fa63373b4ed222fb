import asyncio
import json
import logging
import socket
from pathlib import Path
from typing import Any

import pytest

from adapters.sdk import serve
from adapters.sdk.server import command_line, parse_listen
from tests.unit.adapters.sdk.toy import toy


def test_listen() -> None:
    assert parse_listen("127.0.10.1:9000") == ("127.0.10.1", 9000)
    assert parse_listen("[::1]:0") == ("::1", 0)


@pytest.mark.parametrize("text", ["", "9000", ":9000", "host:", "host:http", "host:65536", "host:-1", "host:９"])
def test_listen_fail(text: str) -> None:
    with pytest.raises(ValueError):
        parse_listen(text)


@pytest.mark.parametrize(
    "arguments", [["--listen", "x"], ["--database", "postgresql://u:hush@/d"], ["--database", "file:/nowhere/hush"]]
)
def test_command_line_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        command_line(toy(tmp_path), "127.0.0.1:0", ["--database", '{"host": "/nowhere"}', *arguments])
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith("python -m adapters.toy: ")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_serves_until_cancelled(
    tmp_path: Path,
    source_parameters: dict[str, Any],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    ready, port = asyncio.Event(), free_port()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(serve(toy(tmp_path), "127.0.0.1", port, source_parameters, ready.set))
        await asyncio.wait_for(ready.wait(), 10)
        assert b'"adapter": "toy"' in await exchange(port, request("/health"))
        assert (await exchange(port, request("/v1/things/999300000017", b"X-Long: " + b"x" * 20_000))).startswith(
            b"HTTP/1.1 200"
        )
        # Broken at the HTTP level, after something that must not be kept.
        assert b" 400 " in await exchange(port, b"GET /v1/things/999300000017 HTTP/9\r\nbad header\r\n\r\n")
        task.cancel()
    lines = capfd.readouterr().err
    assert [json.loads(line)["event"] for line in lines.splitlines()] == ["listening", "call", "call", "stopped"]
    assert [record.name for record in caplog.records] == ["adapters.sdk.http"]
    assert "999300000017" not in lines + caplog.text
    with pytest.raises(ConnectionRefusedError):
        await exchange(port, b"")


def request(path: str, header: bytes = b"Accept: */*") -> bytes:
    return b"GET " + path.encode() + b" HTTP/1.1\r\nHost: x\r\n" + header + b"\r\nConnection: close\r\n\r\n"


async def exchange(port: int, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer
