"""Raw captured HTTP messages taken apart: start line, headers, body with the chunks undone. For vectors only: trusts its input."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

VECTORS = Path(__file__).resolve().parents[2].parent / "shared" / "vectors"


@dataclass(frozen=True, slots=True)
class RawHttp:
    """`headers`: names in lower case. `pieces`: the body as it was cut into chunks (one piece without chunks)."""

    start_line: str
    headers: dict[str, str]
    pieces: tuple[bytes, ...]

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


def parse_http(raw: bytes) -> RawHttp:
    head, _, body = raw.partition(b"\r\n\r\n")
    start_line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    pieces = _chunks(body) if headers.get("transfer-encoding", "").lower() == "chunked" else (body,)
    return RawHttp(start_line, headers, pieces)


def _chunks(body: bytes) -> tuple[bytes, ...]:
    pieces: list[bytes] = []
    at = 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end].partition(b";")[0], 16)
        if size == 0:
            return tuple(pieces)
        start = end + 2
        assert body[start + size : start + size + 2] == b"\r\n"
        pieces.append(body[start : start + size])
        at = start + size + 2
