"""Time-stamping authority (RFC 3161; reference 4.7, 6.2). A stamp is one CMS signature over the time and the digest asked about.

The token names its signer by issuer and serial number and, signed, by the certificate's hash (signingCertificateV2, RFC 5816):
X-Road's verifier refuses tokens without such an attribute. The certificate itself goes along only when asked for; X-Road does not
ask, it has it from the global configuration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509

from gateway.core.digest import Digest
from gateway.core.errors import GatewayError, MalformedMessage
from gateway.core.signing.algorithms import default_algorithm, sign_der
from gateway.core.signing.certificates import der
from gateway.core.signing.tsp import PkiFailure, TimestampQuery, build_rejection, parse_query
from gateway.trust.authority import Identity

_SIGNATURES = {"RSA": "sha512_rsa", "ECDSA": "sha512_ecdsa"}
_GRANTED = 0


@dataclass(frozen=True, slots=True)
class TimeStampingAuthority:
    """`signer`: a certificate with extended key usage timeStamping. `policy`: dotted OID of the policy stamps are made under.
    `accuracy_seconds`: how far genTime may be from UTC. `next_serial`: never gives a number twice; durable before it returns."""

    signer: Identity
    policy: str
    accuracy_seconds: int
    next_serial: Callable[[], int]

    def answer(self, request: bytes, now: datetime) -> bytes:
        """DER TimeStampResp to the DER TimeStampReq; whatever comes in, something valid goes out (RFC 3161 2.4.2)."""
        try:
            query = parse_query(request)
        except MalformedMessage:
            return build_rejection(PkiFailure.BAD_DATA_FORMAT, "not a time-stamp request")
        if query.imprint is None:
            return build_rejection(PkiFailure.BAD_ALG, "the digest is to be SHA-256, SHA-384 or SHA-512")
        if query.policy not in (None, self.policy):
            return build_rejection(PkiFailure.UNACCEPTED_POLICY, f"stamps are made under {self.policy}")
        if query.has_extensions:
            return build_rejection(PkiFailure.UNACCEPTED_EXTENSION, "extensions are not known")
        certificate = self.signer.certificate
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            return build_rejection(PkiFailure.TIME_NOT_AVAILABLE, "the authority's certificate is not valid now")
        try:
            token = self._stamp(query, query.imprint, now)
        except (OSError, GatewayError):
            return build_rejection(PkiFailure.SYSTEM_FAILURE, "no serial number or no signature")  # nothing was stamped
        return bytes(tsp.TimeStampResp({"status": {"status": _GRANTED}, "time_stamp_token": token}).dump())

    def _stamp(self, query: TimestampQuery, imprint: Digest, now: datetime) -> cms.ContentInfo:
        certificate = asn1_x509.Certificate.load(der(self.signer.certificate))
        serial = self.next_serial()  # durable here: if we crash now, the number is lost and not given again
        content = tsp.TSTInfo({
            "version": "v1",
            "policy": self.policy,
            "message_imprint": {
                "hash_algorithm": {"algorithm": imprint.algorithm.name.lower()},
                "hashed_message": imprint.value,
            },
            "serial_number": serial,
            "gen_time": now.astimezone(UTC).replace(microsecond=0),
            "accuracy": {"seconds": self.accuracy_seconds},
            "tsa": asn1_x509.GeneralName("directory_name", certificate.subject),
            **({} if query.nonce is None else {"nonce": query.nonce}),
        })  # fmt: skip
        attributes = _attributes(content.dump(), certificate, now)
        algorithm = default_algorithm(self.signer.certificate.public_key())
        signer = cms.SignerInfo({
            "version": "v1",
            "sid": cms.SignerIdentifier(
                "issuer_and_serial_number", {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
            ),
            "digest_algorithm": {"algorithm": "sha512"},
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": _SIGNATURES["ECDSA" if algorithm.is_ecdsa else "RSA"]},
            "signature": sign_der(self.signer.key, algorithm, attributes.dump()),
        })  # fmt: skip
        signed = cms.SignedData({
            "version": "v3",
            "digest_algorithms": [algos.DigestAlgorithm({"algorithm": "sha512"})],
            "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(content.dump())},
            "signer_infos": [signer],
            **({"certificates": [certificate]} if query.certificate_wanted else {}),
        })  # fmt: skip
        return cms.ContentInfo({"content_type": "signed_data", "content": signed})


def _attributes(content: bytes, certificate: asn1_x509.Certificate, now: datetime) -> cms.CMSAttributes:
    """What the signature is over: a DER SET OF (RFC 5652 5.4)."""
    named = tsp.ESSCertIDv2({"cert_hash": hashlib.sha256(certificate.dump()).digest()})
    values = {
        "content_type": "tst_info",
        "signing_time": cms.Time({"utc_time": now.astimezone(UTC).replace(microsecond=0)}),
        "message_digest": hashlib.sha512(content).digest(),
        "signing_certificate_v2": tsp.SigningCertificateV2({"certs": [named]}),
    }
    return cms.CMSAttributes([cms.CMSAttribute({"type": t, "values": [v]}) for t, v in values.items()])
