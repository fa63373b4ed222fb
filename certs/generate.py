"""`python -m certs.generate`: what is missing of the demo's keys and certificates, and nothing else.

A set of files (key, certificate, pin) is kept while it is whole, fits together, was issued by the present CA and does not end
soon; otherwise it is made anew and said so. Keys are readable by their owner only. A certificate that the CA's index does not
know is never put back into it: losing the index must not undo a revocation. The key-encryption keys of a message log are made when
there is no such file, and never touched again: whoever loses them loses what the log sealed.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import NameOID
from pydantic import Field, model_validator

from certs.notekeys import LogTopology, ensure_note_keys
from gateway.core.errors import GatewayError
from gateway.core.identifiers import SecurityServerId
from gateway.core.sealing.envelope import KEY_BYTES
from gateway.core.signing.algorithms import PrivateKey
from gateway.core.signing.certificates import auth_certificate_subject, is_issued_by, sign_certificate_subject
from gateway.core.signing.requests import KeyType
from gateway.settings.common import Host, Strict
from gateway.settings.loader import load
from gateway.settings.names import MemberName, Piece
from gateway.settings.registry import Profile
from gateway.trust.authority import (
    Authority,
    Identity,
    Validity,
    create_registry,
    create_root,
    create_tls,
    named,
    new_key,
    validity,
)
from gateway.trust.status import CertificateIndex

_Years = Annotated[int, Field(ge=1, le=30)]


class MemberTopology(Strict):
    """`servers`: code and address; a member without one is `hosted_by` a server of this code, which its signing key is for."""

    id: MemberName
    servers: dict[Piece, Host] = Field(default_factory=dict)
    hosted_by: Piece | None = None

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if bool(self.servers) == (self.hosted_by is not None):
            raise ValueError("a member has 'servers', or is 'hosted_by' one")
        return self


class FacilityTopology(Strict):
    """Those who sign business documents: their certificates name them by `codes` in the subject's serialNumber."""

    authority: Annotated[str, Field(min_length=1)]
    codes: Annotated[tuple[Piece, ...], Field(min_length=1)]


class SignerTopology(Strict):
    """Who signs documents: what the certificate calls the person or office, and the organisation."""

    name: Annotated[str, Field(min_length=1)]
    organisation: Annotated[str, Field(min_length=1)]


class DocumentsTopology(Strict):
    """Signatures on documents have an authority of their own: no security server believes it, and its signers are no members."""

    authority: Annotated[str, Field(min_length=1)]
    signers: dict[Piece, SignerTopology]


class Topology(Strict):
    """`transparency`: None for an instance without a transparency log; `facilities`, `documents`: None without such signers."""

    instance: Piece
    profile: Profile
    key: Literal["ec-p256", "ec-p384", "rsa-2048"]
    authority: Annotated[str, Field(min_length=1)]
    authority_years: _Years
    certificate_years: _Years
    renew_within_days: Annotated[int, Field(ge=0)]
    members: tuple[MemberTopology, ...]
    information_systems: dict[Piece, tuple[Host, ...]]
    facilities: FacilityTopology | None = None
    transparency: LogTopology | None = None
    documents: DocumentsTopology | None = None


@dataclass
class Report:
    """File sets by name, in the order they were looked at."""

    made: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def lines(self, out: Path) -> Iterator[str]:
        if self.made:
            yield f"made in {out}: {', '.join(self.made)}"
        if self.renewed:
            yield f"made anew (ending soon, damaged, or of another CA): {', '.join(self.renewed)}"
        if self.kept:
            yield f"kept: {len(self.kept)}"


def load_topology(path: Path) -> Topology:
    """SettingsError with every problem of the file."""
    return load(path, Topology)


def generate(out: Path, topology: Topology, now: datetime) -> Report:
    """Make what is missing in `out`. One process at a time; another one waits. OSError when `out` cannot be written."""
    out.mkdir(parents=True, exist_ok=True)
    out.chmod(0o700)
    with _alone_beside(out):
        return _Generator(out, topology, now).run()


@contextmanager
def _alone_beside(out: Path) -> Iterator[None]:
    handle = os.open(out.parent, os.O_RDONLY | os.O_DIRECTORY)  # `out` itself is what the certificate index locks
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


# --- one set of files ----------------------------------------------------------------------------------------------


# A PIN here has 144 random bits. Stretching it adds nothing to that, and every opening of a key would wait for it.
_FOR_PINS = (
    PrivateFormat.PKCS12.encryption_builder()
    .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
    .hmac_hash(hashes.SHA256())
    .kdf_rounds(1)
)


def _read_pem(out: Path, name: str) -> Identity:
    key = load_pem_private_key((out / f"{name}.key").read_bytes(), None)
    return _fitting(key, x509.load_pem_x509_certificate((out / f"{name}.pem").read_bytes()))


def _write_pem(out: Path, name: str, identity: Identity) -> None:
    key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(out / f"{name}.key", key, 0o600)
    _write(out / f"{name}.pem", identity.certificate.public_bytes(Encoding.PEM), 0o644)


def _read_pkcs12(out: Path, name: str) -> Identity:
    pin = (out / f"{name}.pin").read_bytes().removesuffix(b"\n")
    key, certificate, _ = pkcs12.load_key_and_certificates((out / f"{name}.p12").read_bytes(), pin)
    if certificate != x509.load_pem_x509_certificate((out / f"{name}.pem").read_bytes()):
        raise ValueError("another certificate")
    return _fitting(key, certificate)


def _write_pkcs12(out: Path, name: str, identity: Identity) -> None:
    pin = secrets.token_urlsafe(18).encode()
    encryption = _FOR_PINS.build(pin)
    bundle = pkcs12.serialize_key_and_certificates(name.encode(), identity.key, identity.certificate, None, encryption)
    # If we crash between these, the set does not fit together and is made anew next time.
    _write(out / f"{name}.pin", pin + b"\n", 0o600)
    _write(out / f"{name}.p12", bundle, 0o600)
    _write(out / f"{name}.pem", identity.certificate.public_bytes(Encoding.PEM), 0o644)


def _fitting(key: PrivateKeyTypes | None, certificate: x509.Certificate | None) -> Identity:
    if certificate is None or not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError("no key or no certificate")
    if key.public_key() != certificate.public_key():
        raise ValueError("another key")
    return Identity(key, certificate)


def _write(path: Path, data: bytes, mode: int) -> None:
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
    new.replace(path)


@dataclass(frozen=True, slots=True)
class _Form:
    """How a key and its certificate stand in files. `read` raises OSError or ValueError when they do not."""

    read: Callable[[Path, str], Identity]
    write: Callable[[Path, str, Identity], None]


_PEM = _Form(_read_pem, _write_pem)
_PKCS12 = _Form(_read_pkcs12, _write_pkcs12)


# --- all of them ---------------------------------------------------------------------------------------------------

_Make = Callable[[x509.Name, Validity, PrivateKey], Identity]


class _Generator:
    def __init__(self, out: Path, topology: Topology, now: datetime) -> None:
        self._out = out
        self._topology = topology
        self._now = now
        self._index = CertificateIndex(out / "index.json")
        self._report = Report()

    def run(self) -> Report:
        topology = self._topology
        during = validity(self._now, years=topology.certificate_years)
        of_root = validity(self._now, years=topology.authority_years)
        root = self._ensure("ca", _PEM, named(topology.authority), self._make_root, of_root)
        # Nothing outlives the CA: a chain is as good as its weakest certificate.
        during = replace(during, not_after=min(during.not_after, root.certificate.not_valid_after_utc))
        authority = Authority(root, self._index.record)
        own = root.certificate
        self._ensure("ocsp", _PEM, self._service("OCSP"), authority.issue_ocsp_signer, during, own)
        self._ensure("tsa", _PEM, self._service("TSA"), authority.issue_time_stamper, during, own)
        self._ensure("registry", _PEM, named(f"{topology.instance} registry"), create_registry, during)
        for member in topology.members:
            self._member(member, authority, during)
        for name, addresses in topology.information_systems.items():
            self._ensure(name, _PEM, named(name), partial(create_tls, addresses=addresses), during)
        if topology.facilities is not None:
            codes = topology.facilities.codes
            subjects = {f"facility-{code}": facility_subject(code) for code in codes}
            self._signers("facilities", topology.facilities.authority, subjects, during, of_root)
        if topology.documents is not None:
            offices = topology.documents.signers.items()
            subjects = {name: named(signer.name, organisation=signer.organisation) for name, signer in offices}
            self._signers("documents", topology.documents.authority, subjects, during, of_root)
        log = topology.transparency
        if log is not None:  # what it shows where security servers submit
            make = partial(create_tls, addresses=[urlsplit(log.url).hostname or ""])
            self._ensure("log-tls", _PEM, named("log-tls"), make, during)
        for name, made in () if log is None else ensure_note_keys(self._out, log, self._now, _write):
            (self._report.made if made else self._report.kept).append(name)
        return self._report

    def _member(self, topology: MemberTopology, authority: Authority, during: Validity) -> None:
        member = topology.id.resolve(self._topology.instance).member
        profile, issuer, code = self._topology.profile, authority.identity.certificate, member.member_code
        servers = {c: SecurityServerId(member.instance, member.member_class, code, c) for c in topology.servers}
        signs_on = topology.hosted_by or next(iter(servers))
        on = SecurityServerId(member.instance, member.member_class, code, signs_on)
        subject = sign_certificate_subject(profile, member=member, server=on)
        self._ensure(f"{code}-sign", _PKCS12, subject, authority.issue_signing, during, issuer)
        for server_code, server in servers.items():
            prefix = f"{code}-{server_code}"
            subject = auth_certificate_subject(profile, server=server, dns=topology.servers[server_code])
            self._ensure(f"{prefix}-auth", _PKCS12, subject, authority.issue_authentication, during, issuer)
            make = partial(create_tls, addresses=[topology.servers[server_code]])
            self._ensure(f"{prefix}-tls", _PEM, named(prefix), make, during)
            self._log_keys(f"{prefix}-log")

    def _signers(
        self, kind: str, authority: str, subjects: Mapping[str, x509.Name], during: Validity, of_root: Validity
    ) -> None:
        """Those who sign documents, below an authority of their own with an index of its own."""
        root = self._ensure(f"{kind}-ca", _PEM, named(authority), create_root, of_root)
        index = CertificateIndex(self._out / f"{kind}-index.json")
        issuing = Authority(root, index.record)
        for name, subject in subjects.items():
            self._ensure(name, _PKCS12, subject, issuing.issue_signing, during, root.certificate, index)

    def _log_keys(self, name: str) -> None:
        """The id says which key it is, so that another one in its place is found out before anything is written."""
        path = self._out / f"{name}.keys"
        if path.exists():
            self._report.kept.append(name)
            return
        word = f"{self._now:%Y-%m-%d}-{secrets.token_hex(3)}:{secrets.token_hex(KEY_BYTES)}"
        _write(path, f"{word}\n".encode(), 0o600)
        self._report.made.append(name)

    def _make_root(self, subject: x509.Name, during: Validity, key: PrivateKey) -> Identity:
        # The index belongs to the CA. If we crash here, every certificate is unknown to the index and is made anew.
        (self._out / "index.json").unlink(missing_ok=True)
        return create_root(subject, during, key)

    def _ensure(
        self,
        name: str,
        form: _Form,
        subject: x509.Name,
        make: _Make,
        during: Validity,
        issuer: x509.Certificate | None = None,
        index: CertificateIndex | None = None,
    ) -> Identity:
        try:
            identity = form.read(self._out, name)
            if self._still_good(identity.certificate, subject, issuer, index or self._index):
                self._report.kept.append(name)
                return identity
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
            pass
        known = self._report.renewed if (self._out / f"{name}.pem").exists() else self._report.made
        identity = make(subject, during, new_key(KeyType(self._topology.key)))
        form.write(self._out, name, identity)
        known.append(name)
        return identity

    def _still_good(
        self,
        certificate: x509.Certificate,
        subject: x509.Name,
        issuer: x509.Certificate | None,
        index: CertificateIndex,
    ) -> bool:
        left = certificate.not_valid_after_utc - self._now
        if certificate.subject != subject or left < timedelta(days=self._topology.renew_within_days):
            return False
        return issuer is None or (is_issued_by(certificate, issuer) and certificate in index)

    def _service(self, what: str) -> x509.Name:
        return named(f"{self._topology.authority} {what}")


def facility_subject(code: str) -> x509.Name:
    """How a facility's certificate names it: what `facility.certificate: serial_number` of a contract looks at."""
    name = x509.NameAttribute(NameOID.COMMON_NAME, f"Health facility {code}")
    return x509.Name([name, x509.NameAttribute(NameOID.SERIAL_NUMBER, code)])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m certs.generate", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("certs/out"))
    parser.add_argument("--topology", type=Path, default=Path("certs/topology.yaml"))
    options = parser.parse_args(arguments)
    try:
        report = generate(options.out, load_topology(options.topology), datetime.now(UTC))
    except (GatewayError, OSError) as e:
        print(f"certs: {e.safe_detail if isinstance(e, GatewayError) else e}", file=sys.stderr)
        return 1
    for line in report.lines(options.out):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
