"""Certificate profiles: how each certification authority writes a member into a certificate's subject (reference 4.5).

A profile is a row of `PROFILES`: how to read the member out of a signing certificate, and what subjects our own authority writes
for signing and authentication certificates. Rows are found by the Java class name that shared-params carries, with or without
its package. A field that occurs twice is refused: two readers could take different ones for the member.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID, ObjectIdentifier

from gateway.core.errors import MalformedMessage, SignatureRejected
from gateway.core.identifiers import MemberId, SecurityServerId

PACKAGE = "ee.ria.xroad.common.certificateprofile.impl."
EJBCA = PACKAGE + "EjbcaCertificateProfileInfoProvider"

_C, _O, _OU, _CN = (
    NameOID.COUNTRY_NAME,
    NameOID.ORGANIZATION_NAME,
    NameOID.ORGANIZATIONAL_UNIT_NAME,
    NameOID.COMMON_NAME,
)
_SN, _BC, _ORG_ID = NameOID.SERIAL_NUMBER, NameOID.BUSINESS_CATEGORY, NameOID.ORGANIZATION_IDENTIFIER
_PRINTABLE = re.compile(r"[A-Za-z0-9 '()+,\-./:=?]*")
_TYPE_BY_RULE = frozenset({_C, _SN})  # PrintableString by their definitions, when the value allows it


class Subject:
    """Fields of a certificate subject by OID; each at most once among those that are asked for."""

    __slots__ = ("_name",)

    def __init__(self, name: x509.Name) -> None:
        self._name = name

    def get(self, oid: ObjectIdentifier) -> str | None:
        values = [a.value for a in self._name.get_attributes_for_oid(oid)]
        if not values:
            return None
        if len(values) > 1 or not isinstance(values[0], str):
            raise _incorrect("has an ambiguous field")
        return values[0] or None

    def need(self, oid: ObjectIdentifier) -> str:
        value = self.get(oid)
        if value is None:
            raise _incorrect("misses a field")
        return value

    def need_country(self, country: str) -> None:
        if self.get(_C) != country:
            raise _incorrect(f"is not of country {country}")


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a certificate is for. `name`: the member's name; `dns`: the server's host name; `country`: two letters."""

    server: SecurityServerId
    member: MemberId
    name: str
    dns: str
    country: str


ReadMember: TypeAlias = Callable[[Subject, str], MemberId]
Fields: TypeAlias = Iterable[tuple[ObjectIdentifier, str]]


@dataclass(frozen=True, slots=True)
class Profile:
    """`member`: (subject, instance of the configuration) -> member; SignatureRejected when the subject does not fit."""

    member: ReadMember
    sign_subject: Callable[[Holder], Fields]
    auth_subject: Callable[[Holder], Fields]


def _incorrect(what: str) -> SignatureRejected:
    return SignatureRejected(f"The subject of the signing certificate {what}", code="incorrect_certificate")


def _ejbca(subject: Subject, instance: str) -> MemberId:
    return MemberId(subject.need(_C), subject.need(_O), subject.need(_CN))


def _fi_vrk(subject: Subject, instance: str) -> MemberId:
    serial, unit = subject.get(_SN), subject.get(_OU)
    if serial is None and unit is None:
        return _ejbca(subject, instance)
    subject.need_country("FI")
    if serial is None:
        return MemberId(subject.need(_O), subject.need(_OU), subject.need(_CN))
    subject.need(_O)
    pieces = serial.split("/")
    if len(pieces) != 3 or not all(pieces):
        raise _incorrect("has a serialNumber that is not instance/server/class")
    return MemberId(pieces[0], pieces[2], subject.need(_CN))


def _north_atlantic(country: str) -> ReadMember:
    def read(subject: Subject, instance: str) -> MemberId:
        if country == "IS" and subject.get(_SN) is None and subject.get(_OU) is None:
            return _ejbca(subject, instance)
        subject.need_country(country)
        subject.need(_SN)
        return MemberId(subject.need(_O), subject.need(_OU), subject.need(_CN))

    return read


_KLASS3_PREFIXES = {"NTREE-": "COM", "GO:EE-": "GOV", "NP:EE-": "NGO"}
_KLASS3_DIGITS = {**dict.fromkeys("123456", "COM"), "7": "GOV", "8": "NGO", "9": "NGO"}


def _sk_klass3(subject: Subject, instance: str) -> MemberId:
    identifier = subject.get(_ORG_ID)
    if identifier is not None:
        member_class = _KLASS3_PREFIXES.get(identifier[:6])
        if member_class is None:
            return MemberId(instance, "NEE", identifier)
        if len(identifier) == 6:
            raise _incorrect("has an organizationIdentifier without a code")
        return MemberId(instance, member_class, identifier[6:])
    serial = subject.need(_SN)
    if not re.fullmatch("[0-9]{8}", serial) or serial[0] not in _KLASS3_DIGITS:
        raise _incorrect("has a serialNumber that is no register code")
    return MemberId(instance, _KLASS3_DIGITS[serial[0]], serial)


def _sk_este_id(subject: Subject, instance: str) -> MemberId:
    return MemberId(instance, "PERSON", subject.need(_SN))


def _basic(subject: Subject, instance: str) -> MemberId:
    return MemberId(instance, subject.need(_BC), subject.need(_SN))


def _short(server: SecurityServerId) -> str:
    return "/".join((server.instance, server.server_code, server.member_class))


def _fi_fields(h: Holder, common_name: str) -> Fields:
    return ((_C, "FI"), (_O, h.name), (_SN, _short(h.server)), (_CN, common_name))


def _sk_fields(h: Holder) -> Fields:
    return ((_SN, h.member.member_code), (_CN, h.name))


def _basic_auth(h: Holder) -> Fields:
    return ((_C, h.country), (_O, h.name), (_SN, h.server.member_code), (_CN, h.dns))


_EJBCA = Profile(
    _ejbca,
    lambda h: ((_C, h.member.instance), (_O, h.member.member_class), (_CN, h.member.member_code)),
    lambda h: ((_C, h.server.instance), (_CN, h.server.server_code)),
)
_FI_VRK = Profile(_fi_vrk, lambda h: _fi_fields(h, h.member.member_code), lambda h: _fi_fields(h, h.dns))
_FO = Profile(
    _north_atlantic("FO"),
    lambda h: (
        (_C, "FO"),
        (_O, h.member.instance),
        (_OU, h.member.member_class),
        (_CN, h.member.member_code),
        (_SN, str(h.server)),
    ),
    lambda h: ((_C, "FO"), (_O, h.server.instance), (_CN, str(h.server))),
)
_IS = Profile(
    _north_atlantic("IS"),
    lambda h: (
        (_C, "IS"),
        (_O, h.member.instance),
        (_OU, h.member.member_class),
        (_CN, h.member.member_code),
        (_SN, str(h.server)),
    ),
    lambda h: ((_C, "IS"), (_CN, h.dns), (_SN, str(h.server))),
)
_BASIC = Profile(
    _basic,
    lambda h: (
        (_C, h.country),
        (_O, h.name),
        (_BC, h.member.member_class),
        (_SN, h.member.member_code),
        (_CN, h.name),
    ),
    _basic_auth,
)

PROFILES: dict[str, Profile] = {
    "EjbcaCertificateProfileInfoProvider": _EJBCA,
    "FiVRKCertificateProfileInfoProvider": _FI_VRK,
    "FoCertificateProfileInfoProvider": _FO,
    "IsCertificateProfileInfoProvider": _IS,
    "SkKlass3CertificateProfileInfoProvider": Profile(_sk_klass3, _sk_fields, _sk_fields),
    "SkEsteIdCertificateProfileInfoProvider": Profile(_sk_este_id, _sk_fields, _sk_fields),
    "BasicCertificateProfileInfoProvider": _BASIC,
    "BasicACMECertificateProfileInfoProvider": _BASIC,
}


def profile_named(name: str) -> Profile:
    """The profile with this Java class name, package or not. MalformedMessage for a class we do not know."""
    profile = PROFILES.get(name.removeprefix(PACKAGE))
    if profile is None:
        raise MalformedMessage("unknown certificate profile", code="malformed_global_conf")
    return profile


def sign_certificate_subject(
    profile: str,
    *,
    member: MemberId,
    server: SecurityServerId,
    name: str | None = None,
    dns: str | None = None,
    country: str = "VN",
) -> x509.Name:
    """Subject of `member`'s signing certificate. `name` defaults to the member code, `dns` to the server code."""
    holder = Holder(server, member, name or member.member_code, dns or server.server_code, country)
    return _name(profile_named(profile).sign_subject(holder))


def auth_certificate_subject(
    profile: str, *, server: SecurityServerId, name: str | None = None, dns: str | None = None, country: str = "VN"
) -> x509.Name:
    """Subject of a security server's authentication certificate; `name`: of the owner."""
    holder = Holder(server, server.owner, name or server.member_code, dns or server.server_code, country)
    return _name(profile_named(profile).auth_subject(holder))


def _name(fields: Fields) -> x509.Name:
    return x509.Name([_attribute(oid, value) for oid, value in fields])


def _attribute(oid: ObjectIdentifier, value: str) -> x509.NameAttribute[str]:
    # C is an instance identifier of any length in the Ejbca profile: the library's two-letter rule does not apply.
    printable = oid in _TYPE_BY_RULE and _PRINTABLE.fullmatch(value)
    kind = _ASN1Type.PrintableString if printable else _ASN1Type.UTF8String
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return x509.NameAttribute(oid, value, kind, _validate=False)
