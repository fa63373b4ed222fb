"""`verify container|archive|timestamp`: judged offline, by a *verification directory*: what `/verificationconf` of any security
server gives, as the ZIP file or unpacked. Who takes it from the very server whose evidence is judged believes that server.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from gateway.app.verify.verdicts import Verdict
from gateway.core.errors import MalformedMessage, SettingsError
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.globalconf.saved import load_saved
from gateway.core.messagelog.archivecheck import OpenArchive, inspect_archive, report_chains
from gateway.core.messagelog.containercheck import verify_container
from gateway.core.messagelog.steps import Steps
from gateway.core.messagelog.strictzip import StrictZip
from gateway.core.signing.timestamp import VerifiedTimestamp, verify_timestamp
from gateway.core.signing.trust import ApprovedTsa
from gateway.core.signing.verify import SignerVerdicts
from gateway.core.signing.xades import parse_signature

_FOLDER = "verificationconf/"
_MAX_CONFIGURATION = 64 << 20
_MOST_FILES = 1000
_IN_MEMORY = 8 << 20


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
