"""Where the public files of a log are read from: a folder, or a URL that serves one."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

import aiohttp

from gateway.core.errors import MalformedMessage, PeerUnavailable, ProofRejected, SettingsError
from gateway.core.merkle.tiles import MAX_TILE_FILE, TILE_WIDTH, Tile, cut

T = TypeVar("T", bytes, bytearray)
_PATIENCE, _CONNECT = 60.0, 10.0


class Source(Protocol):
    async def read(self, path: str) -> bytes | None:
        """The file; None when it is not there, or not yet. PeerUnavailable when that cannot be known; MalformedMessage when it is
        too large."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_source(source: str) -> Source:
    """SettingsError when it is neither a folder nor an HTTP URL."""
    if source.startswith(("http://", "https://")):
        return UrlSource(source.rstrip("/"))
    if not Path(source).is_dir():
        raise SettingsError([f"{source}: neither a folder nor an http:// or https:// URL"])
    return FolderSource(Path(source))


class FolderSource:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def read(self, path: str) -> bytes | None:
        try:
            with (self._folder / path).open("rb") as file:
                return _bounded(file.read(MAX_TILE_FILE + 1), path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as e:
            raise PeerUnavailable(f"{path} cannot be read: {e.strerror}") from e

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


class UrlSource:
    """`timeout`: seconds for each file."""

    def __init__(self, url: str, timeout: float = _PATIENCE) -> None:
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, _CONNECT))
        self._session: aiohttp.ClientSession | None = None

    async def read(self, path: str) -> bytes | None:
        assert self._session is not None
        body = bytearray()
        try:
            async with self._session.get(f"{self._url}/{path}", allow_redirects=False) as response:
                if response.status in (202, 404):
                    return None
                if response.status != 200:
                    raise PeerUnavailable(f"{path}: HTTP status {response.status}")
                async for chunk in response.content.iter_chunked(65536):
                    body += chunk
                    _bounded(body, path)
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise PeerUnavailable(f"{path} cannot be read: {type(e).__name__}") from e
        return bytes(body)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()


async def read_tile(source: Source, tile: Tile) -> bytes:
    """A tile or bundle, cut from the full one when the partial one is gone. ProofRejected without either; errors of `read`."""
    found = await source.read(tile.path)
    if found is not None:
        return found
    whole = await source.read(Tile(tile.level, tile.number).path) if tile.width < TILE_WIDTH else None
    if whole is None:
        raise ProofRejected(f"{tile.path} is missing")
    return cut(whole, tile)


def _bounded(data: T, path: str) -> T:
    if len(data) > MAX_TILE_FILE:
        raise MalformedMessage(f"{path} is larger than any file of a log")
    return data
