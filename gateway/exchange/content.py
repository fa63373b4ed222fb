"""A body as one value, for who must look into it. Its size is known before: whoever asks has checked that it fits into memory."""

from __future__ import annotations

from gateway.exchange.states import Body


async def whole(body: Body) -> bytes:
    """All bytes: at once when they are in memory, else read from where they are spooled."""
    return body.inline if body.inline is not None else b"".join([piece async for piece in body.chunks()])
