"""Messages between security servers, made as X-Road's libraries lay them out and judged by the recommendation alone."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from lxml import etree

from tests.interop.foreign.pki import Pair

OCSP, REQUEST, RESPONSE = (
    "application/ocsp-response",
    "application/x-road-rest-request",
    "application/x-road-rest-response",
)
BODY, RESULT, CHAIN = "application/x-road-rest-body", "application/hash-chain-result", "application/hash-chain"
SIGNATURE, FAULT = "signature/bdoc-1.0/ts", "text/xml; charset=UTF-8"
SHA512 = "http://www.w3.org/2001/04/xmlenc#sha512"
NS = {
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "xades": "http://uri.etsi.org/01903/v1.3.2#",
    "hc": "http://cyber.ee/hashchain",
}
Parts = list[tuple[str, bytes]]


def sha512(data: bytes) -> bytes:
    return hashlib.sha512(data).digest()


def boundary() -> str:
    return "xtop" + "".join(secrets.choice(string.ascii_letters) for _ in range(30))


def join(parts: Parts, mark: str) -> bytes:
    body = b"".join(b"\r\n--%s\r\ncontent-type: %s\r\n\r\n%s" % (mark.encode(), t.encode(), d) for t, d in parts)
    return body.removeprefix(b"\r\n") + b"\r\n--%s--\r\n" % mark.encode()


def split(body: bytes, mark: str) -> Parts:
    """AssertionError unless the framing is exactly X-Road's."""
    assert body.startswith(f"--{mark}\r\n".encode()), body[:80]
    assert body.endswith(f"\r\n--{mark}--\r\n".encode()), body[-80:]
    pieces = (b"\r\n" + body[: -len(mark) - 8]).split(f"\r\n--{mark}\r\n".encode())[1:]
    parts: Parts = []
    for piece in pieces:
        head, _, data = piece.partition(b"\r\n\r\n")
        assert head.startswith(b"content-type: "), head
        assert b"\r\n" not in head, head
        parts.append((head.decode()[len("content-type: ") :], data))
    return parts


# --- hash chains -------------------------------------------------------------------------------------------------------


def tlv(kind: int, content: bytes) -> bytes:
    size = len(content)
    length = (
        bytes([size]) if size < 128 else bytes([0x81, size]) if size < 256 else bytes([0x82, size >> 8, size & 255])
    )
    return bytes([kind]) + length + content


def step(digests: Sequence[bytes]) -> bytes:
    return sha512(
        tlv(0x30, b"".join(tlv(0x30, tlv(4, d) + tlv(12, SHA512.encode()) + tlv(0x30, b"")) for d in digests))
    )


_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_XMLNS = 'xmlns="http://www.w3.org/2000/09/xmldsig#" xmlns:ns2="http://cyber.ee/hashchain"'


def result_document(digest: bytes) -> bytes:
    return (
        f'{_HEAD}<ns2:HashChainResult URI="/sig-hashchain.xml#STEP0" {_XMLNS}>\n    <DigestMethod Algorithm="{SHA512}"/>\n'
        f"    <DigestValue>{b64encode(digest).decode()}</DigestValue>\n</ns2:HashChainResult>\n"
    ).encode()


def chain_document(steps: Sequence[Sequence[str]]) -> bytes:
    """`steps`: of each step its lines, as `value`, `ref` and `data` make them."""
    inner = "".join(f'    <ns2:HashStep id="STEP{n}">\n{"".join(s)}    </ns2:HashStep>\n' for n, s in enumerate(steps))
    return (
        f'{_HEAD}<ns2:HashChain {_XMLNS}>\n    <ns2:DefaultDigestMethod Algorithm="{SHA512}"/>\n{inner}</ns2:HashChain>\n'
    ).encode()


def _value(digest: bytes) -> str:
    text = b64encode(digest).decode()
    return f"        <ns2:HashValue>\n            <DigestValue>{text}</DigestValue>\n        </ns2:HashValue>\n"


def _data(uri: str, digest: bytes) -> str:
    text = b64encode(digest).decode()
    return f'        <ns2:DataRef URI="{uri}">\n            <DigestValue>{text}</DigestValue>\n        </ns2:DataRef>\n'


def _names(digests: Sequence[bytes]) -> list[str]:
    return [_data("/message.xml" if n == 0 else f"/attachment{n}", d) for n, d in enumerate(digests)]


def batch_chain(messages: Sequence[Sequence[bytes]], mine: int) -> tuple[bytes, bytes]:
    """(result, chain) for message number `mine` of a batch signed at once; each message is its digests (reference 4.3)."""
    leaves = [m[0] if len(m) == 1 else step(m) for m in messages]

    def root(low: int, high: int) -> bytes:
        if high - low == 1:
            return leaves[low]
        middle = low + _left(high - low)
        return step([root(low, middle), root(middle, high)])

    steps: list[list[str]] = []
    low, high = 0, len(leaves)
    while high - low > 1:
        middle = low + _left(high - low)
        left = mine < middle
        span = (low, middle) if left else (middle, high)
        own = (
            _names(messages[mine])[0]
            if span[1] - span[0] == 1 and len(messages[mine]) == 1
            else f'        <ns2:StepRef URI="#STEP{len(steps) + 1}"/>\n'
        )
        other = _value(root(middle, high) if left else root(low, middle))
        steps.append([own, other] if left else [other, own])
        low, high = span
    if len(messages[mine]) > 1 or len(messages) == 1:
        steps.append(_names(messages[mine]))
    return result_document(root(0, len(leaves)) if len(messages) > 1 else step(messages[0])), chain_document(steps)


def _left(count: int) -> int:
    """Leaves of the left subtree: the largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


# --- signatures ----------------------------------------------------------------------------------------------------------

_ROOT = (
    '<?xml version="1.0" encoding="UTF-8" standalone="no"?><asic:XAdESSignatures '
    'xmlns:asic="http://uri.etsi.org/02918/v1.2.1#" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" '
    'xmlns:xades="http://uri.etsi.org/01903/v1.3.2#" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
)
_POLICY = (
    "<xades:SignaturePolicyIdentifier><xades:SignaturePolicyId><xades:SigPolicyId>"
    '<xades:Identifier Qualifier="OIDAsURN">urn:oid:1.3.6.1.4.1.3516.16.2</xades:Identifier><xades:Description>Profile for High '
    "Performance Digital Signatures (version 1.2)</xades:Description></xades:SigPolicyId><xades:SigPolicyHash>"
    f'<ds:DigestMethod Algorithm="{SHA512}"/><ds:DigestValue>BuO0EDNfkxSVlUbxCzmQPzX1AUF1/xx9ytWHk3/6SAOePxQiniEfDYk+90QeYb3l'
    "WpV3Izhuz9fKaYyE+lTcXw==</ds:DigestValue></xades:SigPolicyHash><xades:SigPolicyQualifiers><xades:SigPolicyQualifier>"
    "<xades:SPURI>https://repo.cyber.ee/dsig-profile-1.2.pdf</xades:SPURI></xades:SigPolicyQualifier>"
    "</xades:SigPolicyQualifiers></xades:SignaturePolicyId></xades:SignaturePolicyIdentifier>"
)


@dataclass(frozen=True)
class Signer:
    """Whose key, with a fresh OCSP answer. `above`: intermediate CAs with theirs, which X-Road's signer encapsulates. `wrap`:
    base64 in lines of 76 ending `&#13;` LF, as Santuario writes it."""

    pair: Pair
    ocsp: bytes
    above: tuple[tuple[Pair, bytes], ...] = ()
    pss: bool = False
    wrap: bool = True


def wrapped(data: bytes, wrap: bool) -> str:
    text = b64encode(data).decode()
    return "&#13;\n".join(text[i : i + 76] for i in range(0, len(text), 76)) if wrap else text


def sign_references(references: Sequence[tuple[str, bytes]], signer: Signer) -> bytes:
    """Signature XML over files given by URI and content digest."""
    algorithm = "http://www.w3.org/2001/04/xmldsig-more#" + ("ecdsa" if _is_ec(signer) else "rsa") + "-sha512"
    if signer.pss:
        algorithm = "http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1"
    kind = "application/hash-chain-result" if references[0][0].startswith("/sig-") else "text/xml"
    properties = _properties(signer, kind, len(references))
    digest = sha512(_canonical(_document("", "", properties, signer), ".//xades:SignedProperties"))
    refs = [(u, "", d) for u, d in references]
    refs.append(("#signed-properties", ' Type="http://uri.etsi.org/01903#SignedProperties"', digest))
    info = (
        "<ds:SignedInfo>\n"
        '<ds:CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/>\n'
        f'<ds:SignatureMethod Algorithm="{algorithm}"/>\n'
        + "".join(
            f'<ds:Reference Id="signature-reference-{n}"{more} URI="{uri}">\n<ds:DigestMethod Algorithm="{SHA512}"/>\n'
            f"<ds:DigestValue>{wrapped(d, signer.wrap)}</ds:DigestValue>\n</ds:Reference>\n"
            for n, (uri, more, d) in enumerate(refs)
        )
        + "</ds:SignedInfo>"
    )
    value = _sign(signer, _canonical(_document(info, "", properties, signer), ".//ds:SignedInfo"))
    return _document(info, b64encode(value).decode(), properties, signer)


def _is_ec(signer: Signer) -> bool:
    return isinstance(signer.pair.key, ec.EllipticCurvePrivateKey)


def _sign(signer: Signer, data: bytes) -> bytes:
    key = signer.pair.key
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA512())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    how = padding.PSS(padding.MGF1(hashes.SHA512()), 64) if signer.pss else padding.PKCS1v15()
    return key.sign(data, how, hashes.SHA512())


def _properties(signer: Signer, kind: str, references: int) -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    formats = "".join(
        f'<xades:DataObjectFormat ObjectReference="#signature-reference-{n}"><xades:MimeType>{kind}</xades:MimeType>'
        "</xades:DataObjectFormat>"
        for n in range(references)
    )
    return (
        '<xades:SignedProperties Id="signed-properties"><xades:SignedSignatureProperties>'
        f"<xades:SigningTime>{now}Z</xades:SigningTime><xades:SigningCertificate><xades:Cert>{_named(signer.pair)}</xades:Cert>"
        f"</xades:SigningCertificate>{_POLICY}</xades:SignedSignatureProperties><xades:SignedDataObjectProperties>{formats}"
        "</xades:SignedDataObjectProperties></xades:SignedProperties>"
    )


def _named(pair: Pair) -> str:
    """Digest, issuer and serial number of a certificate."""
    issuer = pair.certificate.issuer.rfc4514_string().replace("&", "&amp;")
    return (
        f'<xades:CertDigest><ds:DigestMethod Algorithm="{SHA512}"/><ds:DigestValue>{b64encode(sha512(pair.der)).decode()}'
        f"</ds:DigestValue></xades:CertDigest><xades:IssuerSerial><ds:X509IssuerName>{issuer}</ds:X509IssuerName>"
        f"<ds:X509SerialNumber>{pair.certificate.serial_number}</ds:X509SerialNumber></xades:IssuerSerial>"
    )


def _certificates(signer: Signer) -> str:
    if not signer.above:
        return ""
    refs = "".join(
        f'<xades:Cert URI="#encapsulated-cert-{n}">{_named(pair)}</xades:Cert>'
        for n, (pair, _) in enumerate(signer.above, start=1)
    )
    values = "".join(
        f'<xades:EncapsulatedX509Certificate Id="encapsulated-cert-{n}">{wrapped(pair.der, signer.wrap)}'
        "</xades:EncapsulatedX509Certificate>"
        for n, (pair, _) in enumerate(signer.above, start=1)
    )
    return (
        f'<xades:CompleteCertificateRefs Id="complete-certificate-refs"><xades:CertRefs>{refs}</xades:CertRefs>'
        f"</xades:CompleteCertificateRefs><xades:CertificateValues>{values}</xades:CertificateValues>"
    )


def _document(info: str, value: str, properties: str, signer: Signer) -> bytes:
    answers = "".join(
        f'<xades:EncapsulatedOCSPValue Id="ocsp-response-{n}">{wrapped(o, signer.wrap)}</xades:EncapsulatedOCSPValue>'
        for n, o in enumerate((signer.ocsp, *(o for _, o in signer.above)), start=1)
    )
    evidence = (
        f"<xades:UnsignedProperties><xades:UnsignedSignatureProperties>{_certificates(signer)}<xades:RevocationValues>"
        f"<xades:OCSPValues>{answers}</xades:OCSPValues></xades:RevocationValues></xades:UnsignedSignatureProperties>"
        "</xades:UnsignedProperties>"
    )
    return (
        f'{_ROOT}<ds:Signature Id="signature">\n{info}\n<ds:SignatureValue Id="signature-value">\n{value}\n</ds:SignatureValue>\n'
        f"<ds:KeyInfo>\n<ds:X509Data>\n<ds:X509Certificate>\n{wrapped(signer.pair.der, signer.wrap)}\n</ds:X509Certificate>\n"
        '</ds:X509Data>\n</ds:KeyInfo>\n<ds:Object><xades:QualifyingProperties Target="#signature">'
        f"{properties}{evidence}</xades:QualifyingProperties></ds:Object>\n</ds:Signature></asic:XAdESSignatures>"
    ).encode()


def _canonical(xml: bytes, path: str) -> bytes:
    element = etree.fromstring(xml).find(path, NS)
    assert element is not None, path
    return etree.tostring(element, method="c14n")


@dataclass(frozen=True)
class How:
    """How a message is signed. `batch`: in a batch of so many; `direct`: body referenced without a chain; `uncovered`: the
    body left out of the signature, which X-Road lets pass."""

    batch: int = 1
    direct: bool = False
    uncovered: bool = False


def sign_message(part: bytes, body: bytes | None, signer: Signer, how: How = How()) -> Parts:
    """Hash chain parts, if any, and the signature part."""
    own = [sha512(part)] if body is None else [sha512(part), sha512(body)]
    if how.uncovered or (how.batch == 1 and body is None):
        return [(SIGNATURE, sign_references([("/message.xml", own[0])], signer))]
    if how.direct:
        return [(SIGNATURE, sign_references(list(zip(("/message.xml", "/attachment1"), own, strict=True)), signer))]
    others = [[secrets.token_bytes(64)] * (1 + n % 2) for n in range(how.batch)]
    mine = how.batch // 2
    result, chain = batch_chain([*others[:mine], own, *others[mine + 1 :]], mine)
    signature = sign_references([("/sig-hashchainresult.xml", sha512(result))], signer)
    return [(RESULT, result), (CHAIN, chain), (SIGNATURE, signature)]


# --- judging -------------------------------------------------------------------------------------------------------------


@dataclass
class Judged:
    """What a verified message says. `ocsp`: of the signing certificate, from the signature."""

    certificate: x509.Certificate
    ocsp: list[bytes] = field(default_factory=list)


def judge_chain(result: bytes, chain: bytes, digests: Sequence[bytes]) -> None:
    """Byte for byte as X-Road writes them; the parts are covered once each, in order, alone or in a batch. AssertionError."""
    found: list[tuple[str, bytes]] = []
    steps: list[list[str]] = []
    elements = etree.fromstring(chain).findall("hc:HashStep", NS)

    def digest_of(number: int) -> bytes:
        assert number == len(steps), "steps are used once each, in order"
        lines: list[str] = []
        steps.append(lines)
        values: list[bytes] = []
        for child in elements[number]:
            kind = etree.QName(child).localname
            if kind == "StepRef":
                lines.append(f'        <ns2:StepRef URI="#STEP{len(steps)}"/>\n')
                values.append(digest_of(len(steps)))
                continue
            values.append(b64decode(_text(child, "ds:DigestValue")))
            if kind == "DataRef":
                found.append((child.get("URI") or "", values[-1]))
            lines.append(_data(*found[-1]) if kind == "DataRef" else _value(values[-1]))
        return step(values)

    assert result == result_document(digest_of(0))
    assert chain == chain_document(steps)
    assert found == [("/message.xml" if n == 0 else f"/attachment{n}", d) for n, d in enumerate(digests)]


def judge_signature(parts: Parts, message_type: str) -> Judged:
    """Core validation, chain documents byte for byte, coverage. AssertionError or InvalidSignature."""
    kinds = [t for t, _ in parts if t != OCSP]
    by_type = dict(parts)
    said = [message_type, BODY] if BODY in by_type else [message_type]
    if BODY in by_type or CHAIN in by_type:
        assert kinds == [*said, RESULT, CHAIN, SIGNATURE], kinds
        judge_chain(by_type[RESULT], by_type[CHAIN], [sha512(by_type[kind]) for kind in said])
        files = {"/sig-hashchainresult.xml": by_type[RESULT]}
    else:
        assert kinds == [message_type, SIGNATURE], kinds
        files = {"/message.xml": by_type[message_type]}
    xml = by_type[SIGNATURE]
    assert xml.startswith(_ROOT.encode() + b'<ds:Signature Id="signature">'), xml[:400]
    root = etree.fromstring(xml)
    info = root.find(".//ds:SignedInfo", NS)
    assert info is not None
    uris = []
    for reference in info.findall("ds:Reference", NS):
        assert [child.tag for child in reference] == [f"{{{NS['ds']}}}{n}" for n in ("DigestMethod", "DigestValue")]
        uri = reference.get("URI") or ""
        data = _canonical(xml, ".//xades:SignedProperties") if uri == "#signed-properties" else files[uri]
        uris.append(uri)
        assert sha512(data) == b64decode(_text(reference, "ds:DigestValue")), uri
    assert uris == [*files, "#signed-properties"], uris
    certificate = x509.load_der_x509_certificate(b64decode(_text(root, ".//ds:X509Certificate")))
    method = info.find("ds:SignatureMethod", NS)
    assert method is not None
    _check(certificate, method.get("Algorithm") or "", b64decode(_text(root, ".//ds:SignatureValue")), xml)
    cert_digest = root.find(".//xades:SigningCertificate//ds:DigestValue", NS)
    assert cert_digest is not None
    assert b64decode(cert_digest.text or "") == sha512(b64decode(_text(root, ".//ds:X509Certificate")))
    expected = "application/hash-chain-result" if BODY in by_type else "text/xml"
    assert _text(root, ".//xades:MimeType") == expected
    ocsp = [b64decode(e.text or "") for e in root.findall(".//xades:EncapsulatedOCSPValue", NS)]
    return Judged(certificate, ocsp)


def _text(parent: etree._Element, path: str) -> str:
    found = parent.findall(path, NS)
    assert len(found) == 1, path
    return found[0].text or ""


def _check(certificate: x509.Certificate, algorithm: str, value: bytes, xml: bytes) -> None:
    data, key = _canonical(xml, ".//ds:SignedInfo"), certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        assert algorithm == "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512", algorithm
        assert len(value) == 64
        r, s = int.from_bytes(value[:32], "big"), int.from_bytes(value[32:], "big")
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA512()))
        return
    assert isinstance(key, rsa.RSAPublicKey)
    if algorithm.startswith("http://www.w3.org/2007/05/"):
        key.verify(value, data, padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512())
    else:
        assert algorithm == "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", algorithm
        key.verify(value, data, padding.PKCS1v15(), hashes.SHA512())


def request_hash(parts: Parts) -> str:
    by_type = dict(parts)
    digest = sha512(by_type[REQUEST])
    return b64encode(sha512(digest + sha512(by_type[BODY])) if BODY in by_type else digest).decode()


def lines(part: bytes) -> tuple[str, str, list[tuple[str, str]]]:
    """A REST part that is exactly canonical."""
    text = part.decode("utf-8")
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    first, second, *headers = text[:-2].split("\r\n")
    assert all(re.fullmatch(r"[^:]+:\S?.*", h) and not h.partition(":")[2].startswith(" ") for h in headers), headers
    return first, second, [(n, v) for n, _, v in (h.partition(":") for h in headers)]
