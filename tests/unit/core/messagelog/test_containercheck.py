from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from gateway.core.messagelog.container import container_files
from gateway.core.messagelog.record import RecordKind
from gateway.core.messagelog.stamping import stamped_container
from gateway.core.signing.xades import parse_signature
from tests.support.containers import CLIENT, PROVIDER, ContainerWorld, StampKind, pack

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def world() -> ContainerWorld:
    return ContainerWorld()


@pytest.mark.parametrize("stamp", ["single", "batch"])
@pytest.mark.parametrize("body", [None, b"", b'{"name": "An"}'])
@pytest.mark.parametrize("kind", ["request", "response"])
def test_a_good_container(world: ContainerWorld, kind: RecordKind, body: bytes | None, stamp: StampKind) -> None:
    report = world.verify(pack(world.files(kind, body=body, stamp=stamp)))
    assert [step.what for step in report.steps if not step.ok] == []
    assert report.ok
    assert report.code is None
    assert report.time == world.pki.now
    assert report.signer is not None
    assert report.signer.client.member == (CLIENT if kind == "request" else PROVIDER)
    assert {step.number for step in report.steps} == ({1, 2, 3, 4, 5} if body is None else {1, 2, 3, 4, 5, 6})


@pytest.mark.parametrize("key", ["rsa", "pss"])
def test_other_kinds_of_keys(key: str) -> None:
    world = ContainerWorld(key)  # type: ignore[arg-type]  # of the parameters above
    assert world.verify(pack(world.files(body=b"{}"))).ok


def altered(name: str, old: bytes | None = None) -> Callable[[Files], Files]:
    """One bit of the last byte, or of the last byte of `old`."""

    def change(files: Files) -> Files:
        content = bytearray(files[name])
        at = len(content) - 1 if old is None else content.index(old) + len(old) - 1
        content[at] ^= 1
        return {**files, name: bytes(content)}

    return change


def without(*names: str) -> Callable[[Files], Files]:
    return lambda files: {name: content for name, content in files.items() if name not in names}


def with_more(name: str, content: bytes) -> Callable[[Files], Files]:
    return lambda files: {**files, name: content}


def without_stamp(files: Files) -> Files:
    signature = files["META-INF/signatures.xml"]
    stripped = re.sub(rb"<xades:SignatureTimeStamp>.*</xades:SignatureTimeStamp>", b"", signature)
    return {**files, "META-INF/signatures.xml": stripped}


INVALID_VALUE = "invalid_signature_value"


@pytest.mark.parametrize(
    ("body", "stamp", "change", "code"),
    [
        (None, "single", altered("message.xml", b"persons"), INVALID_VALUE),
        (b"{}", "single", altered("message.xml", b"persons"), "malformed_signature.invalid_hash_chain"),
        (b"{}", "single", altered("attachment1"), "malformed_signature.invalid_hash_chain"),
        (b"{}", "single", altered("sig-hashchain.xml", b"<ns2:DataRef"), "malformed_signature.malformed_hash_chain"),
        (b"{}", "single", without("sig-hashchain.xml", "sig-hashchainresult.xml"), "malformed_signature"),
        (b"{}", "single", without("sig-hashchain.xml"), "asic_hash_chain_not_found"),
        (b"{}", "single", without("sig-hashchainresult.xml"), "asic_hash_chain_result_not_found"),
        (None, "single", with_more("attachment1", b"nobody signed this"), "malformed_signature"),
        (
            b"{}",
            "single",
            with_more("attachment2", b"nobody signed this"),
            "malformed_signature.hashchain_unused_inputs",
        ),
        (None, "single", without_stamp, "malformed_signature"),
        (None, "single", with_more("META-INF/timestamp.tst", b"no token"), "malformed_signature"),
        (None, "batch", altered("META-INF/timestamp.tst"), "mlog.timestamp_signer_verification_failed"),
        (None, "batch", without("META-INF/timestamp.tst"), "asic_timestamp_not_found"),
        (None, "batch", altered("ts-hashchainresult.xml"), "malformed_signature"),
        (None, "batch", altered("ts-hashchain.xml", b"<ns2:DataRef"), "malformed_signature.malformed_hash_chain"),
        (None, "batch", without("ts-hashchain.xml", "ts-hashchainresult.xml"), "malformed_signature"),
    ],
)
def test_what_was_altered_is_refused(
    world: ContainerWorld, body: bytes | None, stamp: StampKind, change: Callable[[Files], Files], code: str
) -> None:
    report = world.verify(pack(change(world.files(body=body, stamp=stamp))))
    assert not report.ok
    assert report.code == code


def test_a_container_without_its_attachment_says_what_was_signed(world: ContainerWorld) -> None:
    """As X-Road exports SOAP messages; step 6 names the digest."""
    report = world.verify(pack(without("attachment1")(world.files(body=b"{}"))))
    assert report.ok
    assert [step.what[:35] for step in report.steps if step.number == 6] == ["attachment1: not in the container; "]


def test_a_chain_that_is_not_signed_is_ignored(world: ContainerWorld) -> None:
    chains = world.files(body=b"{}")
    chained = {name: chains[name] for name in ("sig-hashchain.xml", "sig-hashchainresult.xml")}
    report = world.verify(pack({**world.files(), **chained}))
    assert report.ok
    assert "ignored" in report.steps[1].what


def test_a_stamp_by_an_authority_nobody_approves(world: ContainerWorld) -> None:
    stranger = ContainerWorld()
    record = world.record()
    stamp = stranger.stamp(record)

    report = world.verify(pack(container_files(stamped_container(record, stamp), 0)))
    assert (
        report.code == "mlog.timestamp_signer_verification_failed"
    )  # of the same name and serial number, but another key


def test_a_stamp_made_when_the_ocsp_answer_was_stale() -> None:
    world = ContainerWorld()
    record = world.record()
    world.pki.now += timedelta(hours=2)

    report = world.verify(pack(container_files(stamped_container(record, world.stamp(record)), 0)))
    assert report.code == "invalid_cert_path.incorrect_validation_info"


def test_a_message_signed_by_somebody_else(world: ContainerWorld) -> None:
    record = world.record(signer=world.provider)

    report = world.verify(pack(container_files(stamped_container(record, world.stamp(record)), 0)))
    assert report.code == "incorrect_certificate"


def test_both_kinds_of_stamps_must_hold_and_the_earliest_counts(world: ContainerWorld) -> None:
    files = world.files()
    value = world.pki.stamp(value_of(files), at=world.pki.now + timedelta(minutes=5))
    report = world.verify(pack({**files, "META-INF/timestamp.tst": value}))
    assert report.ok
    assert report.time == world.pki.now


def value_of(files: Files) -> bytes:
    return parse_signature(files["META-INF/signatures.xml"]).value
