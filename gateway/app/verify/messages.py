"""`verify message`: the records of a message from one security server's log."""

from __future__ import annotations

from pathlib import Path

from gateway.app.sources import database_source, log_keys, settings_of
from gateway.app.verify.containers import load_verification_conf
from gateway.app.verify.verdicts import Verdict
from gateway.messagelog.reader import MessageLogReader
from gateway.messagelog.verification import RecordReport, verify_message
from gateway.storage.database import open_database


async def verify_message_of(configs: Path, server: str, message_id: str, conf: Path | None) -> list[Verdict]:
    """From one server's log alone, or with a verification directory. The server may run or not; its embedded database is started
    when nobody else has it."""
    trust = None if conf is None else load_verification_conf(conf)
    settings = settings_of(configs, server)
    database = await open_database(database_source(settings), connections=2, read_only=True)
    try:
        reader = MessageLogReader(database.pool, await log_keys(settings, database))
        reports = await verify_message(reader, message_id, trust)
    finally:
        await database.close()
    return [Verdict(_title(r), r.steps, {"number": r.number, "side": r.side, "kind": r.kind}) for r in reports]


def _title(report: RecordReport) -> str:
    return f"record {report.number}  {report.side} {report.kind}  {report.time.isoformat(timespec='milliseconds')}"
