"""`gateway keys request`: a new key, and the request for its certificate with the subject that the authority's profile wants.

The key never leaves the folder or the token it was made in; the request holds nothing secret and may travel anyhow.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from gateway.app.keyring.files import Use, print_record
from gateway.app.newfiles import write_new
from gateway.core.errors import SettingsError
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.identifiers import MemberId
from gateway.core.signing.certificates import auth_certificate_subject, sign_certificate_subject
from gateway.core.signing.requests import KeyType, build_request
from gateway.settings.common import SecretReference
from gateway.settings.names import client_ref
from gateway.settings.pkcs11uri import Pkcs11Uri
from gateway.settings.server import ServerSettings
from gateway.signer.newkeys import NewKey, new_file_key, new_token_key

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class Wanted:
    """`member`: as administrators write it, None for the server's owner. `ca`: name of the approved authority that will be asked,
    needed where several have different profiles. `dns`: the server's host name, for subject and subjectAltName."""

    use: Use
    kind: KeyType = KeyType.EC_P256
    member: str | None = None
    ca: str | None = None
    dns: str | None = None
    country: str = "VN"
    token: Pkcs11Uri | None = None
    pin: SecretReference | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """Whose the certificate is to be, and how its subject says so."""

    holder: str
    subject: x509.Name


def request_key(
    settings: ServerSettings, conf: GlobalConfiguration, wanted: Wanted, folder: Path, now: datetime
) -> tuple[Path, Named]:
    """Make the key; the path of the request, durable on return with all that belongs to it. SettingsError, KeyTokenError."""
    named = name_of(settings, conf, wanted, now)
    if wanted.token is not None and wanted.use != "sign":
        raise SettingsError(["--token: a PKCS#11 token keeps its key, and TLS needs it"])
    folder = folder.resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stem = folder / _UNSAFE.sub("_", f"{named.holder.replace('/', '-')}-{wanted.use}-{now:%Y%m%dT%H%M%S%f}")
    key, for_settings = _make(stem, wanted)
    request = stem.with_suffix(".csr")
    # A signing certificate needs no host; an ACME authority orders nothing without one.
    named_host = wanted.use != "sign" or settings.acme is not None
    addresses = [wanted.dns] if wanted.dns is not None and named_host else []
    write_new(request, build_request(named.subject, key.public_key, key.sign, addresses), mode=0o644)
    record = print_record(wanted.use, named.holder, for_settings)
    write_new(stem.with_suffix(".yaml"), record)  # if we crash before: files that nobody looks at
    return request, named


def _make(stem: Path, wanted: Wanted) -> tuple[NewKey, dict[str, str]]:
    """The key, and what the settings will say of it."""
    certificate = str(stem.with_suffix(".pem"))
    if wanted.token is not None:
        pin = {} if wanted.pin is None else {"pin": str(wanted.pin)}
        key = new_token_key(wanted.kind, wanted.token, None if wanted.pin is None else wanted.pin.read())
        return key, {"token": str(wanted.token), "certificate": certificate, **pin}
    secret, secret_file, key_file = secrets.token_urlsafe(24), stem.with_suffix(".pin"), stem.with_suffix(".key")
    key, pem = new_file_key(wanted.kind, secret)
    write_new(secret_file, secret.encode() + b"\n")
    write_new(key_file, pem)
    return key, {"key": f"file:{key_file}", "certificate": certificate, "pin": f"file:{secret_file}"}


def name_of(settings: ServerSettings, conf: GlobalConfiguration, wanted: Wanted, now: datetime) -> Named:
    """SettingsError when nobody of that name has keys here, or it is not clear which authority's profile counts."""
    server = settings.server
    if wanted.use == "tls":
        name = wanted.dns or server.server_code
        return Named(str(server), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
    profile = _profile(conf, wanted, server.instance, now)
    if wanted.use == "auth":
        owner = _display_name(conf, server.owner, now)
        subject = auth_certificate_subject(profile, server=server, name=owner, dns=wanted.dns, country=wanted.country)
        return Named(str(server), subject)
    member = _member(settings, wanted.member)
    subject = sign_certificate_subject(
        profile,
        member=member,
        server=server,
        name=_display_name(conf, member, now),
        dns=wanted.dns,
        country=wanted.country,
    )
    return Named(str(member), subject)


def _member(settings: ServerSettings, text: str | None) -> MemberId:
    instance = settings.server.instance
    known = {settings.server.owner, *(c.id.resolve(instance).member for c in settings.clients)}
    if text is None:
        return settings.server.owner
    try:
        asked = client_ref(text).resolve(instance)
    except ValueError as e:
        raise SettingsError([f"--member: {e}"]) from e
    if asked not in known:
        raise SettingsError([f"--member: {text} has no client on this server (known: {_listed(map(str, known))})"])
    return asked.member


def _profile(conf: GlobalConfiguration, wanted: Wanted, instance: str, now: datetime) -> str:
    approved = conf.trust(instance, now).approved_cas
    fit = [ca for ca in approved if wanted.use == "auth" or not ca.authentication_only]
    if wanted.ca is not None:
        fit = [ca for ca in fit if ca.name == wanted.ca]
    profiles = {ca.profile for ca in fit}
    if len(profiles) != 1:
        names = _listed(ca.name for ca in approved)
        what = "no approved authority issues these" if not fit else "say with --ca which authority will be asked"
        raise SettingsError([f"{what} (approved: {names})"])
    return profiles.pop()


def _display_name(conf: GlobalConfiguration, member: MemberId, now: datetime) -> str | None:
    """As the registry has it; None before the member is registered."""
    return next((m.name for m in conf.shared(member.instance, now).members if m.id == member), None)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
