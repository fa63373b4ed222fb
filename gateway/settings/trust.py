"""The trust role: certification authority and OCSP responder for development and closed networks. `config/trust.yaml`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from gateway.settings.common import CertificateFile, Duration, FilePath, FileReference, Listen, Secret, Strict
from gateway.settings.loader import load


class AuthoritySettings(Strict):
    certificate: CertificateFile
    key: FileReference
    pin: Secret | None = None


class ResponderSettings(Strict):
    certificate: CertificateFile
    key: FileReference
    pin: Secret | None = None
    valid_for: Duration = timedelta(hours=1)


class TrustSettings(Strict):
    listen: Listen
    ca: AuthoritySettings
    ocsp: ResponderSettings
    status: FilePath


def load_trust(path: Path, *, files: bool = True) -> TrustSettings:
    """SettingsError holds every problem. `files`: False does not look at the files that the settings name."""
    return load(path, TrustSettings, files=files)
