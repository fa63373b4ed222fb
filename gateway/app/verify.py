"""`python -m gateway verify …`: prints each step, and a status that is 0 only when every step held."""

from __future__ import annotations

from pathlib import Path

from gateway.app.build import database_source
from gateway.core.errors import SettingsError
from gateway.messagelog.reader import MessageLogReader
from gateway.messagelog.verification import RecordReport, verify_message
from gateway.settings.server import ServerSettings, load_server
from gateway.storage.database import open_database


async def verify_message_of(configs: Path, server: str, message_id: str) -> int:
    """From one server's log alone. The server may run or not; its embedded database is started when nobody else has it."""
    settings = _settings_of(configs, server)
    database = await open_database(database_source(settings), connections=2, read_only=True)
    try:
        reports = await verify_message(MessageLogReader(database.pool), message_id)
    finally:
        await database.close()
    if not reports:
        print(f"{server}: no record of message {message_id}")
        return 1
    for report in reports:
        _print(report)
    held = all(report.ok for report in reports)
    print(f"{server}: {len(reports)} record(s), {'every step held' if held else 'NOT every step held'}")
    return 0 if held else 1


def _settings_of(configs: Path, server: str) -> ServerSettings:
    found = [load_server(path, files=False) for path in sorted(configs.glob("*.yaml"))]
    for settings in found:
        if str(settings.server) == server:
            return settings
    known = ", ".join(str(s.server) for s in found) or "none"
    raise SettingsError([f"{configs}: no security server {server} here (known: {known})"])


def _print(report: RecordReport) -> None:
    print(f"record {report.number}  {report.side} {report.kind}  {report.time.isoformat(timespec='milliseconds')}")
    for step in report.steps:
        print(f"  {step.number}. {'ok    ' if step.ok else 'FAILED'}  {step.what}")
