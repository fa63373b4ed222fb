"""HTTP by hand: any bytes to a port, and whatever comes back until the other side has nothing more to say."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence

from tests.support.http_raw import RawHttp, parse_http

_PATIENCE = 10.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def talk(
    host: str,
    port: int,
    *pieces: bytes,
    tls: ssl.SSLContext | None = None,
    pause: float = 0.0,
    finish: bool = False,
    hang_up: bool = False,
    to_end: bool = False,
) -> bytes:
    """Send the pieces, `pause` seconds between them; read one response, or `to_end`: all there is until the connection ends.
    `finish`: say that nothing more comes; `hang_up`: go away instead of reading. ConnectionError and SSLError when the other
    side refuses."""
    async with asyncio.timeout(_PATIENCE):
        reader, writer = await asyncio.open_connection(host, port, ssl=tls)
        try:
            for n, piece in enumerate(pieces):
                if n:
                    await asyncio.sleep(pause)
                writer.write(piece)
                await writer.drain()
            if hang_up:
                writer.transport.abort()
                return b""
            if finish:
                writer.write_eof()
            return await reader.read() if to_end else await _response(reader)
        finally:
            writer.transport.abort()


async def hardly_read(host: str, port: int, data: bytes, seconds: float) -> bytes:
    """Send, take nothing for so long, then a little. The receive buffer is as small as it gets."""
    async with asyncio.timeout(_PATIENCE):
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(connection, (host, port))
            await loop.sock_sendall(connection, data)
            await asyncio.sleep(seconds)
            return await loop.sock_recv(connection, 65536)


async def _response(reader: asyncio.StreamReader) -> bytes:
    data = b""
    while piece := await reader.read(65536):
        data += piece
        final, blank, body = data.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n\r\n")
        length = [line[15:] for line in final.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if blank and length and len(body) >= int(length[0]):
            break
    return data


def head(first: str, headers: Sequence[tuple[str, str | bytes]]) -> bytes:
    """A request head as written, whatever it may hold."""
    lines = [first.encode("latin-1")]
    lines += (n.encode("latin-1") + b": " + (v if isinstance(v, bytes) else v.encode("latin-1")) for n, v in headers)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def answer(data: bytes) -> RawHttp:
    """The one response in `data`; AssertionError for none."""
    assert data.startswith(b"HTTP/"), data[:200]
    return parse_http(data)
