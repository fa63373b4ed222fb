from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.core.errors import GatewayError, MalformedMessage, SignatureRejected, TrustOutdated
from gateway.core.globalconf.directory import PRIVATE, SHARED
from gateway.core.globalconf.sharedparams import print_shared_parameters
from gateway.core.globalconf.trusted import TrustedSet
from tests.unit.core.globalconf.samples import LATER, NOW, anchor, directory, own_parts, private, shared

PARTS = own_parts()
MINUTE = timedelta(minutes=1)


def offer(
    trusted: TrustedSet, body: bytes, parts: Sequence[tuple[str, bytes]] = PARTS, now: datetime = NOW
) -> list[str]:
    """The whole round; returns which files were asked for."""
    missing = trusted.offer_directory(body, now)
    for reference in missing:
        trusted.offer_part(reference, dict(parts)[reference.identifier])
    trusted.accept()
    return [r.identifier for r in missing]


def believing() -> TrustedSet:
    trusted = TrustedSet(anchor())
    offer(trusted, directory(PARTS))
    return trusted


def refused(trusted: TrustedSet, body: bytes, error: type[GatewayError], now: datetime = NOW) -> str:
    """The code; and nothing changed."""
    before = trusted.body
    with pytest.raises(error) as caught:
        trusted.offer_directory(body, now)
    with pytest.raises(RuntimeError):
        trusted.accept()
    assert trusted.body == before
    return caught.value.code


def test_anchor_directory_files_accept() -> None:
    trusted = TrustedSet(anchor())
    with pytest.raises(TrustOutdated):
        trusted.configuration()
    assert offer(trusted, directory([*PARTS, ("OTHER", b"not asked for")])) == [SHARED, PRIVATE]
    conf = trusted.configuration()
    assert (conf.own_instance, conf.expires) == ("VN", LATER)
    assert conf.shared("VN", NOW) == shared()
    assert conf.private == private()


def test_the_order_cannot_be_changed() -> None:
    trusted = TrustedSet(anchor())
    reference = TrustedSet(anchor()).offer_directory(directory(PARTS), NOW)[0]
    for step in (trusted.accept, lambda: trusted.offer_part(reference, PARTS[0][1])):
        with pytest.raises(RuntimeError):
            step()
    missing = trusted.offer_directory(directory(PARTS), NOW)
    trusted.offer_part(missing[0], PARTS[0][1])
    with pytest.raises(RuntimeError):
        trusted.accept()
    with pytest.raises(RuntimeError):
        trusted.offer_part(replace(missing[1], location="/elsewhere"), PARTS[1][1])


def test_files_are_asked_for_only_when_their_hash_changed() -> None:
    trusted = believing()
    assert offer(trusted, directory(PARTS, stamp="20261124080100000000000")) == []
    changed = [(SHARED, print_shared_parameters(replace(shared(), groups=()), 6)), PARTS[1]]
    assert offer(trusted, directory(changed, stamp="20261124080200000000000"), changed) == [SHARED]
    assert trusted.configuration().shared("VN", NOW).groups == ()


def test_the_same_content_of_another_version_is_read_as_that_version() -> None:
    trusted = believing()
    assert offer(trusted, directory(PARTS, version=5)) == []
    assert trusted.configuration().shared("VN", NOW).version == 5


def test_the_content_decides_whether_tables_are_kept() -> None:
    trusted = believing()
    first = trusted.configuration()
    offer(trusted, directory(PARTS, expires=LATER + MINUTE, stamp="20261124080100000000000"))
    second = trusted.configuration(previous=first)
    assert second.expires == LATER + MINUTE
    assert second.trust("VN", NOW) is first.trust("VN", NOW)


def test_a_signature_by_nobody_known() -> None:
    for trusted in (TrustedSet(anchor()), believing()):
        body = directory(PARTS, signer="stranger", expires=LATER + MINUTE)
        assert refused(trusted, body, SignatureRejected) == "global_conf_missing_verification_cert"


def test_an_altered_directory() -> None:
    body = directory(PARTS).replace(b"Expire-date: 2026", b"Expire-date: 2036")
    assert refused(TrustedSet(anchor()), body, SignatureRejected) == "global_conf_signature_verification_failure"


def test_a_directory_of_another_instance() -> None:
    body = directory(PARTS, instance="XX")
    code = "global_conf_part_invalid_instance_identifier"
    assert refused(TrustedSet(anchor()), body, SignatureRejected) == code


def test_no_shared_parameters() -> None:
    code = "global_conf_parsing_downloaded_conf_directory_failure"
    assert refused(TrustedSet(anchor()), directory(PARTS[1:]), MalformedMessage) == code


def test_an_expired_directory() -> None:
    assert refused(TrustedSet(anchor()), directory(PARTS), TrustOutdated, LATER) == "global_conf_outdated"


@pytest.mark.parametrize(
    ("case", "stamp", "version", "expires"),
    [
        ("an older stamp, even with a later expiry", "20261124075959999999999", 6, LATER + MINUTE),
        ("an older stamp in another version", "20261124075959999999999", 5, LATER + MINUTE),
        ("an older stamp with fewer digits", "20261124075959", 6, LATER),
        ("the same stamp and an earlier expiry", "20261124080000000000000", 6, LATER - MINUTE),
        ("no stamp and an earlier expiry", "none", 6, LATER - MINUTE),
    ],
)
def test_rollback(case: str, stamp: str, version: int, expires: datetime) -> None:
    body = directory(PARTS, stamp=stamp, version=version, expires=expires)
    assert refused(believing(), body, TrustOutdated) == "global_conf_outdated", case


@pytest.mark.parametrize(
    ("case", "stamp", "expires"),
    [
        ("the very same", "20261124080000000000000", LATER),
        ("a later stamp, even with an earlier expiry", "20261124080000000000001", LATER - MINUTE),
        ("the same time with fewer digits", "20261124080000", LATER),
        ("no stamp and the same expiry", "none", LATER),
    ],
)
def test_no_rollback(case: str, stamp: str, expires: datetime) -> None:
    trusted = believing()
    assert offer(trusted, directory(PARTS, stamp=stamp, expires=expires)) == [], case


@pytest.mark.parametrize(
    ("error", "code", "data"),
    [
        (SignatureRejected, "global_conf_part_downloaded_file_integrity_failure", PARTS[0][1] + b" "),
        (SignatureRejected, "global_conf_part_downloaded_file_integrity_failure", b""),
    ],
)
def test_an_altered_file(error: type[GatewayError], code: str, data: bytes) -> None:
    trusted = TrustedSet(anchor())
    reference = trusted.offer_directory(directory(PARTS), NOW)[0]
    with pytest.raises(error) as caught:
        trusted.offer_part(reference, data)
    assert caught.value.code == code
    with pytest.raises(RuntimeError):
        trusted.accept()


@pytest.mark.parametrize(
    ("code", "data"),
    [
        ("malformed_global_conf", b"xxx"),
        ("global_conf_part_invalid_instance_identifier", print_shared_parameters(shared(instance="XX"), 6)),
    ],
)
def test_a_signed_file_that_cannot_be_used(code: str, data: bytes) -> None:
    trusted = believing()
    reference = trusted.offer_directory(directory([(SHARED, data), PARTS[1]]), NOW)[0]
    with pytest.raises(MalformedMessage) as caught:
        trusted.offer_part(reference, data)
    assert caught.value.code == code
    assert trusted.configuration().shared("VN", NOW) == shared()


def test_a_key_is_rotated_through_the_shared_parameters() -> None:
    """`rotated` stands in the source of the shared parameters, not in the anchor."""
    body = directory(PARTS, signer="rotated", stamp="20261124080100000000000")
    assert refused(TrustedSet(anchor()), body, SignatureRejected) == "global_conf_missing_verification_cert"
    trusted = believing()
    offer(trusted, body)
    assert trusted.body == body


def test_external_certificates_do_not_sign_the_own_configuration() -> None:
    assert refused(believing(), directory(PARTS, signer="external"), SignatureRejected)


def test_a_federated_instance() -> None:
    foreign_parts = [(SHARED, print_shared_parameters(shared(4, "FI"), 4)), (PRIVATE, b"not asked for")]
    foreign = TrustedSet(anchor("foreign", "FI"), external=True)
    expires = LATER - MINUTE
    body = directory(foreign_parts, instance="FI", version=4, signer="foreign", expires=expires)
    assert offer(foreign, body, foreign_parts) == [SHARED]
    conf = believing().configuration([foreign, TrustedSet(anchor("other", "EE"), external=True)])
    assert conf.expiries == {"VN": LATER, "FI": expires}
    assert sorted(conf.instances) == ["FI", "VN"]
    rotated = directory(foreign_parts, instance="FI", version=4, signer="external", expires=expires)
    assert offer(foreign, rotated, foreign_parts) == []


def test_a_restart() -> None:
    before = believing()
    rotated = directory(PARTS, signer="rotated", stamp="20261124080100000000000", expires=LATER + MINUTE)
    offer(before, rotated)
    assert before.body is not None
    after = TrustedSet(anchor())
    after.restore(before.body, (b"something else", *before.files.values()))
    assert after.configuration().fingerprint == before.configuration().fingerprint
    assert after.configuration().expires == LATER + MINUTE
    # what was seen before the restart still counts
    assert refused(after, directory(PARTS, expires=LATER + 2 * MINUTE), TrustOutdated) == "global_conf_outdated"
    assert offer(after, directory(PARTS, signer="rotated", stamp="20261124080200000000000")) == []


@pytest.mark.parametrize("case", ["file missing", "file altered", "another signer", "another instance"])
def test_a_damaged_save(case: str) -> None:
    saved = believing()
    body, files = saved.body, list(saved.files.values())
    assert body is not None
    after = TrustedSet(anchor(instance="XX") if case == "another instance" else anchor())
    if case == "file missing":
        files = files[:1]
    elif case == "file altered":
        files[0] += b" "
    elif case == "another signer":
        body = directory(PARTS, signer="stranger")
    with pytest.raises((MalformedMessage, SignatureRejected)):
        after.restore(body, files)
    assert after.body is None
