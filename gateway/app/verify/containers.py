"""`verify container|archive|timestamp`: judged offline, by a *verification directory*: what `/verificationconf` of any security
server gives, as the ZIP file or unpacked. Who takes it from the very server whose evidence is judged believes that server.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from gateway.app.verify.verdicts import Verdict
from gateway.core.errors import MalformedMessage, SettingsError
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.globalconf.saved import load_saved
from gateway.core.messagelog.archivecheck import (
    LinkedArchive,
    OpenArchive,
    inspect_archive,
    report_chains,
    unreadable_archive,
)
from gateway.core.messagelog.containercheck import verify_container
from gateway.core.messagelog.steps import Steps
from gateway.core.messagelog.strictzip import StrictZip
from gateway.core.signing.timestamp import VerifiedTimestamp, verify_timestamp
from gateway.core.signing.trust import ApprovedTsa
from gateway.core.signing.verify import SignerVerdicts
from gateway.core.signing.xades import parse_signature
from gateway.messagelog.archivecipher import SUFFIX, Identities

_FOLDER = "verificationconf/"
_MAX_CONFIGURATION = 64 << 20
_MOST_FILES = 1000
_IN_MEMORY = 8 << 20
_SEALED = (
    "it is encrypted, and no identity was given: its content and its place in the chain cannot be checked. The SHA-512 of "
    "this file is {}; what it should be, the server that wrote it says (archive --list)"
)


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


def verify_archives(paths: Iterable[Path], conf: Path, identity: Path | None, *, from_any: bool) -> list[Verdict]:
    """`paths`: archives, encrypted or not, or folders of archives. `identity`: what opens the encrypted ones; without it each of
    them fails step 1 with what can be known."""
    found = list(_archives_in(paths))
    trust, verdicts = load_verification_conf(conf), SignerVerdicts()
    identities = None if identity is None else _identities(identity)
    linked = [_inspected(path, identities, trust, verdicts) for path in found]
    reports = report_chains(linked, from_any=from_any)
    encrypted = [path.suffix == SUFFIX for path in found]
    return [
        Verdict(r.file, r.steps, {"containers": r.containers, "encrypted": e})
        for r, e in zip(reports, encrypted, strict=True)
    ]


def _inspected(
    path: Path, identities: Identities | None, trust: GlobalConfiguration, verdicts: SignerVerdicts
) -> LinkedArchive:
    with _opened(path) as file:
        if path.suffix != SUFFIX:
            return inspect_archive(OpenArchive(path.name, file, _new_file), trust, verdicts)
        if identities is None:
            digest = hashlib.file_digest(file, "sha512").hexdigest()
            return unreadable_archive(path.stem, _SEALED.format(digest))
        with _new_file() as clear:
            try:
                identities.decrypt(file, clear)
            except MalformedMessage as e:
                return unreadable_archive(path.stem, e.safe_detail, e.code)
            except OSError as e:
                raise SettingsError([f"no room to decrypt {path}: {e.strerror}"]) from e
            return inspect_archive(OpenArchive(path.stem, clear, _new_file), trust, verdicts)


def _identities(path: Path) -> Identities:
    try:
        return Identities(_read(path).decode("utf-8"))
    except (MalformedMessage, UnicodeDecodeError) as e:
        raise SettingsError([f"{path}: not an age identity file: lines AGE-SECRET-KEY-1…"]) from e


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
            yield from sorted((*path.glob("mlog-*.zip"), *path.glob(f"mlog-*.zip{SUFFIX}")))
        else:
            yield path


def _opened(path: Path) -> BufferedReader:
    try:
        return path.open("rb")
    except OSError as e:
        raise SettingsError([f"{path}: {e.strerror}"]) from e


def _read(path: Path) -> bytes:
    with _opened(path) as file:
        return file.read()


def _new_file() -> BinaryIO:
    return cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))
