"""Answers of one connection, written as fast as the caller takes them."""

from __future__ import annotations

import asyncio

from gateway.httpd.printing import print_head, without_body
from gateway.httpd.values import Answer, CallerGone

_PIECE = 256 * 1024  # bytes to write at a time: a slow caller would not take all of a large body within `patience`


class AnswerWriter:
    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._room: asyncio.Future[None] | None = None  # while there is none

    def pause(self) -> None:
        self._room = asyncio.get_running_loop().create_future()

    def resume(self) -> None:
        """There is room, or nothing will ever be taken."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    def write(self, data: bytes) -> None:
        """CallerGone."""
        if self._transport.is_closing():
            raise CallerGone("The caller hung up")
        self._transport.write(data)

    async def send(self, method: str, version: str, answer: Answer, *, keep: bool) -> None:
        """The answer to a request with this method and version; in one piece when its body is small and in memory. CallerGone;
        TimeoutError when the caller takes nothing; ValueError for an answer that is none."""
        head = print_head(method, version, answer, keep=keep)
        if without_body(method, answer.status):
            await self._give(head, answer.patience)
        elif answer.pieces is None:
            data = head + answer.body
            for start in range(0, len(data), _PIECE):
                await self._give(data[start : start + _PIECE], answer.patience)
        else:
            await self._give(head, answer.patience)
            left = answer.length
            async for piece in answer.pieces:
                left -= len(piece)
                if left < 0:
                    break
                await self._give(piece, answer.patience)
            if left:
                raise ValueError("an answer has not the length that it says")

    async def _give(self, data: bytes, patience: float) -> None:
        self.write(data)
        if self._room is not None:
            async with asyncio.timeout(patience):
                await self._room
