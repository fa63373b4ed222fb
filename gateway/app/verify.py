"""`python -m gateway verify …`: prints each step, or JSON; the status is 0 only when every step held.

Containers, archives and time-stamps are judged offline, by a *verification directory*: what `/verificationconf` of any security
server gives, as the ZIP file or unpacked. Who takes it from the very server whose evidence is judged believes that server.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from gateway.app.sources import database_source, settings_of
from gateway.core.errors import MalformedMessage, SettingsError
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.globalconf.saved import load_saved
from gateway.core.messagelog.archivecheck import OpenArchive, inspect_archive, report_chains
from gateway.core.messagelog.containercheck import verify_container
from gateway.core.messagelog.steps import Step, Steps
from gateway.core.messagelog.strictzip import StrictZip
from gateway.core.signing.timestamp import VerifiedTimestamp, verify_timestamp
from gateway.core.signing.trust import ApprovedTsa
from gateway.core.signing.verify import SignerVerdicts
from gateway.core.signing.xades import parse_signature
from gateway.messagelog.reader import MessageLogReader
from gateway.messagelog.verification import RecordReport, verify_message
from gateway.storage.database import open_database

_FOLDER = "verificationconf/"
_MAX_CONFIGURATION = 64 << 20
_MOST_FILES = 1000
_IN_MEMORY = 8 << 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """About one thing that was verified. `facts`: more about it, for `--json`."""

    what: str
    steps: tuple[Step, ...]
    facts: dict[str, Any]

    @property
    def ok(self) -> bool:
        return bool(self.steps) and all(step.ok for step in self.steps)


def report(verdicts: Sequence[Verdict], *, as_json: bool) -> int:
    """Print them; the exit status."""
    ok = bool(verdicts) and all(verdict.ok for verdict in verdicts)
    if as_json:
        print(json.dumps({"ok": ok, "verified": [_json(v) for v in verdicts]}, ensure_ascii=False, indent=2))
        return 0 if ok else 1
    for verdict in verdicts:
        print(verdict.what)
        for step in verdict.steps:
            print(f"  {step.number}. {'ok    ' if step.ok else 'FAILED'}  {step.what}")
    if not verdicts:
        print("there is nothing to verify")
        return 1
    print(f"{len(verdicts)} verified: {'every step held' if ok else 'NOT every step held'}")
    return 0 if ok else 1


def _json(verdict: Verdict) -> dict[str, Any]:
    steps = [{"step": s.number, "ok": s.ok, "what": s.what, "code": s.code} for s in verdict.steps]
    return {"what": verdict.what, "ok": verdict.ok, **verdict.facts, "steps": steps}


# --- offline -----------------------------------------------------------------------------------------------------------


def verify_containers(files: Iterable[Path], conf: Path) -> list[Verdict]:
    trust, verdicts, found = load_verification_conf(conf), SignerVerdicts(), []
    for path in files:
        with _opened(path) as file:
            result = verify_container(file, trust, verdicts)
        signer = result.signer
        facts = {
            "code": result.code,
            "time": None if result.time is None else result.time.isoformat(),
            "signer": None if signer is None else str(signer.client),
            "message_id": None if signer is None else signer.message_id,
            "kind": None if signer is None else "response" if signer.is_response else "request",
        }
        found.append(Verdict(str(path), result.steps, facts))
    return found


def verify_archives(paths: Iterable[Path], conf: Path, *, from_any: bool) -> list[Verdict]:
    """`paths`: archives, or folders of archives."""
    trust, verdicts, linked = load_verification_conf(conf), SignerVerdicts(), []
    for path in _archives_in(paths):
        with _opened(path) as file:
            linked.append(inspect_archive(OpenArchive(path.name, file, _new_file), trust, verdicts))
    reports = report_chains(linked, from_any=from_any)
    return [Verdict(r.file, r.steps, {"containers": r.containers}) for r in reports]


def verify_timestamp_file(token: Path, stamped: Path, conf: Path) -> list[Verdict]:
    """`stamped`: what the token is over: ts-hashchainresult.xml, any other file, or a signature XML, of which the signature value
    is meant."""
    tsas = [tsa for shared in load_verification_conf(conf).instances.values() for tsa in shared.approved_tsas]
    steps = Steps()
    data = _stamped_octets(_read(stamped))
    verified = steps.attempt(1, lambda: _timestamp_step(_read(token), data, tsas))
    for what in () if verified is None else verified.steps:
        steps.note(1, what)
    facts = {"time": None if verified is None else verified.time.isoformat()}
    return [Verdict(str(token), tuple(steps.done), facts)]


def _timestamp_step(token: bytes, data: bytes, tsas: Sequence[ApprovedTsa]) -> tuple[str, VerifiedTimestamp]:
    verified = verify_timestamp(token, data, tsas)
    return f"existed at {verified.time.isoformat()}, says {verified.tsa.name}", verified


def _stamped_octets(data: bytes) -> bytes:
    try:
        return parse_signature(data).value
    except MalformedMessage:
        return data


def load_verification_conf(path: Path) -> GlobalConfiguration:
    """SettingsError when there is no verification directory; MalformedMessage when what is in it is no configuration."""
    if path.is_file():
        with _opened(path) as file:
            archive = StrictZip(file, code="malformed_global_conf", most_entries=_MOST_FILES)
            files = {e.name: archive.read(e, _MAX_CONFIGURATION) for e in archive.entries}
    else:
        found = sorted(p for pattern in ("*", "*/*", f"{_FOLDER}*/*") for p in path.glob(pattern) if p.is_file())
        files = {p.relative_to(path).as_posix(): p.read_bytes() for p in found[:_MOST_FILES]}
    if not files:
        raise SettingsError(
            [f"{path}: no verification directory (the ZIP file that /verificationconf gives, or unpacked)"]
        )
    return load_saved({name.removeprefix(_FOLDER): content for name, content in files.items()})


def _archives_in(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.glob("mlog-*.zip"))
        else:
            yield path


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as e:
        raise SettingsError([f"{path}: {e.strerror}"]) from e


def _read(path: Path) -> bytes:
    with _opened(path) as file:
        return file.read()


def _new_file() -> BinaryIO:
    return cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))


# --- from a server's log -----------------------------------------------------------------------------------------------


async def verify_message_of(configs: Path, server: str, message_id: str) -> list[Verdict]:
    """From one server's log alone. The server may run or not; its embedded database is started when nobody else has it."""
    settings = settings_of(configs, server)
    database = await open_database(database_source(settings), connections=2, read_only=True)
    try:
        reports = await verify_message(MessageLogReader(database.pool), message_id)
    finally:
        await database.close()
    return [Verdict(_title(r), r.steps, {"number": r.number, "side": r.side, "kind": r.kind}) for r in reports]


def _title(report: RecordReport) -> str:
    return f"record {report.number}  {report.side} {report.kind}  {report.time.isoformat(timespec='milliseconds')}"
