"""`python -m gateway export`, `archive` and `findings sum-up`: what becomes of a security server's log, whether it runs or not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gateway.app.listeners import clock
from gateway.app.sources import database_source, log_keys, settings_of
from gateway.core.errors import SettingsError
from gateway.core.messagelog.record import RecordKind
from gateway.messagelog.archivecipher import ArchiveRecipients
from gateway.messagelog.archivefolder import ArchiveFolder
from gateway.messagelog.archiver import Archived, ArchivePolicy, Archiver, Outlook
from gateway.messagelog.archivetables import ArchiveRow
from gateway.messagelog.exporting import ContainerExport
from gateway.messagelog.findingsums import FindingRetention, SummedMonth
from gateway.messagelog.keysource import KeySource
from gateway.settings.evidence import ArchiveEncryption, ArchiveSettings, FindingSettings
from gateway.storage.database import Database, open_database


def build_archiver(database: Database, settings: ArchiveSettings, instance: str, keys: KeySource | None) -> Archiver:
    policy = ArchivePolicy(
        group_by=settings.group_by,
        max_size=settings.max_size,
        keep=settings.keep_records,
        needs_file=settings.removal_needs_archive,
        recipients=_recipients(settings.encryption, instance),
    )
    return Archiver(database, clock, ArchiveFolder(settings.directory), policy, every=settings.every, keys=keys)


def build_finding_retention(database: Database, settings: FindingSettings) -> FindingRetention:
    return FindingRetention(database, clock, settings.keep, every=settings.every)


def _recipients(settings: ArchiveEncryption | None, instance: str) -> ArchiveRecipients | None:
    if settings is None:
        return None
    groups = {str(group.resolve(instance)): recipients for group, recipients in settings.groups.items()}
    return ArchiveRecipients(settings.recipients, groups)


async def export_messages(configs: Path, server: str, message_id: str, kind: RecordKind | None, folder: Path) -> int:
    """Write the containers of a message into a folder; the exit status. Existing files are not overwritten."""
    settings = settings_of(configs, server)
    database = await open_database(database_source(settings), connections=2, read_only=True)
    try:
        keys = await log_keys(settings, database)
        found = await ContainerExport(database.pool, keys=keys).find(message_id, kind=kind)
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        for container in found:
            path = folder / container.name
            with path.open("xb") as file:
                await container.write(file)
            print(path)
    except OSError as e:
        raise SettingsError([f"{folder}: {e.strerror}"]) from e
    finally:
        await database.close()
    if not found:
        print(f"{server}: no record of message {message_id}")
    return 0 if found else 1


async def archive_log(configs: Path, server: str, *, preview: bool, listing: bool) -> int:
    """One round of the archiver, or what it would do, or what was archived before; the exit status."""
    settings = settings_of(configs, server)
    if settings.evidence.archive is None:
        raise SettingsError([f"{server}: evidence.archive is not configured: records stay in the database"])
    database = await open_database(database_source(settings), connections=2)
    try:
        keys = await log_keys(settings, database)
        archiver = build_archiver(database, settings.evidence.archive, settings.server.instance, keys)
        if listing:
            _print_made(await archiver.listed())
            return 0
        if preview:
            _print_outlook(await archiver.preview())
            return 0
        return _print_done(await archiver.once())
    finally:
        await database.close()


async def sum_up_findings(configs: Path, server: str, *, preview: bool) -> int:
    """One round of the retention of findings, or what it would do; the exit status."""
    settings = settings_of(configs, server)
    database = await open_database(database_source(settings), connections=2)
    try:
        retention = build_finding_retention(database, settings.evidence.findings)
        _print_months(await (retention.preview() if preview else retention.once()), preview=preview)
        return 0
    finally:
        await database.close()


def _print_months(months: Sequence[SummedMonth], *, preview: bool) -> None:
    for m in months:
        print(f"{m.month:%Y-%m}: {m.findings} finding(s) {'would become' if preview else 'became'} {m.sums} sum(s)")
    if not months:
        print("no month is old enough (evidence.findings.keep)")


def _print_outlook(outlook: Outlook) -> None:
    records = Counter(record.chain for record in outlook.waiting)
    sizes: Counter[str] = Counter()
    for record in outlook.waiting:
        sizes[record.chain] += record.size
    print("would be archived:")
    for chain, count in sorted(records.items()):
        print(f"  {chain or 'all records'}: {count} record(s), about {sizes[chain]} bytes")
    _print_rows("would be finished (begun before):", outlook.unfinished)
    _print_rows("would be removed from the database:", outlook.removable)


def _print_rows(title: str, archives: Sequence[ArchiveRow]) -> None:
    print(title)
    for a in archives:
        span = f"{a.first.isoformat(timespec='seconds')} to {a.last.isoformat(timespec='seconds')}"
        print(
            f"  {a.chain or 'all records'}: {a.records} record(s), {span}{f', in {a.stored_as}' if a.stored_as else ''}"
        )


def _print_made(archives: Sequence[ArchiveRow]) -> None:
    for a in archives:
        digest = "" if a.sealed is None else f", SHA-512 of the file {a.sealed.hex()}"
        there = "records removed from the database" if a.state == "removed" else "records in the database too"
        print(f"{a.stored_as}: {a.records} record(s), {there}, last chain digest {a.digest}{digest}")
    print(f"{len(archives)} archive(s)")


def _print_done(done: Archived) -> int:
    for file in done.archives:
        print(f"archived: {file}")
    print(f"removed from the database: {done.removed_records} record(s)")
    for problem in done.problems:
        print(f"PROBLEM: {problem}")
    return 1 if done.problems else 0
