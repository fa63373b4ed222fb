"""The transparency log and its witnesses: `config/transparency.yaml`, `config/witnesses/<name>.yaml`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import Field, WithJsonSchema

from gateway.core.errors import MalformedMessage, SettingsError
from gateway.core.merkle.policy import Policy, parse_policy
from gateway.settings.common import (
    CertificateFile,
    Duration,
    ExistingFile,
    FilePath,
    FileReference,
    Listen,
    Secret,
    Strict,
    load_certificates,
    text,
)
from gateway.settings.loader import Finding, load
from gateway.settings.names import FullServerName
from gateway.settings.references import admin_findings, duplicates, open_to_others
from gateway.settings.server import DatabaseSettings

ED25519, ML_DSA_44 = "ed25519", "ml-dsa-44"


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9.\-]+(/[A-Za-z0-9._\-]+)*", value) or len(value) > 200:
        raise ValueError(f"{value!r} is not a name such as tlog.gov.example/access: a URL without https://")
    return value


def _key_pattern(value: str) -> str:
    if value.count("{year}") != 1 or value.count("{kind}") != 1 or "\0" in value:
        raise ValueError("must be a path with {year} and {kind} in it, each once")
    return value


NoteKeyName = Annotated[str, text(_name), WithJsonSchema({"type": "string", "examples": ["tlog.gov.example/access"]})]
KeyPattern = Annotated[
    str, text(_key_pattern), WithJsonSchema({"type": "string", "examples": ["certs/out/log-{year}-{kind}.key"]})
]


class SubmitterSettings(Strict):
    server: FullServerName
    certificates: Annotated[tuple[CertificateFile, ...], Field(min_length=1)]


class LogTlsSettings(Strict):
    key: FileReference
    certificate: CertificateFile
    pin: Secret | None = None


class LogListen(Strict):
    public: Listen
    submit: Listen
    admin: Listen | None = None


class SequencingSettings(Strict):
    batch: Annotated[int, Field(ge=1, le=10_000)] = 1000
    interval: Duration = timedelta(milliseconds=250)
    keep_partials: Duration = timedelta(hours=1)
    republish: Duration = timedelta(minutes=10)


class LogSettings(Strict):
    origin: NoteKeyName
    keys: KeyPattern
    pin: Secret | None = None
    policy: ExistingFile
    database: DatabaseSettings
    folder: FilePath
    listen: LogListen
    tls: LogTlsSettings | None = None
    submitters: tuple[SubmitterSettings, ...] = ()
    sequencing: SequencingSettings = SequencingSettings()
    witness_timeout: Duration = timedelta(seconds=2)

    def key_file(self, year: int, kind: str) -> Path:
        return Path(self.keys.format(year=year, kind=kind))

    def years(self) -> tuple[int, ...]:
        """The shards: years for which both keys are there."""
        pattern = Path(self.keys.format(year="[0-9][0-9][0-9][0-9]", kind=ED25519))
        head, tail = Path(self.keys.format(year="\0", kind=ED25519)).name.split("\0")
        found = (path.name.removeprefix(head).removesuffix(tail) for path in pattern.parent.glob(pattern.name))
        return tuple(year for year in sorted(map(int, found)) if self.key_file(year, ML_DSA_44).exists())

    def shard_origin(self, year: int) -> str:
        return f"{self.origin}/{year}"

    @property
    def database_name(self) -> str:
        return self.database.name or "transparency"


class WitnessKeySettings(Strict):
    key: FileReference
    pin: Secret | None = None


class WitnessSettings(Strict):
    name: NoteKeyName
    keys: Annotated[tuple[WitnessKeySettings, ...], Field(min_length=1, max_length=2)]
    policy: ExistingFile
    state: FilePath
    listen: Listen
    admin: Listen | None = None


def read_policy(path: Path) -> Policy:
    """SettingsError names the file and the line."""
    try:
        return parse_policy(path.read_bytes())
    except (MalformedMessage, OSError) as e:
        raise SettingsError([f"{path}: {e.safe_detail if isinstance(e, MalformedMessage) else e.strerror}"]) from e


def log_findings(settings: LogSettings, *, files: bool = True) -> Iterator[Finding]:
    listen = [(("listen", name), address) for name, address in settings.listen if address is not None]
    yield from duplicates(listen, "address")
    yield from admin_findings(settings.listen.admin, ("listen", "admin"))
    if settings.tls is None:
        what = "without 'tls' anybody there could submit entries"
        yield from open_to_others(settings.listen.submit.host, ("listen", "submit"), what)
    if (settings.tls is None) != (not settings.submitters):
        yield Finding(("tls",), "'tls' and 'submitters' belong together: without them submissions are plain HTTP")
    if files:
        if not settings.years():
            yield Finding(("keys",), "there is no year with both keys: make certs makes them for the demo")
        yield from policy_findings(settings.policy)
        certificates = [
            (("submitters", i, "certificates", j), certificate)
            for i, submitter in enumerate(settings.submitters)
            for j, path in enumerate(submitter.certificates)
            for certificate in load_certificates(path)
        ]
        yield from duplicates(certificates, "certificate")


def witness_findings(settings: WitnessSettings, *, files: bool = True) -> Iterator[Finding]:
    if settings.listen == settings.admin:
        yield Finding(("admin",), "is the address of 'listen'")
    yield from admin_findings(settings.admin, ("admin",))
    if files:
        yield from policy_findings(settings.policy)


def policy_findings(path: Path) -> Iterator[Finding]:
    try:
        policy = read_policy(path)
    except SettingsError as e:
        yield Finding(("policy",), e.problems[0])
        return
    if not policy.logs:
        yield Finding(("policy",), f"{path} names no log")


def load_log(path: Path, *, files: bool = True) -> LogSettings:
    """SettingsError holds every problem. `files`: False does not look at the files that the settings name."""
    return load(path, LogSettings, partial(log_findings, files=files), files=files)


def load_witness(path: Path, *, files: bool = True) -> WitnessSettings:
    """SettingsError holds every problem. `files`: False does not look at the files that the settings name."""
    return load(path, WitnessSettings, partial(witness_findings, files=files), files=files)
