"""The folder in which new keys wait for their certificates.

    NAME.key, NAME.pin   the key, encrypted, and its PIN; not for keys on tokens
    NAME.csr             the request for its certificate
    NAME.yaml            what the key is for, and how a server's settings will name it
    NAME.pem             its certificate, once that was imported

`NAME.yaml` is written last: with it the set is whole. Nothing here is ever written over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cryptography import x509
from pydantic import Field

from gateway.app.newfiles import read_limited
from gateway.core.signing.requests import MAX_REQUEST, CertificateRequest, parse_request
from gateway.settings.common import Strict
from gateway.settings.loader import Finding, load
from gateway.settings.server import KeySettings
from gateway.signer.tokens.software import read_certificates

Use = Literal["sign", "auth", "tls"]
SECTIONS: dict[Use, str] = {"sign": "signing", "auth": "authentication", "tls": "internal_tls"}


class KeyRecord(Strict):
    """`holder`: the member, or for `auth` and `tls` the security server. `key`: as it will stand in the server's settings."""

    use: Use
    holder: Annotated[str, Field(min_length=1)]
    key: KeySettings


@dataclass(frozen=True, slots=True)
class WaitingKey:
    """A key of the folder, with a certificate or still without."""

    name: str
    record: KeyRecord
    request: CertificateRequest
    certificate: x509.Certificate | None

    @property
    def place(self) -> Path:
        """Where its certificate stands, or will."""
        assert self.record.key.certificate is not None  # `load_record` refuses others
        return self.record.key.certificate


def load_record(path: Path) -> KeyRecord:
    """SettingsError for anything that `print_record` would not have written."""
    return load(path, KeyRecord, _findings, files=False)


def print_record(use: Use, holder: str, key: Mapping[str, str]) -> bytes:
    """YAML. `key`: what the settings will say of the key, as text."""
    return f"use: {use}\nholder: {json.dumps(holder, ensure_ascii=False)}\nkey: {_flow(key)}\n".encode()


def print_key(key: KeySettings) -> str:
    """As a server's settings have it, in one line."""
    given = {
        "token": key.token and (str(key.token) if key.in_hardware else f"file:{key.token}"),
        "key": key.key and f"file:{key.key}",
        "certificate": key.certificate and str(key.certificate),
        "pin": key.pin and str(key.pin),
    }
    return _flow({name: value for name, value in given.items() if value})


def _flow(values: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name}: {json.dumps(v, ensure_ascii=False)}" for name, v in values.items()) + "}"


def keys_in(folder: Path) -> Iterator[WaitingKey]:
    """In the order of their names. GatewayError when a file of one cannot be read."""
    for path in sorted(folder.glob("*.yaml")):
        record = load_record(path)
        assert record.key.certificate is not None
        request = parse_request(read_limited(path.with_suffix(".csr"), MAX_REQUEST))
        yield WaitingKey(path.stem, record, request, _imported(record.key.certificate))


def _findings(record: KeyRecord) -> Iterator[Finding]:
    if record.key.certificate is None:
        yield Finding(("key",), "needs 'certificate'")


def _imported(path: Path) -> x509.Certificate | None:
    return read_certificates(path)[0] if path.exists() else None
