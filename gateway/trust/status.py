"""Which certificates a CA issued and which it revoked: one JSON file, replaced as a whole.

The file is the truth: writers take a lock on its directory, readers look whether it changed. A revocation is never taken back
and never moved in time, because the evidence of exchanges before it stays good and after it does not.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from gateway.core.errors import MalformedMessage, UnknownSubject
from gateway.core.signing.certificates import sha256_hex

_VERSION = 1
_NOT_FOR_OCSP = frozenset(
    {x509.ReasonFlags.remove_from_crl}
)  # un-revoking; RFC 5280 5.3.1 allows it in delta CRLs only


@dataclass(frozen=True, slots=True)
class Revocation:
    """`time`: UTC, whole seconds."""

    time: datetime
    reason: x509.ReasonFlags


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """`sha256`: lower-case hex over the DER; `subject`: RFC 4514, for people reading the file."""

    serial: int
    sha256: str
    subject: str
    not_after: datetime
    revocation: Revocation | None = None


Issued = Mapping[int, IssuedCertificate]


def parse_index(data: bytes) -> dict[int, IssuedCertificate]:
    """Certificates by serial number. MalformedMessage for anything `print_index` would not have written."""
    try:
        document: Any = json.loads(data)
        if document["version"] != _VERSION:
            raise ValueError("unknown version")
        issued = {int(serial, 16): _parse_entry(serial, entry) for serial, entry in document["certificates"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise MalformedMessage("the certificate index is damaged") from e
    if print_index(issued) != data:
        raise MalformedMessage("the certificate index is damaged")
    return issued


def _parse_entry(serial: str, entry: Any) -> IssuedCertificate:
    sha256, subject, revoked = entry["sha256"], entry["subject"], entry["revoked"]
    if not (isinstance(sha256, str) and isinstance(subject, str)):
        raise TypeError("text expected")
    revocation = None
    if revoked is not None:
        revocation = Revocation(_parse_time(revoked["time"]), x509.ReasonFlags(revoked["reason"]))
    return IssuedCertificate(int(serial, 16), sha256, subject, _parse_time(entry["not_after"]), revocation)


def _parse_time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def print_index(issued: Issued) -> bytes:
    """One form only: `parse_index` takes nothing else."""
    certificates = {
        f"{c.serial:x}": {
            "sha256": c.sha256,
            "subject": c.subject,
            "not_after": _print_time(c.not_after),
            "revoked": c.revocation and {"time": _print_time(c.revocation.time), "reason": c.revocation.reason.value},
        }
        for c in issued.values()
    }
    document = {"version": _VERSION, "certificates": certificates}
    return json.dumps(document, indent=1, ensure_ascii=False).encode(errors="surrogatepass") + b"\n"


def _print_time(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class CertificateIndex:
    """The index in the file `path`; it need not exist yet. Reading raises MalformedMessage when the file is damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_as: tuple[int, int, int] | None = None
        self._issued: Issued = {}

    def record(self, certificate: x509.Certificate) -> None:
        """Durable on return. Recording the same certificate again changes nothing."""
        entry = IssuedCertificate(
            certificate.serial_number,
            sha256_hex(certificate),
            certificate.subject.rfc4514_string(),
            certificate.not_valid_after_utc,
        )
        with self._changing() as (issued, write):
            if entry.serial not in issued:
                write({**issued, entry.serial: entry})

    def revoke(self, certificate: x509.Certificate, now: datetime, reason: x509.ReasonFlags) -> Revocation:
        """Durable on return; gives the revocation in force, which is the first one. UnknownSubject when not issued here."""
        if reason in _NOT_FOR_OCSP:
            raise MalformedMessage(f"{reason.value} is no reason to revoke")
        with self._changing() as (issued, write):
            entry = issued.get(certificate.serial_number)
            if entry is None or entry.sha256 != sha256_hex(certificate):
                raise UnknownSubject("The certificate was not issued by this authority", code="cert_not_found")
            if entry.revocation is not None:
                return entry.revocation
            revocation = Revocation(now.replace(microsecond=0), reason)
            write({**issued, entry.serial: replace(entry, revocation=revocation)})
        return revocation

    def find(self, serial: int) -> IssuedCertificate | None:
        """As the file is now; None when the serial number was never issued."""
        return self._current().get(serial)

    def revoked(self) -> tuple[IssuedCertificate, ...]:
        """Those that were revoked, as the file is now."""
        return tuple(c for c in self._current().values() if c.revocation is not None)

    def __contains__(self, certificate: x509.Certificate) -> bool:
        entry = self.find(certificate.serial_number)
        return entry is not None and entry.sha256 == sha256_hex(certificate)

    def _current(self) -> Issued:
        try:
            with self._path.open("rb") as file:
                state = os.fstat(file.fileno())
                read_as = (state.st_ino, state.st_mtime_ns, state.st_size)
                if read_as != self._read_as:
                    self._issued, self._read_as = parse_index(file.read()), read_as
        except FileNotFoundError:
            self._issued, self._read_as = {}, None
        return self._issued

    @contextmanager
    def _changing(self) -> Iterator[tuple[Issued, Callable[[Issued], None]]]:
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)  # two writers would each lose the other's entry
            yield self._current(), lambda issued: self._write(issued, directory)
        finally:
            os.close(directory)

    def _write(self, issued: Issued, directory: int) -> None:
        new = self._path.with_name(f".{self._path.name}.new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(print_index(issued))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)  # if we crash before: the old index stands; after: the new one
        os.fsync(directory)


def revoke(
    index_path: Path,
    cert: x509.Certificate,
    now: datetime,
    reason: x509.ReasonFlags = x509.ReasonFlags.unspecified,
) -> Revocation:
    """Revoke in the index of a running responder, which sees it with its next request. Errors of `CertificateIndex.revoke`."""
    return CertificateIndex(index_path).revoke(cert, now, reason)
