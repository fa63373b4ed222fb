"""The trust role: certification authority, OCSP responder and time-stamping authority for development and closed networks.
`config/trust.yaml`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field

from gateway.settings.common import CertificateFile, Duration, FilePath, FileReference, Listen, Secret, Strict
from gateway.settings.loader import load
from gateway.settings.names import Piece

# An arc that is ours without registration (ITU-T X.667): 2.25 and a UUID made for "stamps of the trust role".
_OWN_POLICY = "2.25.306123151784492836201911690058636692914"


class AuthoritySettings(Strict):
    certificate: CertificateFile
    key: FileReference
    pin: Secret | None = None


class ResponderSettings(Strict):
    certificate: CertificateFile
    key: FileReference
    pin: Secret | None = None
    valid_for: Duration = timedelta(hours=1)


class TimeStampingSettings(Strict):
    certificate: CertificateFile
    key: FileReference
    pin: Secret | None = None
    serials: FilePath
    policy: Annotated[str, Field(pattern=r"^[0-2](\.(0|[1-9][0-9]{0,39})){2,19}$")] = _OWN_POLICY
    accuracy: Duration = timedelta(seconds=1)


class RevocationListSettings(Strict):
    certificate: CertificateFile
    key: FileReference
    pin: Secret | None = None
    status: FilePath
    valid_for: Duration = timedelta(hours=24)


class TrustSettings(Strict):
    listen: Listen
    ca: AuthoritySettings
    ocsp: ResponderSettings
    tsa: TimeStampingSettings | None = None
    status: FilePath
    lists: dict[Piece, RevocationListSettings] = Field(default_factory=dict)


def load_trust(path: Path, *, files: bool = True) -> TrustSettings:
    """SettingsError holds every problem. `files`: False does not look at the files that the settings name."""
    return load(path, TrustSettings, files=files)
