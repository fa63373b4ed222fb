"""Business documents with signatures of their own, good and bad: notices of an invented health facility.

    world = Documents()
    world.signed(notice())                                   # bytes, good
    world.signed(notice(), uri="#n1", exclusive=False)       # the other forms of the profile
    for name, case in BAD.items(): case.make(world), case.cause

Made here with lxml and `cryptography`, and not by the code that is tested.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from lxml import etree

from gateway.core.documents.causes import Cause
from gateway.core.documents.verify import trust_list
from gateway.core.signing.algorithms import SignatureAlgorithm, sign
from gateway.core.signing.trust import InstanceTrust
from tests.support.pki import NOON, Issued, KeyKind, Pki

DS = "http://www.w3.org/2000/09/xmldsig#"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
SHA1 = "http://www.w3.org/2000/09/xmldsig#sha1"
XPATH_TRANSFORM = "http://www.w3.org/TR/1999/REC-xpath-19991116"
FACILITY, OTHER_FACILITY = "99901", "99902"
OLDEST = timedelta(days=30)
_HASHES = {SHA256: hashlib.sha256, SHA1: lambda data: hashlib.sha1(data, usedforsecurity=False)}


def notice(facility: str = FACILITY, child: str = "Trần Thị Bé", extra: str = "") -> str:
    return (
        f'<notice xmlns="urn:example:notice" Id="n1" xml:lang="vi"><facility code="{facility}"/>\n'
        f"  <child>{child}</child>{extra}\n</notice>"
    )


def parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


@dataclass
class Documents:
    """`signer`: a facility's certificate, of the one authority that is trusted."""

    pki: Pki = field(default_factory=lambda: Pki(now=NOON - timedelta(days=100), ca_name="CA of facilities"))
    signer: Issued = field(init=False)

    def __post_init__(self) -> None:
        self.pki.now = NOON  # the authority is older than any document
        self.signer = self.issue()

    @property
    def now(self) -> datetime:
        return self.pki.now

    @property
    def trust(self) -> InstanceTrust:
        return trust_list([self.pki.ca.certificate])

    def issue(
        self,
        code: str = FACILITY,
        *,
        issuer: Issued | None = None,
        key: KeyKind = "ec",
        private_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
        usage: Sequence[str] | None = ("content_commitment",),
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> Issued:
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, f"Bệnh viện {code}"),
                x509.NameAttribute(NameOID.SERIAL_NUMBER, code),
            ]
        )
        return self.pki.issue(
            subject,
            issuer=issuer or self.pki.ca,
            key=key,
            private_key=private_key,
            usage=usage,
            not_before=not_before,
            not_after=not_after,
        )

    def stranger(self) -> Issued:
        return self.issue(issuer=self.pki.issue_ca("Somebody's CA"))

    def signed(
        self,
        document: str | None = None,
        *,
        by: Issued | None = None,
        certificates: Sequence[Issued] = (),
        uri: str = "",
        exclusive: bool = True,
        transforms: Sequence[str] | None = None,
        digest: str = SHA256,
        method: SignatureAlgorithm | str | None = None,
        time: datetime | str | None = None,
        time_signed: bool = True,
        below: str | None = None,
    ) -> bytes:
        """`time`: now, unless given; "" for none. `below`: local name of the element that the signature stands in."""
        by = by or self.signer
        root = etree.fromstring((document or notice()).encode(), parser())
        c14n = EXCLUSIVE if exclusive else INCLUSIVE
        algorithm = by.algorithm if method is None else method
        whole = next(e for e in root.iter() if not uri or e.get("Id") == uri[1:])
        octets = etree.tostring(whole, method="c14n", exclusive=exclusive, with_tail=False)
        text = (self.now.isoformat() if time is None else time) if not isinstance(time, datetime) else time.isoformat()
        signature = etree.fromstring(
            _SIGNATURE.format(
                c14n=c14n,
                method=algorithm.uri if isinstance(algorithm, SignatureAlgorithm) else algorithm,
                uri=uri,
                transforms="".join(_TRANSFORM.format(t) for t in (transforms or (ENVELOPED, c14n))),
                digest=digest,
                value=b64encode(_HASHES[digest](octets).digest()).decode(),
                properties=_REFERENCE.format(c14n=c14n) if text and time_signed else "",
                certificates="".join(_CERTIFICATE.format(b64encode(c.der).decode()) for c in (by, *certificates)),
                object=_OBJECT.format(text) if text else "",
            ).encode(),
            parser(),
        )
        place = root if below is None else next(e for e in root.iter() if etree.QName(e).localname == below)
        place.append(signature)
        if text and time_signed:
            target = signature.find(f".//{{{DS}}}SignatureProperties")
            assert target is not None
            inner = hashlib.sha256(_canonical(target, exclusive=exclusive))
            signature.findall(f".//{{{DS}}}DigestValue")[1].text = b64encode(inner.digest()).decode()
        info, value = signature[0], signature[1]
        real = algorithm if isinstance(algorithm, SignatureAlgorithm) else by.algorithm
        value.text = b64encode(sign(by.key, real, _canonical(info, exclusive=exclusive))).decode()
        return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _canonical(element: etree._Element, *, exclusive: bool) -> bytes:
    """Inclusive canonical form of a part has the `xml:` attributes that are in force there (Canonical XML 1.0, 2.4)."""
    if exclusive:
        return etree.tostring(element, method="c14n", exclusive=True, with_tail=False)
    apart = etree.fromstring(etree.tostring(element, method="c14n", with_tail=False), parser())
    for ancestor in element.iterancestors():
        for name, value in ancestor.attrib.items():
            if str(name).startswith("{http://www.w3.org/XML/1998/namespace}") and name not in apart.attrib:
                apart.set(name, value)
    return etree.tostring(apart, method="c14n")


_TRANSFORM = '<ds:Transform Algorithm="{}"/>'
_CERTIFICATE = "<ds:X509Certificate>{}</ds:X509Certificate>"
_REFERENCE = (
    '<ds:Reference URI="#p1"><ds:Transforms><ds:Transform Algorithm="{c14n}"/></ds:Transforms>'
    f'<ds:DigestMethod Algorithm="{SHA256}"/><ds:DigestValue/></ds:Reference>'
)
_OBJECT = (
    '<ds:Object><ds:SignatureProperties Id="p1"><ds:SignatureProperty Target="#s1">'
    '<t:SigningTime xmlns:t="urn:example:time">{}</t:SigningTime></ds:SignatureProperty></ds:SignatureProperties></ds:Object>'
)
_SIGNATURE = (
    f'<ds:Signature xmlns:ds="{DS}" Id="s1"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{{c14n}}"/>'
    '<ds:SignatureMethod Algorithm="{method}"/><ds:Reference URI="{uri}"><ds:Transforms>{transforms}</ds:Transforms>'
    '<ds:DigestMethod Algorithm="{digest}"/><ds:DigestValue>{value}</ds:DigestValue></ds:Reference>{properties}'
    "</ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data>{certificates}</ds:X509Data></ds:KeyInfo>{object}"
    "</ds:Signature>"
)


@dataclass(frozen=True)
class Bad:
    """`make`: the document's bytes. `crypto`: whether its signature is right as cryptography, so that only policy can refuse it."""

    cause: Cause
    make: Callable[[Documents], bytes]
    crypto: bool = False


def _changed(old: str, new: str) -> Callable[[Documents], bytes]:
    def make(world: Documents) -> bytes:
        before = world.signed()
        assert before.count(old.encode()) == 1
        return before.replace(old.encode(), new.encode())

    return make


def _wrapped(world: Documents) -> bytes:
    """The signed document moved into a corner, a forged one around it, with the signature's reference still leading home."""
    inner = world.signed(uri="#n1")
    body = inner.partition(b"?>\n")[2]
    return (
        notice(child="Kẻ Giả Mạo").replace('Id="n1"', 'Id="n2"').replace("</notice>", "").encode() + body + b"</notice>"
    )


def _wrapped_with_the_same_id(world: Documents) -> bytes:
    return _wrapped(world).replace(b'Id="n2"', b'Id="n1"')


def _part_only(world: Documents) -> bytes:
    return world.signed(notice(extra='<part Id="part"><x/></part>'), uri="#part", below="part")


def _signed_twice(world: Documents) -> bytes:
    once = world.signed().decode().partition("?>\n")[2]
    return world.signed(once)


def _expired(world: Documents) -> bytes:
    ended = world.now - timedelta(hours=1)
    return world.signed(by=world.issue(not_after=ended))


def _ended_since(world: Documents) -> bytes:
    ended = world.now - timedelta(hours=1)
    return world.signed(by=world.issue(not_after=ended), time=ended - timedelta(hours=1))


def _entity(world: Documents) -> bytes:
    body = world.signed().partition(b"?>\n")[2]
    return b'<!DOCTYPE notice [<!ENTITY e SYSTEM "file:///etc/hostname">]>' + body.replace(b"<child>", b"<child>&e;")


def _laughs(world: Documents) -> bytes:
    body = world.signed().partition(b"?>\n")[2]
    return b'<!DOCTYPE notice [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>' + body.replace(b"<child>", b"<child>&b;")


def _moment(**ago: float) -> Callable[[Documents], bytes]:
    return lambda world: world.signed(time=world.now - timedelta(**ago))


BAD: dict[str, Bad] = {
    "unsigned": Bad(Cause.UNSIGNED, lambda _: notice().encode()),
    "altered": Bad(Cause.ALTERED, _changed("Trần Thị Bé", "Trần Văn Bé")),
    "altered-space": Bad(Cause.ALTERED, _changed("\n  <child", "\n <child")),
    "altered-time": Bad(Cause.ALTERED, _changed("T12:00:00", "T11:59:00")),
    "altered-value": Bad(Cause.ALTERED, lambda w: _swap_value(w)),
    "wrapped": Bad(Cause.WRAPPED, _wrapped, crypto=True),
    "wrapped-same-id": Bad(Cause.WRAPPED, _wrapped_with_the_same_id),
    "part-only": Bad(Cause.WRAPPED, _part_only, crypto=True),
    "signed-twice": Bad(Cause.WRAPPED, _signed_twice),
    "inside-the-signature": Bad(
        Cause.WRAPPED,
        _changed("</ds:Signature>", "<ds:Object><child>Kẻ Giả Mạo</child></ds:Object></ds:Signature>"),
        crypto=True,
    ),
    "wrong-certificate": Bad(Cause.UNTRUSTED, lambda w: w.signed(by=w.stranger())),
    "for-tls": Bad(Cause.UNTRUSTED, lambda w: w.signed(by=w.issue(usage=("key_encipherment",))), crypto=True),
    "no-key-usage": Bad(Cause.UNTRUSTED, lambda w: w.signed(by=w.issue(usage=None)), crypto=True),
    "expired": Bad(Cause.EXPIRED, _expired),
    "ended-since": Bad(Cause.EXPIRED, _ended_since),
    "no-time": Bad(Cause.SIGNING_TIME, lambda w: w.signed(time=""), crypto=True),
    "unsigned-time": Bad(Cause.SIGNING_TIME, lambda w: w.signed(time_signed=False), crypto=True),
    "future": Bad(Cause.SIGNING_TIME, _moment(minutes=-6), crypto=True),
    "too-long-ago": Bad(Cause.SIGNING_TIME, lambda w: _long_ago(w), crypto=True),
    "no-time-at-all": Bad(Cause.FORM, lambda w: w.signed(time="yesterday"), crypto=True),
    "sha1": Bad(Cause.WEAK, lambda w: w.signed(digest=SHA1), crypto=True),
    "sha1-signature": Bad(Cause.WEAK, lambda w: w.signed(method="http://www.w3.org/2000/09/xmldsig#rsa-sha1")),
    "short-key": Bad(Cause.WEAK, lambda w: w.signed(by=w.issue(private_key=_short_key())), crypto=True),
    "xpath-transform": Bad(Cause.FORM, lambda w: w.signed(transforms=(ENVELOPED, XPATH_TRANSFORM))),
    "xslt-transform": Bad(
        Cause.FORM, lambda w: w.signed(transforms=(ENVELOPED, "http://www.w3.org/TR/1999/REC-xslt-19991116"))
    ),
    "external-entity": Bad(Cause.MALFORMED, _entity),
    "billion-laughs": Bad(Cause.MALFORMED, _laughs),
    "comment": Bad(Cause.MALFORMED, _changed("Trần Thị", "Trần<!-- --> Thị"), crypto=True),
    "not-xml": Bad(Cause.MALFORMED, lambda _: b"PK\x03\x04"),
    "utf-16": Bad(
        Cause.MALFORMED, lambda w: w.signed().decode().replace("UTF-8", "UTF-16").encode("utf-16"), crypto=True
    ),
}


def _short_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 1024)  # noqa: S505 - refused is what it is for


def _swap_value(world: Documents) -> bytes:
    mine, other = (etree.fromstring(world.signed(), parser()) for _ in range(2))
    value = f".//{{{DS}}}SignatureValue"
    (here,), (there,) = mine.findall(value), other.findall(value)
    assert here.text is not None
    assert there.text is not None
    here.text = there.text[:8] + here.text[8:]
    return etree.tostring(mine)


def _long_ago(world: Documents) -> bytes:
    return world.signed(time=world.now - OLDEST - timedelta(minutes=1))
