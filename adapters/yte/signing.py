"""A facility signs its notice: enveloped XMLDSig in CHUKYDONVI, exclusive canonical form, SHA-256, the certificate beside it, and
the signing time as a signed property."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from lxml import etree

from adapters.sdk.xmltree import parse_tree
from adapters.yte.notices import SIGNATURE

_DS = "http://www.w3.org/2000/09/xmldsig#"
_EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_METHODS = {
    "ec": "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    "rsa": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
}
_SIGNATURE = f"""\
<Signature xmlns="{_DS}" Id="{{id}}-sig"><SignedInfo><CanonicalizationMethod Algorithm="{_EXCLUSIVE}"/>\
<SignatureMethod Algorithm="{{method}}"/><Reference URI=""><Transforms>\
<Transform Algorithm="{_DS}enveloped-signature"/><Transform Algorithm="{_EXCLUSIVE}"/></Transforms>\
<DigestMethod Algorithm="{_SHA256}"/><DigestValue>{{document}}</DigestValue></Reference>\
<Reference URI="#{{id}}-time"><Transforms><Transform Algorithm="{_EXCLUSIVE}"/></Transforms>\
<DigestMethod Algorithm="{_SHA256}"/><DigestValue/></Reference></SignedInfo><SignatureValue/>\
<KeyInfo><X509Data><X509Certificate>{{certificate}}</X509Certificate></X509Data></KeyInfo>\
<Object><SignatureProperties Id="{{id}}-time"><SignatureProperty Target="#{{id}}-sig">\
<SigningTime xmlns="urn:yte:signing">{{time}}</SigningTime></SignatureProperty></SignatureProperties></Object></Signature>"""


@dataclass(frozen=True, slots=True)
class FacilityKey:
    """What a facility signs with; RSA or an elliptic curve."""

    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    certificate: x509.Certificate

    def sign(self, data: bytes) -> bytes:
        """An XMLDSig signature value: of a curve r‖s, each as long as the curve."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        size = (self.key.curve.key_size + 7) // 8
        r, s = decode_dss_signature(self.key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def load_facility_key(folder: Path, code: str) -> FacilityKey:
    """`facility-<code>.p12` and its pin, as `certs/` makes them. OSError or ValueError when they are not there or do not fit."""
    pin = (folder / f"facility-{code}.pin").read_bytes().removesuffix(b"\n")
    key, certificate, _ = pkcs12.load_key_and_certificates((folder / f"facility-{code}.p12").read_bytes(), pin)
    if certificate is None or not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError(f"facility-{code}.p12 holds no key that signs notices")
    return FacilityKey(key, certificate)


def sign_notice(document: bytes, signer: FacilityKey, now: datetime) -> bytes:
    """The signed notice. `document`: of `notices.print_notice`; `now`: the signing time, with its zone."""
    root = parse_tree(document)
    method = "rsa" if isinstance(signer.key, rsa.RSAPrivateKey) else "ec"
    signature = parse_tree(
        _SIGNATURE.format(
            id=root.get("Id"),
            method=_METHODS[method],
            document=_digest(root),
            certificate=b64encode(signer.certificate.public_bytes(Encoding.DER)).decode(),
            time=now.isoformat(timespec="seconds"),
        ).encode()
    )
    place = root.find(SIGNATURE)
    assert place is not None  # print_notice made it
    place.append(signature)
    info, value = signature[0], signature[1]
    inner = info.findall(f".//{{{_DS}}}DigestValue")[1]
    inner.text = _digest(signature[3][0])
    value.text = b64encode(signer.sign(_canonical(info))).decode()
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def _digest(element: etree._Element) -> str:
    return b64encode(hashlib.sha256(_canonical(element)).digest()).decode()
