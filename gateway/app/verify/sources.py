"""Where the public files of a log are read from: a folder, or a URL that serves one."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

import aiohttp

from gateway.core.errors import MalformedMessage, PeerUnavailable, SettingsError
from gateway.core.merkle.tiles import MAX_TILE_FILE

T = TypeVar("T", bytes, bytearray)
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10)


class Source(Protocol):
    async def read(self, path: str) -> bytes | None:
        """The file; None when it is not there. PeerUnavailable when that cannot be known; MalformedMessage when it is too large."""

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
    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def read(self, path: str) -> bytes | None:
        assert self._session is not None
        body = bytearray()
        try:
            async with self._session.get(f"{self._url}/{path}", allow_redirects=False) as response:
                if response.status == 404:
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
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()


def _bounded(data: T, path: str) -> T:
    if len(data) > MAX_TILE_FILE:
        raise MalformedMessage(f"{path} is larger than any file of a log")
    return data
