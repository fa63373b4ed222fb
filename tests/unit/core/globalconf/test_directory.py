from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.core.digest import DigestAlgorithm
from gateway.core.errors import MalformedMessage, SignatureRejected
from gateway.core.globalconf.directory import (
    PRIVATE,
    SHARED,
    PartReference,
    SignedDirectory,
    build_directory,
    parse_directory,
    verify_directory,
)
from gateway.core.signing.algorithms import SignatureAlgorithm
from tests.unit.core.globalconf.samples import LATER, der, directory, key, own_parts, reference

PARTS = [(SHARED, b"shared"), (PRIVATE, b"private"), ("NEXTUPDATE", b"next")]
BODY = directory(PARTS)


def test_it_is_written_as_a_central_server_writes_it() -> None:
    when = datetime(2035, 11, 11, 10, 7, 40, 999, tzinfo=timezone(timedelta(hours=7)))
    file_digest = DigestAlgorithm.SHA512.of(b"file")
    body = build_directory(
        [PartReference(SHARED, "DEV", "/V6/20251110170000548026000/shared-params.xml", file_digest)],
        expires=when,
        version=6,
        key=key("rsa-registry"),
        certificate=der("rsa-registry"),
        boundaries=("OUTER", "INNER"),
    )
    start, end = body.index(b"--INNER\r\nExpire"), body.index(b"\r\n--OUTER\r\nContent-Type: application")
    head, signed, tail = body[:start], body[start:end], body[end:]
    assert head == (
        b"Content-Type: multipart/related; charset=UTF-8; boundary=OUTER\r\n\r\n"
        b"--OUTER\r\nContent-Type: multipart/mixed; charset=UTF-8; boundary=INNER\r\n\r\n"
    )
    assert signed == (
        b"--INNER\r\nExpire-date: 2035-11-11T03:07:40Z\r\nVersion: 6\r\n\r\n"
        b"--INNER\r\nContent-type: application/octet-stream\r\nContent-transfer-encoding: base64\r\n"
        b"Content-identifier: SHARED-PARAMETERS; instance='DEV'\r\n"
        b"Content-location: /V6/20251110170000548026000/shared-params.xml\r\n"
        b"Hash-algorithm-id: http://www.w3.org/2001/04/xmlenc#sha512\r\n\r\n"
        + base64.b64encode(hashlib.sha512(b"file").digest())
        + b"\r\n--INNER--\r\n"
    )
    named = base64.b64encode(hashlib.sha512(der("rsa-registry")).digest())
    about, _, signature = tail.partition(b'"\r\n\r\n')
    assert about == (
        b"\r\n--OUTER\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
        b"Signature-Algorithm-Id: http://www.w3.org/2001/04/xmldsig-more#rsa-sha512\r\n"
        b"Verification-certificate-hash: " + named + b'; hash-algorithm-id="http://www.w3.org/2001/04/xmlenc#sha512'
    )
    assert signature.endswith(b"\r\n--OUTER--\r\n")
    assert parse_directory(body).signed == signed


@pytest.mark.parametrize(
    ("signer", "pss", "algorithm"),
    [
        ("registry", False, SignatureAlgorithm.ECDSA_SHA512),
        ("rsa-registry", False, SignatureAlgorithm.RSA_SHA512),
        ("rsa-registry", True, SignatureAlgorithm.RSA_PSS_SHA512),
    ],
)
def test_what_is_signed_verifies(signer: str, pss: bool, algorithm: SignatureAlgorithm) -> None:
    read = parse_directory(directory(PARTS, signer=signer, pss=pss))
    assert verify_directory(read, (der("ca"), der(signer))) == der(signer)
    assert read.algorithm == algorithm
    assert (read.expires, read.version, read.instance) == (LATER, 6, "VN")
    stamp = "20261124080000000000000"
    assert read.parts == tuple(reference(i, data, stamp=stamp) for i, data in PARTS)
    assert read.stamp == stamp


def test_lines_may_end_in_lf_only() -> None:
    lf_only = BODY.replace(b"\r\n", b"\n")
    read = parse_directory(lf_only)
    assert read.parts == parse_directory(BODY).parts
    with pytest.raises(SignatureRejected):  # other bytes than were signed
        verify_directory(read, (der("registry"),))


@pytest.mark.parametrize(
    ("case", "old", "new"),
    [
        ("double quotes", b"instance='VN'", b'instance="VN"'),
        ("no quotes", b"instance='VN'", b"instance=VN"),
        ("lower-case names", b"Content-type: application", b"content-type: application"),
        ("no version is version 2", b"Version: 6\r\n", b""),
        ("no last inner delimiter", b"--inner--\r\n", b""),
        ("another time zone", LATER.strftime("%Y-%m-%dT%H:%M:%SZ").encode(), b"2026-11-24T15:10:00+07:00"),
    ],
)
def test_other_ways_of_writing(case: str, old: bytes, new: bytes) -> None:
    assert old in BODY
    read, expected = parse_directory(BODY.replace(old, new)), parse_directory(BODY)
    assert (read.parts, read.expires) == (expected.parts, expected.expires), case
    assert read.version == (2 if "version" in case else 6)


MISSING = "global_conf_header_field_missing"
WRONG = "global_conf_header_field_wrong_value"
UNREADABLE = "global_conf_parsing_downloaded_conf_directory_failure"


@pytest.mark.parametrize(
    ("code", "old", "new"),
    [
        (MISSING, b"Content-location: /V6/20261124080000000000000/shared-parameters.xml\r\n", b""),
        (MISSING, b"Hash-algorithm-id: http://www.w3.org/2001/04/xmlenc#sha512\r\n", b""),
        (MISSING, b"Content-transfer-encoding: base64\r\n", b""),
        (MISSING, b"Verification-certificate-hash:", b"Verification:"),
        (MISSING, b"Signature-Algorithm-Id:", b"Signature-Algorithm:"),
        (MISSING, b"Content-Type: multipart/mixed", b"Content-Kind: multipart/mixed"),
        ("global_conf_header_field_missing_parameter", b"; instance='VN'", b""),
        ("global_conf_header_field_missing_parameter", b'; hash-algorithm-id="', b'; algorithm="'),
        (WRONG, b"Content-type: application/octet-stream", b"Content-type: text/plain"),
        (WRONG, b"instance='VN'", b"instance='V/N'"),
        (WRONG, b"xmlenc#sha512\r\n", b"xmlenc#sha1\r\n"),
        (WRONG, b"xmlenc#sha512\r\n", b"xmlenc#sha256\r\n"),
        (WRONG, b"ecdsa-sha512", b"hmac-sha512"),
        (WRONG, b"Version: 6", b"Version: 7"),
        (WRONG, b"Version: 6", b"Version: six"),
        (WRONG, b"Expire-date: 2026", b"Expire-date: MMXXVI"),
        (WRONG, b"multipart/related", b"multipart/other"),
        (WRONG, b"boundary=outer", b"boundary="),
        (
            WRONG,
            b"NEXTUPDATE\r\nContent-location: /V6/20261124080000000000000/nextupdate.xml",
            b"X\r\nContent-location: /..",
        ),
        (WRONG, b"Content-identifier: NEXTUPDATE", b"Content-file-name: ../x\r\nContent-identifier: OTHER"),
        ("global_conf_missing_signed_data_expiration_date", b"Expire-date:", b"Expiry:"),
        ("global_conf_missing_signed_data", b"--outer\r\n", b"--other\r\n"),
        (UNREADABLE, b"--outer--", b"--other--"),
        (UNREADABLE, b"Version: 6\r\n", b"Version: 6\r\nversion: 6\r\n"),
        (UNREADABLE, b"Version: 6\r\n", b"Version 6\r\n"),
        (UNREADABLE, b"Content-identifier: PRIVATE-PARAMETERS", b"Content-identifier: SHARED-PARAMETERS"),
        (UNREADABLE, b"PRIVATE-PARAMETERS; instance='VN'", b"PRIVATE-PARAMETERS; instance='XX'"),
        (UNREADABLE, b"Content-identifier: NEXTUPDATE", b"Content-identifier: \xff"),
        ("global_conf_signature_decode_failure", b"\r\n--outer--", b"!\r\n--outer--"),
    ],
)
def test_malformed(code: str, old: bytes, new: bytes) -> None:
    assert old in BODY
    changed = BODY.replace(old, new) if code == "global_conf_missing_signed_data" else BODY.replace(old, new, 1)
    with pytest.raises(MalformedMessage) as caught:
        parse_directory(changed)
    assert caught.value.code == code


def test_the_signature_part_must_be_there_once() -> None:
    start = BODY.index(b"\r\n--outer\r\nContent-Type: application")
    signature = BODY[start : BODY.index(b"\r\n--outer--")]
    for other in (b"", signature * 2):
        with pytest.raises(MalformedMessage) as caught:
            parse_directory(BODY.replace(signature, other))
        assert caught.value.code == "global_conf_signature_decode_failure"


def test_an_empty_signature_is_none() -> None:
    start = BODY.index(b'sha512"\r\n\r\n') + len(b'sha512"\r\n')
    with pytest.raises(MalformedMessage) as caught:
        parse_directory(BODY[:start] + b"--outer--\r\n")
    assert caught.value.code == "global_conf_signature_decode_failure"


def test_size_and_number_are_bounded() -> None:
    many = directory([(SHARED, b"s"), *((f"OTHER{n}", b"x") for n in range(64))])
    for body in (BODY + b" " * 1024 * 1024, many):
        with pytest.raises(MalformedMessage) as caught:
            parse_directory(body)
        assert caught.value.code == UNREADABLE


def refused(read: SignedDirectory, *certificates: bytes) -> str:
    with pytest.raises(SignatureRejected) as caught:
        verify_directory(read, certificates)
    return caught.value.code


def test_signatures_that_say_nothing() -> None:
    read = parse_directory(BODY)
    invalid = "global_conf_signature_verification_failure"
    assert refused(read) == "global_conf_missing_verification_cert"
    assert refused(read, der("other")) == "global_conf_missing_verification_cert"
    swapped = BODY.replace(digest_text(der("registry")), digest_text(der("other")))
    assert refused(parse_directory(swapped), der("other")) == invalid
    no_certificate = BODY.replace(digest_text(der("registry")), digest_text(b"no certificate"))
    assert refused(parse_directory(no_certificate), b"no certificate") == invalid
    wrong_kind = BODY.replace(b"ecdsa-sha512", b"rsa-sha512")
    assert refused(parse_directory(wrong_kind), der("registry")) == invalid


def digest_text(certificate: bytes) -> bytes:
    return base64.b64encode(hashlib.sha512(certificate).digest())


def test_local_names() -> None:
    names = [p.local_name for p in parse_directory(BODY).parts]
    assert names == ["shared-params.xml", "private-params.xml", "nextupdate-params.xml"]
    other = reference("OTHER", b"x")
    assert other.local_name == "other.xml"
    assert PartReference("OTHER", None, "/a/b.xml", other.digest, "c.xml").local_name == "c.xml"


def test_an_instance_with_an_apostrophe_is_quoted_differently() -> None:
    body = directory([(SHARED, b"shared")], instance="O'Hare")
    assert parse_directory(body).instance == "O'Hare"


def test_times_are_utc() -> None:
    assert parse_directory(directory(own_parts())).expires.tzinfo is UTC
