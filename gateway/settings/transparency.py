"""How a provider's server tells citizens of accesses, and how a consumer's keeps what was promised: `transparency`, `promises`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Discriminator, Field, Tag, WithJsonSchema

from gateway.settings.common import CertificateFile, Duration, ExistingFile, FilePath, HttpUrl, Strict, text
from gateway.settings.loader import Finding
from gateway.settings.references import open_to_others


def _origin(value: str) -> str:
    """C2SP tlog-checkpoint: a schema-less URL; signed-note: no blanks, no plus. The year of a shard is not part of it."""
    if not re.fullmatch(r"[a-z0-9.\-]+(?:/[A-Za-z0-9._~\-]+)*", value):
        raise ValueError(f"{value!r} is not the name of a log such as tlog.gov.example/access")
    if re.search(r"/[0-9]{4}$", value):
        raise ValueError("the name of a log is written without the year: each year has a log of its own")
    return value


LogOrigin = Annotated[str, text(_origin), WithJsonSchema({"type": "string", "examples": ["tlog.gov.example/access"]})]


class BacklogSettings(Strict):
    alert_after: Duration = timedelta(minutes=1)
    stop_after: Duration = timedelta(hours=6)
    stop_size: Annotated[int, Field(ge=1)] = 1_000_000
    at_limit: Literal["stop", "degrade", "alert"] = "stop"
    inclusion: Duration = timedelta(seconds=10)


class TransparencySettings(Strict):
    origin: LogOrigin
    log: HttpUrl
    certificates: tuple[CertificateFile, ...] = ()
    provider: Annotated[int, Field(ge=1, lt=2**32)]
    timeout: Duration = timedelta(seconds=10)
    backlog: BacklogSettings = BacklogSettings()


class PromiseSettings(Strict):
    policy: ExistingFile
    max_delay: Duration = timedelta(hours=24)
    every: Duration = timedelta(seconds=30)
    keep_kept: Duration = timedelta(days=30)
    time_tolerance: Duration = timedelta(minutes=10)
    timeout: Duration = timedelta(seconds=10)
    proofs: FilePath | None = None


def submission_findings(settings: TransparencySettings, *, shows_key: bool) -> Iterator[Finding]:
    """`shows_key`: the server has a key that the log can know it by."""
    log, where = urlsplit(settings.log), ("transparency", "log")
    if log.scheme == "http":
        yield from open_to_others(
            log.hostname or "", where, "over plain HTTP the log could not know who submits: https"
        )
        if settings.certificates:
            yield Finding(("transparency", "certificates"), "is for a log whose address begins with https://")
        return
    if not settings.certificates:
        yield Finding(("transparency", "certificates"), "is required: by what is the log at https:// known?")
    if not shows_key:
        yield Finding(where, "needs keys.internal_tls, by which the log knows this server")


def _form(value: object) -> str:
    return "off" if isinstance(value, str) else "told"


Transparency = Annotated[
    Annotated[Literal["off"], Tag("off")] | Annotated[TransparencySettings, Tag("told")], Discriminator(_form)
]
