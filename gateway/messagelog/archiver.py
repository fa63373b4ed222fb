"""Moves time-stamped records into linked archives, then removes them from the database when their time is up (reference 6.3).

One archive, with what is true if we crash behind each line:

1. Its records are chosen and written down (`planned`).                  The next round makes this very archive.
2. The file is written under a working name and synced.                  The next round writes it again.
3. Its name and last chain digest are written down (`named`).            The next round looks for that file.
4. The file gets its name; the folder is synced.                         The next round finds it whole, and goes on with 5.
5. The archive is written down as `durable`.                             Only now may anything be removed.

Archives of a chain are made in order: while one cannot be made, none behind it is. Records go only with a whole archive that is
durable, and by default only while its file is still in the folder and whole. A record without a time-stamp is in no archive.
An archive in clear is the same bytes whenever it is written; one encrypted to recipients is not, so `named` holds its SHA-512. What
is put together on the way stands sealed in temporary files (`sealedfile.py`).
Runs as the owner of the tables; the role that serves can do none of this.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.errors import EvidenceUnavailable, GatewayError
from gateway.core.messagelog.container import container_name
from gateway.core.messagelog.linking import LINKING_INFO, ArchiveEnd, archive_name, link, print_linking_info, safe_group
from gateway.core.messagelog.record import UnreadableRecord
from gateway.exchange.ports import Clock
from gateway.messagelog.archivecipher import SUFFIX, ArchiveRecipients, encrypt
from gateway.messagelog.archivefolder import ArchiveFolder
from gateway.messagelog.archivetables import ArchiveRow, ArchiveTables, Grouping, RecordKey, StampedRecord, batches_of
from gateway.messagelog.containers import write_container, zip_entry
from gateway.messagelog.keysource import KeySource
from gateway.messagelog.reader import MessageLogReader
from gateway.messagelog.sealedfile import sealed_file
from gateway.messagelog.stamps import stamp_of
from gateway.storage.database import Database
from gateway.storage.failures import DATABASE_ERRORS

_IN_MEMORY = 4 << 20
_ARCHIVE_IN_MEMORY = 32 << 20  # packed: more than most have
_COPY = 1 << 20
_FRAMES_STAY = 7  # days behind their day; records that come later than one day name none (`frames.py`)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ArchivePolicy:
    """`max_size`: bytes of evidence after which an archive is ended. `keep`: how long records stay in the database. `needs_file`:
    they stay longer when their archive is not in the folder any more, or not whole. `recipients`: who can open archives; None: they
    are in clear."""

    group_by: Grouping = "none"
    max_size: int = 32 << 20
    keep: timedelta = timedelta(days=30)
    needs_file: bool = True
    recipients: ArchiveRecipients | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a round would do. `waiting`: time-stamped records that are in no archive; `unfinished`: archives begun before;
    `removable`: archives whose records would be removed."""

    waiting: tuple[StampedRecord, ...]
    unfinished: tuple[ArchiveRow, ...]
    removable: tuple[ArchiveRow, ...]


@dataclass(frozen=True, slots=True)
class Archived:
    """What a round did. `problems`: a sentence for each chain that could not go on and each archive whose records had to stay."""

    archives: tuple[str, ...]
    removed_records: int
    problems: tuple[str, ...]


class Archiver:
    def __init__(
        self,
        database: Database,
        clock: Clock,
        folder: ArchiveFolder,
        policy: ArchivePolicy,
        *,
        every: timedelta = timedelta(hours=6),
        keys: KeySource | None = None,
    ) -> None:
        self._database = database
        self._reader = MessageLogReader(database.pool, keys)
        self._clock = clock
        self._folder = folder
        self._policy = policy
        self._every = every
        self.problems: tuple[str, ...] = ()  # of the last round

    async def run(self) -> None:
        """A round every now and then until cancelled. A failed one loses nothing; the next goes on where it stopped."""
        while True:
            await asyncio.sleep(self._every.total_seconds())
            try:
                self.problems = (await self.once()).problems
            except GatewayError as e:
                self.problems = (e.safe_detail,)
            except DATABASE_ERRORS as e:
                self.problems = (f"the database does not do it ({type(e).__name__})",)
            for problem in self.problems:
                _log.warning("archiving: %s", problem)

    async def preview(self) -> Outlook:
        """What `once` would do now. Changes nothing."""
        async with self._tables() as tables:
            return Outlook(
                tuple(await tables.waiting(self._policy.group_by)),
                tuple(await tables.unfinished()),
                tuple(await tables.removable(self._clock() - self._policy.keep)),
            )

    async def listed(self) -> list[ArchiveRow]:
        """Every archive that was made, chain by chain in order."""
        async with self._tables() as tables:
            return await tables.made()

    async def once(self) -> Archived:
        """One round. EvidenceUnavailable or DATABASE_ERRORS when the database does not answer."""
        async with self._tables() as tables:
            if not await tables.lock():
                raise EvidenceUnavailable("another archiver is at work")
            batches = batches_of(await tables.waiting(self._policy.group_by), self._policy.max_size)
            await tables.plan(batches)
            made, problems = await self._finish(tables)
            removed, kept = await self._remove(tables, self._clock() - self._policy.keep)
            await tables.remove_frames(self._clock().astimezone(UTC).date(), _FRAMES_STAY)
        return Archived(tuple(made), removed, (*problems, *kept))

    # --- 1 to 5 ----------------------------------------------------------------------------------------------------------

    async def _finish(self, tables: ArchiveTables) -> tuple[list[str], list[str]]:
        """(files made, problems). A chain stops at its first problem."""
        made: list[str] = []
        problems: list[str] = []
        stopped: set[str] = set()
        for archive in await tables.unfinished():
            if archive.chain in stopped:
                continue
            try:
                made.append(await self._make(tables, archive))
            except GatewayError as e:
                stopped.add(archive.chain)
                problems.append(f"archive {archive.number} of {archive.chain or 'all records'}: {e.safe_detail}")
        return made, problems

    async def _make(self, tables: ArchiveTables, archive: ArchiveRow) -> str:
        previous = await tables.end_before(archive)
        if archive.stored_as is not None and await self._is_whole(archive, previous):
            await tables.finish(archive)
            return archive.stored_as
        working = f".archive-{archive.number}.tmp"
        async with self._new_file(working) as file:
            end, sealed = await self._write_file(tables, archive, previous, file)
            await self._folder.sync(file)
        await tables.name(archive, end, sealed)
        final = end.file if sealed is None else end.file + SUFFIX
        await self._folder.publish(working, final)
        await tables.finish(archive)
        return final

    @asynccontextmanager
    async def _new_file(self, working: str) -> AsyncIterator[IO[bytes]]:
        """What there is of it goes when it cannot be finished: on a full disk others need the room."""
        try:
            with await self._folder.create(working) as file:
                yield file
        except OSError as e:
            await self._folder.discard(working)
            raise EvidenceUnavailable(f"The archive cannot be written: {e.strerror or type(e).__name__}") from e
        except GatewayError:
            await self._folder.discard(working)
            raise

    async def _is_whole(self, archive: ArchiveRow, previous: ArchiveEnd) -> bool:
        """Whether the file is there under its name, every byte as it was meant, and durable."""
        stored = archive.stored_as
        assert stored is not None
        if archive.sealed is not None:
            found = await self._folder.digest(stored)
            return found is not None and found.value == archive.sealed
        info = await self._folder.confirm(stored)
        return info is not None and (info.previous, info.last) == (previous, archive.digest)

    async def _write_file(
        self, tables: ArchiveTables, archive: ArchiveRow, previous: ArchiveEnd, file: IO[bytes]
    ) -> tuple[ArchiveEnd, bytes | None]:
        """The file, encrypted or not; where the chain then stands, and the SHA-512 of an encrypted one."""
        if self._policy.recipients is None:
            return await self._write(tables, archive, previous, file), None
        with sealed_file(_ARCHIVE_IN_MEMORY) as clear:
            end = await self._write(tables, archive, previous, clear)
            clear.seek(0)
            sealed = await asyncio.to_thread(encrypt, clear, file, self._policy.recipients.of(archive.chain))
        return end, sealed.value

    async def _write(
        self, tables: ArchiveTables, archive: ArchiveRow, previous: ArchiveEnd, file: IO[bytes]
    ) -> ArchiveEnd:
        """The whole archive; where the chain then stands."""
        digests: list[tuple[str, Digest]] = []
        with zipfile.ZipFile(file, "w") as out:
            for number, key in await tables.keys_of(archive):
                with sealed_file(_IN_MEMORY) as container:
                    name, time = await self._container(number, key, container)
                    digests.append((name, await asyncio.to_thread(_store, out, name, time, container)))
            info = link(previous, digests)
            out.writestr(zip_entry(LINKING_INFO, archive.last, zipfile.ZIP_DEFLATED), print_linking_info(info))
        return ArchiveEnd(info.last, archive_name(safe_group(archive.chain), archive.first, archive.last, info.last))

    async def _container(self, number: int, key: RecordKey, out: IO[bytes]) -> tuple[str, datetime]:
        """Write the record's container; its name and time. EvidenceUnavailable when the database does not have all of it."""
        stored = await self._reader.record(key)
        stamp = await stamp_of(self._database.pool, number)
        if stored is None or stamp is None:
            raise EvidenceUnavailable(f"Record {number} or its time-stamp is not in the database")
        if isinstance(stored, UnreadableRecord):
            raise EvidenceUnavailable(f"Record {number} cannot be read: {stored.why}")
        record = stored.record
        body = None if record.body is None else self._reader.body(record.body)
        try:
            await write_container(out, record, stamp, body)
        except OSError as e:
            raise EvidenceUnavailable(f"No room to put record {number} together: {e.strerror}") from e
        return container_name(record.message_id, record.kind, number), record.time

    # --- removal -----------------------------------------------------------------------------------------------------------

    async def _remove(self, tables: ArchiveTables, before: datetime) -> tuple[int, list[str]]:
        """(records removed, why others had to stay)"""
        removed = 0
        problems: list[str] = []
        for archive in await tables.removable(before):
            previous = await tables.end_before(archive)
            if self._policy.needs_file and not await self._is_whole(archive, previous):
                problems.append(
                    f"{archive.stored_as} is not in the folder, or not whole: its records stay in the database"
                )
                continue
            await tables.remove_records(archive)
            removed += archive.records
        return removed, problems

    @asynccontextmanager
    async def _tables(self) -> AsyncIterator[ArchiveTables]:
        async with self._database.owner() as owner:
            yield ArchiveTables(owner)


def _store(out: zipfile.ZipFile, name: str, time: datetime, container: IO[bytes]) -> Digest:
    """Put a container into the archive as it is; its SHA-512."""
    size, running = container.seek(0, 2), hashlib.sha512()
    container.seek(0)
    entry = zip_entry(name, time, zipfile.ZIP_STORED)
    entry.file_size = size
    with out.open(entry, "w") as stored:
        while piece := container.read(_COPY):
            running.update(piece)
            stored.write(piece)
    return Digest(DigestAlgorithm.SHA512, running.digest())
