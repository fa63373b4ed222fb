from __future__ import annotations

import io

import pytest

from gateway.core.digest import sha512
from gateway.core.errors import MalformedMessage
from gateway.core.messagelog.container import (
    MIMETYPE,
    Attachment,
    Container,
    container_files,
    container_name,
    read_container,
)
from tests.support.containers import pack

WHOLE = Container(b"message", b"<signature/>", b"<r/>", b"<c/>", b"<tr/>", b"<tc/>", b"token")
PLAIN = Container(b"message", b"<signature/>")


def test_names_and_order_are_those_of_xroad() -> None:
    """As X-Road's own containers in its repository."""
    assert [name for name, _ in container_files(WHOLE, 2)] == [
        "mimetype",
        "message.xml",
        "META-INF/signatures.xml",
        "sig-hashchainresult.xml",
        "sig-hashchain.xml",
        "ts-hashchainresult.xml",
        "ts-hashchain.xml",
        "META-INF/manifest.xml",
        "META-INF/ASiCManifest.xml",
        "META-INF/timestamp.tst",
    ]
    assert [name for name, _ in container_files(PLAIN, 0)] == [
        "mimetype",
        "message.xml",
        "META-INF/signatures.xml",
        "META-INF/manifest.xml",
    ]


def test_the_manifest_lists_what_is_not_about_the_container_itself() -> None:
    manifest = dict(container_files(WHOLE, 1))["META-INF/manifest.xml"].decode()
    entry = '    <manifest:file-entry manifest:media-type="%s" manifest:full-path="%s"/>\n'
    assert entry % ("application/vnd.etsi.asic-e+zip", "/") in manifest
    assert entry % ("text/xml", "ts-hashchain.xml") in manifest
    assert entry % ("application/octet-stream", "attachment1") in manifest
    assert "META-INF" not in manifest
    assert "mimetype" not in manifest


@pytest.mark.parametrize("c", [WHOLE, PLAIN, Container(b"m", b"s", token=b"t")])
@pytest.mark.parametrize("bodies", [(), (b"",), (b"one", b"two")])
def test_what_was_written_is_read(c: Container, bodies: tuple[bytes, ...]) -> None:
    attachments = [(f"attachment{n}", body) for n, body in enumerate(bodies, 1)]
    read = read_container(io.BytesIO(pack([*container_files(c, len(bodies)), *attachments])))
    assert read.container == c
    assert read.attachments == tuple(Attachment(n, len(b), sha512(b)) for n, b in enumerate(bodies, 1))
    assert read.ignored == ()
    assert list(read.parts()) == ["/message.xml", *(f"/attachment{n}" for n in range(1, len(bodies) + 1))]


def test_names_are_compared_without_case_and_unknown_ones_reported() -> None:
    """As X-Road's reader does; README.txt means nothing to it."""
    files = [("MimeType", MIMETYPE), ("Message.xml", b"m"), ("META-INF/x-Signatures-1.xml", b"s"), ("README.txt", b"?")]
    read = read_container(io.BytesIO(pack(files)))
    assert read.container == Container(b"m", b"s")
    assert read.ignored == ("README.txt",)


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"message.xml": b"m", "META-INF/signatures.xml": b"s"}, "asic_mime_type_not_found"),
        ({"mimetype": b"text/plain", "message.xml": b"m"}, "asic_invalid_mime_type"),
        ({"mimetype": MIMETYPE + b"\n"}, "asic_invalid_mime_type"),
        ({"mimetype": MIMETYPE, "META-INF/signatures.xml": b"s"}, "asic_message_not_found"),
        ({"mimetype": MIMETYPE, "message.xml": b" \n"}, "asic_message_not_found"),
        ({"mimetype": MIMETYPE, "message.xml": b"m"}, "asic_signature_not_found"),
        ({"mimetype": MIMETYPE, "message.xml": b"m", "META-INF/signatures.xml": b""}, "asic_signature_not_found"),
        (
            {"mimetype": MIMETYPE, "message.xml": b"m", "META-INF/signatures.xml": b"s", "META-INF/signatures2.xml": b"s"},
            "asic_invalid_container",
        ),
        ({**dict(container_files(PLAIN, 0)), "META-INF/manifest.xml": b""}, "asic_manifest_not_found"),
        ({**dict(container_files(PLAIN, 0)), "sig-hashchain.xml": b"c"}, "asic_hash_chain_result_not_found"),
        ({**dict(container_files(PLAIN, 0)), "ts-hashchainresult.xml": b"c"}, "asic_hash_chain_not_found"),
        ({**dict(container_files(PLAIN, 0)), "../evil": b""}, "asic_invalid_container"),
        ({**dict(container_files(PLAIN, 0)), "META-INF/timestamp.tst": bytes(2 << 20)}, "asic_invalid_container"),
    ],
)  # fmt: skip
def test_what_is_refused(files: dict[str, bytes], code: str) -> None:
    with pytest.raises(MalformedMessage) as e:
        read_container(io.BytesIO(pack(files)))
    assert e.value.code == code


def test_container_names() -> None:
    """`URLEncoder` of Java: a blank is `+`, `*` stays, `~` does not; at most 226 characters of it."""
    assert container_name("a b/c*~ễ", "request", 33) == "a+b%2Fc*%7E%E1%BB%85-request-11.asice"
    assert container_name("x", "response", 0) == "x-response-0.asice"
    assert len(container_name("ễ" * 300, "response", 2**63 - 1)) <= 255
