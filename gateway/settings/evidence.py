"""How evidence is kept: the section `evidence` of a security server's settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated, Literal

import pyrage
from pydantic import Field, WithJsonSchema

from gateway.settings.common import ByteCount, Duration, FilePath, HttpUrl, Secret, Size, Strict, text
from gateway.settings.loader import Finding
from gateway.settings.names import ClientName, ClientRef
from gateway.settings.references import duplicates, misread_instance


def _recipient(value: str) -> str:
    if value.upper().startswith("AGE-SECRET-KEY-"):
        raise ValueError(
            "is an identity, which opens archives: keep it away from this server, and write its public key"
        )
    try:
        return str(pyrage.x25519.Recipient.from_str(value))
    except pyrage.RecipientError as e:
        raise ValueError(f"{value!r} is not a recipient: a public key that `age-keygen` prints, age1…") from e


AgeRecipient = Annotated[str, text(_recipient), WithJsonSchema({"type": "string", "pattern": "^age1"})]
Recipients = Annotated[tuple[AgeRecipient, ...], Field(min_length=1, max_length=20)]


class ArchiveEncryption(Strict):
    recipients: Recipients
    groups: dict[ClientName, Recipients] = Field(default_factory=dict)


class TimestampSettings(Strict):
    mode: Literal["batch", "immediate"] = "batch"
    interval: Duration | None = None
    authorities: tuple[HttpUrl, ...] = ()
    timeout: Duration = timedelta(seconds=20)
    batch: Annotated[int, Field(ge=1, le=10_000)] = 10_000
    when_unavailable: Literal["degrade", "alert", "stop"] = "stop"
    after: Duration = timedelta(hours=4)


class ArchiveSettings(Strict):
    directory: FilePath
    every: Duration = timedelta(hours=6)
    group_by: Literal["none", "member", "subsystem"] = "none"
    max_size: Size = ByteCount(32 << 20)
    keep_records: Duration = timedelta(days=30)
    removal_needs_archive: bool = True
    encryption: ArchiveEncryption | None = None


class FindingSettings(Strict):
    keep: Duration = timedelta(days=400)
    every: Duration = timedelta(hours=6)


class EvidenceSettings(Strict):
    store_body_inline_below: Size = ByteCount(64 << 10)
    partitions: Literal["day", "month"] = "day"
    seal_with: Secret | None = None
    seal_pin: Secret | None = None
    timestamps: TimestampSettings = TimestampSettings()
    archive: ArchiveSettings | None = None
    findings: FindingSettings = FindingSettings()


def evidence_findings(settings: EvidenceSettings, clients: Sequence[ClientRef], instance: str) -> Iterator[Finding]:
    archive = settings.archive
    if archive is None or archive.encryption is None:
        return
    place = ("evidence", "archive", "encryption", "groups")
    groups = archive.encryption.groups
    if groups and archive.group_by == "none":
        yield Finding(place, "archives are not grouped: see group_by")
        return
    own = {client.resolve(instance) for client in clients}
    known = {client.member for client in own} | (own if archive.group_by == "subsystem" else set())
    for ref in groups:
        yield from misread_instance(ref, instance, (*place, str(ref)))
        if ref.resolve(instance) not in known:
            yield Finding(
                (*place, str(ref)), f"no archive is of it: group_by is {archive.group_by!r}, or it is no client here"
            )
    yield from duplicates([((*place, str(ref)), ref.resolve(instance)) for ref in groups], "group")
