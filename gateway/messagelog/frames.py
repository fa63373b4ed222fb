"""Frames of signatures (`core/messagelog/frames.py`): each stands once a day in `signature_frame`, and records name it.

    seen first    the record holds its signature whole: a frame that nobody uses again is not worth a row
    seen again    the frame is written in the transaction of the record that names it
    durable       records name it, and it is not written again

A record names the frame of its own day (UTC, of its time) by SHA-256, so a frame is needed exactly as long as its day has records.
If we crash anywhere, frame and record are both there or neither is. What another server writes at the same moment is waited for:
then it is there, or it is ours. With a lost connection everything is forgotten: a database that went back in time, as after a
failover, may have lost what was durable.

Frames go with the last record of their day, when a week has passed and there are frames of a day a week later (`archiver.py`). A
record that is written more than a day late holds its signature whole, so none can name a frame that has gone.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias

import asyncpg

from gateway.core.errors import MalformedMessage
from gateway.core.messagelog.frames import Apart, pieces_of, put_together, take_apart, values_along
from gateway.core.messagelog.record import MessageRecord

_LATE = timedelta(days=1)
_SHORTEST, _LONGEST = 512, 32 << 10  # bytes of a signature that comes apart
_REMEMBERED = 8 << 20  # bytes of frames: more than a thousand
_LIKELY = 64  # lengths of signatures

# For queries over `message_record AS r`: what `signature_of` reads.
_OF_RECORD = "FROM signature_frame AS f WHERE f.day = (r.time AT TIME ZONE 'UTC')::date AND f.digest = r.frame_digest"
FRAME = f"(SELECT f.frame {_OF_RECORD}) AS frame"
COLUMNS = f"r.signature, r.signature_values, r.frame_digest, {FRAME}"
LENGTH = f"""
coalesce(length(r.signature), length(r.signature_values) + (SELECT length(f.frame) {_OF_RECORD}), 0)"""
KEEP_FRAME = "INSERT INTO signature_frame (day, digest, frame) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"

SignatureColumns: TypeAlias = tuple[bytes | None, bytes | None, bytes | None]
"""`signature`, or `signature_values` and `frame_digest`."""
FrameKey: TypeAlias = tuple[date, bytes]
"""Day, and SHA-256 of the frame."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the signatures of some records go, and the frames to be written with them."""

    columns: Sequence[SignatureColumns]
    new: Mapping[FrameKey, bytes]


@dataclass(slots=True)
class _Known:
    """`day`: for which it is durable."""

    frame: bytes
    pieces: tuple[bytes, ...]
    digest: bytes
    day: date | None = None


class KnownFrames:
    """What one writer knows of frames; of very many those that were used last. `_likely`: by the length of a signature the frame
    that the last of that length had; it is looked at first."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Known] = {}
        self._bytes = 0
        self._likely: dict[int, _Known] = {}

    def place(self, records: Sequence[MessageRecord], now: datetime) -> Placed:
        """Changes nothing about what is durable."""
        new: dict[FrameKey, bytes] = {}
        return Placed([self._columns(record, now, new) for record in records], new)

    def durable(self, frames: Mapping[FrameKey, bytes]) -> None:
        """The transaction with these frames was committed."""
        for (day, _), frame in frames.items():
            if (known := self._known.get(frame)) is not None:
                known.day = day

    def forget(self) -> None:
        self._known.clear()
        self._bytes = 0
        self._likely.clear()

    def _columns(self, record: MessageRecord, now: datetime, new: dict[FrameKey, bytes]) -> SignatureColumns:
        signature, late = record.signature, now - record.time > _LATE
        found = None if late or not _SHORTEST <= len(signature) <= _LONGEST else self._find(signature)
        if found is None:
            return signature, None, None
        known, values = found
        day = record.time.astimezone(UTC).date()
        if known.day != day:
            new[day, known.digest] = known.frame
        return None, values, known.digest

    def _find(self, signature: bytes) -> tuple[_Known, bytes] | None:
        """Its frame and its values. None when it does not come apart, or its frame is seen for the first time."""
        likely = self._likely.get(len(signature))
        values = None if likely is None else values_along(likely.pieces, signature)
        if likely is not None and values is not None and self._known.get(likely.frame) is likely:
            self._known[likely.frame] = self._known.pop(likely.frame)
            return likely, values
        apart = take_apart(signature)
        if apart is None:
            return None
        known = self._known.pop(apart.frame, None)
        if known is None:
            self._learn(apart.frame)
            return None
        self._known[known.frame] = known
        if len(self._likely) >= _LIKELY:
            self._likely.clear()
        self._likely[len(signature)] = known
        return known, apart.values

    def _learn(self, frame: bytes) -> None:
        self._known[frame] = _Known(frame, pieces_of(frame), hashlib.sha256(frame).digest())
        self._bytes += len(frame)
        while self._bytes > _REMEMBERED:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._bytes -= len(oldest)


def whole(records: Sequence[MessageRecord]) -> list[SignatureColumns]:
    return [(record.signature, None, None) for record in records]


async def keep(connection: asyncpg.Connection, frames: Mapping[FrameKey, bytes]) -> None:
    """In the transaction of the records that name them. Every writer in the same order: none waits for another in a circle."""
    for (day, digest), frame in sorted(frames.items()):
        await connection.execute(KEEP_FRAME, day, digest, frame)


def signature_of(row: asyncpg.Record) -> bytes:
    """A record's signature XML, every byte as it came, from `COLUMNS`. MalformedMessage when its frame is missing or altered."""
    if row["signature"] is not None:
        return bytes(row["signature"])
    frame = row["frame"]
    if frame is None:
        raise MalformedMessage("the frame of its signature is not in the log")
    if not hmac.compare_digest(hashlib.sha256(frame).digest(), row["frame_digest"]):
        raise MalformedMessage("the frame of its signature was altered")
    return put_together(Apart(frame, row["signature_values"]))
