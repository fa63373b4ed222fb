"""`gateway keys import`: a certificate joins the key that waits for it, if everybody else will accept it. In this order:

1. The key waits in the folder, and its PIN still opens it.
2. The certificate is valid now.
3. (signing, authentication) It was issued by an approved authority of the global configuration, for this use.
4. (signing) Its subject says the member that the key was made for; (authentication) every field asked for is in its subject.

Only then is it written beside its key. A server uses it when its settings name it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.app.keyring.files import SECTIONS, WaitingKey, keys_in, print_key
from gateway.app.newfiles import write_new
from gateway.core.errors import AuthenticationFailed, KeyTokenError
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.signing.certificates import (
    find_issuer,
    is_authentication_certificate,
    is_signing_certificate,
    signing_member,
    verify_chain,
)
from gateway.core.signing.trust import InstanceTrust
from gateway.settings.server import ServerSettings
from gateway.signer.tokens import open_token
from gateway.signer.tokens.software import read_certificates


@dataclass(frozen=True, slots=True)
class Imported:
    key: WaitingKey
    certificate: x509.Certificate


def import_certificate(
    settings: ServerSettings, conf: GlobalConfiguration, file: Path, folder: Path, now: datetime
) -> Imported:
    """`file`: the certificate, in PEM with its intermediates, or in DER. Importing again changes nothing. GatewayError says which
    check failed; then nothing was written."""
    certificates = read_certificates(file)
    # 1. the key
    key = _waiting(certificates, folder)
    certificate = next(c for c in certificates if c.public_key() == key.request.public_key)
    pin = None if key.record.key.pin is None else key.record.key.pin.read()
    open_token(key.record.key.reference, pin=pin, certificate=file)
    # 2. - 4.
    check_certificate(key, certificate, certificates, conf.trust(settings.server.instance, now), now)
    if key.certificate != certificate:
        ordered = [certificate, *(c for c in certificates if c != certificate)]
        write_new(key.place, b"".join(c.public_bytes(Encoding.PEM) for c in ordered), mode=0o644)
    return Imported(key, certificate)


def check_certificate(
    key: WaitingKey,
    certificate: x509.Certificate,
    others: Sequence[x509.Certificate],
    trust: InstanceTrust,
    now: datetime,
) -> None:
    """Steps 2 to 4. AuthenticationFailed, SignatureRejected."""
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise AuthenticationFailed("The certificate is expired or not yet valid", code="cert_validation")
    if key.record.use == "tls":
        return
    if key.record.use == "auth":
        verify_chain(certificate, others, trust, now)
        if not is_authentication_certificate(certificate):
            raise AuthenticationFailed("The certificate is not one for authentication", code="wrong_cert_usage")
        missing = set(key.request.subject) - set(certificate.subject)
        if missing:
            what = ", ".join(sorted(a.rfc4514_string() for a in missing))
            raise AuthenticationFailed(f"The certificate's subject lacks {what}", code="incorrect_certificate")
        return
    verify_chain(certificate, (), trust, now)  # messages carry no intermediates: a listed authority issued it itself
    approved, _ = find_issuer(certificate, trust, now)
    if approved.authentication_only or not is_signing_certificate(certificate):
        raise AuthenticationFailed("The certificate is not one for signing messages", code="wrong_cert_usage")
    member = signing_member(certificate, profile=approved.profile, instance=trust.instance)
    if str(member) != key.record.holder:
        raise AuthenticationFailed(
            f"The certificate is for {member}, the key for {key.record.holder}", code="incorrect_certificate"
        )


def what_to_do(imported: Imported) -> str:
    """For the operator: what the settings need now, and for an authentication certificate the registry."""
    record, section = imported.key.record, SECTIONS[imported.key.record.use]
    found = imported.certificate
    lines = [
        f"{imported.key.place}: {found.subject.rfc4514_string()} (serial {found.serial_number:x},"
        f" until {found.not_valid_after_utc.date()})",
        "",
    ]
    line = print_key(record.key)
    if record.use == "tls":
        lines += ["in the server's settings, in place of the old key:", f"  {section}: {line}"]
        return "\n".join(lines)
    lines += [f"in the server's settings, keys.{section} becomes a list, this key above the old one:", f"  - {line}"]
    if record.use == "auth":
        _, _, server = record.holder.partition("/")
        lines += [
            "",
            "to be registered beside the old certificate (in our registry: security_servers, "
            f"{server}, auth_certs); it takes over by itself afterwards:",
            f"  {imported.key.place}",
        ]
    return "\n".join(lines)


def _waiting(certificates: Sequence[x509.Certificate], folder: Path) -> WaitingKey:
    public_keys = [c.public_key() for c in certificates]
    for key in keys_in(folder):
        if key.request.public_key in public_keys:
            return key
    raise KeyTokenError(f"no key in {folder} waits for this certificate", code="csr_not_found")
