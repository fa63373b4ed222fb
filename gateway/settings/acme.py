"""An authority that issues over ACME (RFC 8555): the section `acme` of a security server's settings, for `gateway keys`."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from gateway.settings.common import CertificateFile, Duration, FilePath, HttpUrl, Listen, Secret, Strict
from gateway.settings.loader import Finding

ShortText = Annotated[str, Field(min_length=1, max_length=255)]


class AcmeBinding(Strict):
    key_id: ShortText
    secret: Secret


class AcmeSettings(Strict):
    directory: HttpUrl
    account: FilePath
    listen: Listen
    contact: Annotated[str, Field(pattern=r"^[^@\s,]+@[^@\s,]+$")] | None = None
    ca: CertificateFile | None = None
    binding: AcmeBinding | None = None
    profiles: dict[Literal["sign", "auth", "tls"], ShortText] = Field(default_factory=dict)
    timeout: Duration = timedelta(seconds=60)


def acme_findings(settings: AcmeSettings | None) -> Iterator[Finding]:
    if settings is not None and settings.directory.startswith("http:") and not _is_loopback(settings.directory):
        yield Finding(("acme", "directory"), "must be https: whoever is on the way would order certificates")


def _is_loopback(url: str) -> bool:
    try:
        return ipaddress.ip_address(urlsplit(url).hostname or "").is_loopback
    except ValueError:
        return False
