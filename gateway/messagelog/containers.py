"""Containers of recorded messages as files. The bytes depend on the record and its time-stamp alone, so a container that is written
again is the same one."""

from __future__ import annotations

import asyncio
import hashlib
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import IO

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.errors import EvidenceUnavailable
from gateway.core.messagelog.container import ZIP_COMMENT, container_files
from gateway.core.messagelog.record import MessageRecord
from gateway.core.messagelog.stamping import Stamp, stamped_container

_LARGE = 1 << 20
_EARLIEST = 1980  # the calendar of ZIP files


async def write_container(
    out: IO[bytes], record: MessageRecord, stamp: Stamp, body: AsyncIterator[bytes] | None
) -> None:
    """`body`: of a record that has one. EvidenceUnavailable when it is not the body that was recorded; what was
    written is then no container."""
    attached = record.body
    with zipfile.ZipFile(out, "w") as archive:
        archive.comment = ZIP_COMMENT
        for name, content in container_files(stamped_container(record, stamp), 0 if attached is None else 1):
            # ETSI EN 319 162-1 A.1 wants the first file as it is; X-Road packs it and takes both.
            method = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(zip_entry(name, record.time, method), content)
        if attached is not None and body is not None:
            entry = zip_entry("attachment1", record.time, zipfile.ZIP_DEFLATED)
            entry.file_size = attached.size
            running = hashlib.sha512()
            with archive.open(entry, "w") as attachment:
                async for piece in body:
                    running.update(piece)
                    await _write(attachment, piece)
            if Digest(DigestAlgorithm.SHA512, running.digest()) != attached.digest:
                raise EvidenceUnavailable("The body of a record is not the one that was recorded")


def zip_entry(name: str, time: datetime, method: int) -> zipfile.ZipInfo:
    """A header in which nothing depends on where and when it is written."""
    moment = time.astimezone(UTC)
    entry = zipfile.ZipInfo(name, (max(moment.year, _EARLIEST), *moment.timetuple()[1:6]))
    entry.compress_type = method
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    return entry


async def _write(out: IO[bytes], piece: bytes) -> None:
    """Packing a large piece takes long enough to hold up everybody else."""
    if len(piece) < _LARGE:
        out.write(piece)
    else:
        await asyncio.to_thread(out.write, piece)
