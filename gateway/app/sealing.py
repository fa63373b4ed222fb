"""`python -m gateway sealing …`: what stands encrypted in a message log, under which keys; rotation; shredding."""

from __future__ import annotations

import getpass
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import typer

from gateway.app.listeners import clock
from gateway.app.sources import database_source, key_source, log_keys, settings_of
from gateway.core.errors import SettingsError
from gateway.messagelog.datakeys import Listed
from gateway.messagelog.keyadmin import KeyAdministration, Selection
from gateway.monitoring.logs import build_log
from gateway.settings.server import ServerSettings
from gateway.storage.database import Database, open_database

_MOST_RULE = 300


async def list_keys(configs: Path, server: str) -> int:
    async with _opened(settings_of(configs, server)) as database:
        found = await KeyAdministration(database, clock).listed(Selection())
    for line in _lines(found):
        print(line)
    print(f"{len(found)} data key(s) in use")
    return 0


async def rewrap_keys(configs: Path, server: str) -> int:
    """Exit status. SettingsError when there are no key-encryption keys, or not the right ones."""
    settings = settings_of(configs, server)
    async with _opened(settings) as database:
        source = await log_keys(settings, database)
        if source is None:
            raise SettingsError([f"{server}: evidence.seal_with is not configured"])
        changed = await KeyAdministration(database, clock).rewrap(source)
    under = source.ring.first.id
    build_log().info("data_keys.rewrapped", server=server, keys=changed, kek=under, by=getpass.getuser())
    print(f"{changed} data key(s) wrapped anew: all are under '{under}' now. Other key-encryption keys can go.")
    print("Backups from before still open with the old ones.")
    return 0


async def destroy_keys(
    configs: Path, server: str, selection: Selection, reason: str, rule: str | None, *, sure: bool
) -> int:
    """Exit status. `sure`: do not ask. This is also the way out when a key-encryption key is lost: then even today's data keys may
    go, and no server must be running."""
    if not reason.strip():
        raise SettingsError(["--reason: say why; it stays in the log"])
    rule = (rule or "").strip() or None
    if rule is not None and len(rule) > _MOST_RULE:
        raise SettingsError([f"--rule: at most {_MOST_RULE} characters, for citizens to read"])
    settings = settings_of(configs, server)
    lost = selection.kek is not None and not _is_known(settings, selection.kek)
    async with _opened(settings) as database:
        administration = KeyAdministration(database, clock)
        found = await administration.listed(selection)
        for line in _lines(found):
            print(line)
        if not found:
            print("no data key in use is meant")
            return 1
        print(_warning(found))
        print(_told(rule))
        if lost:
            print(f"'{selection.kek}' is not among the configured keys. Stop the servers of this log first.")
        if not sure and not typer.confirm("Destroy these keys?"):
            return 1
        by = getpass.getuser()
        await administration.destroy(found, by, reason, rule=rule, lost=lost)
    log = build_log()
    for key in found:
        log.warning(
            "data_key.destroyed",
            server=server,
            key=str(key.id),
            member=key.member,
            day=str(key.day),
            records=key.records,
            by=by,
            reason=reason,
        )
    keks = ", ".join(sorted({f"'{key.kek}'" for key in found}))
    print(
        f"{len(found)} data key(s) destroyed. Backups and write-ahead logs from before still hold them, wrapped under {keks}:"
    )
    print(
        "the shredding is final once those are gone, or once that key-encryption key is (rotate it: `sealing rewrap`)."
    )
    return 0


@asynccontextmanager
async def _opened(settings: ServerSettings) -> AsyncIterator[Database]:
    database = await open_database(database_source(settings), connections=2)
    try:
        yield database
    finally:
        await database.close()


def _lines(keys: Sequence[Listed]) -> list[str]:
    return [
        f"  {k.day}  {k.member}  under '{k.kek}'  {k.records} record(s), {k.unarchived} in no archive, "
        f"{k.accesses} access record(s)"
        for k in keys
    ]


def _warning(keys: Sequence[Listed]) -> str:
    records, unarchived = sum(k.records for k in keys), sum(k.unarchived for k in keys)
    accesses = sum(k.accesses for k in keys)
    return (
        f"The message parts and bodies of {records} record(s) will be unreadable for ever; {unarchived} of them are in no archive "
        "and will never be. Signatures, digests and time-stamps stay. Archives and the other party's log are not touched. "
        f"{accesses} access record(s) will not be shown to citizens any more; their leaves stay in the public log and mean nothing."
    )


def _told(rule: str | None) -> str:
    told = "that no rule was stated (--rule)" if rule is None else f"this rule: {rule}"
    return f"Every citizen is told how many access records of these days were destroyed, when, and {told}"


def _is_known(settings: ServerSettings, kek: str) -> bool:
    evidence = settings.evidence
    return (
        evidence.seal_with is not None and key_source(evidence.seal_with, evidence.seal_pin).ring.find(kek) is not None
    )
