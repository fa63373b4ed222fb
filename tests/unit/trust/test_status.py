"""The index survives, forgets nothing, takes no revocation back."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import MalformedMessage, UnknownSubject
from gateway.trust.authority import create_root, named, validity
from gateway.trust.status import CertificateIndex, IssuedCertificate, Revocation, parse_index, print_index, revoke

from .pki import NOW, Pki

Reason = x509.ReasonFlags


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def test_issued_and_never_issued(pki: Pki) -> None:
    certificate = pki.sign().certificate
    entry = pki.index.find(certificate.serial_number)
    assert entry is not None
    assert entry.revocation is None
    assert entry.subject == "CN=G01,O=GOV,C=VN"
    assert entry.not_after == certificate.not_valid_after_utc
    assert certificate in pki.index
    assert pki.index.find(certificate.serial_number + 1) is None


def test_an_index_that_does_not_exist_yet_knows_nothing(tmp_path: Path) -> None:
    assert CertificateIndex(tmp_path / "none.json").find(1) is None


def test_revocation_is_seen_by_a_running_reader(pki: Pki, tmp_path: Path) -> None:
    certificate = pki.sign().certificate
    assert pki.index.find(certificate.serial_number).revocation is None  # type: ignore[union-attr]
    made = revoke(tmp_path / "index.json", certificate, NOW.replace(microsecond=5), Reason.key_compromise)
    assert made == Revocation(NOW, Reason.key_compromise)
    assert pki.index.find(certificate.serial_number).revocation == made  # type: ignore[union-attr]
    assert certificate in pki.index


def test_the_first_revocation_stands(pki: Pki) -> None:
    certificate = pki.sign().certificate
    first = pki.index.revoke(certificate, NOW, Reason.superseded)
    assert pki.index.revoke(certificate, NOW - timedelta(days=1), Reason.key_compromise) == first
    pki.index.record(certificate)  # recording again does not bring it back
    assert pki.index.find(certificate.serial_number).revocation == first  # type: ignore[union-attr]


def test_revoke_somebody_elses_certificate_fail(pki: Pki) -> None:
    mine = pki.sign().certificate
    other = create_root(named("Other"), validity(NOW, years=1)).certificate
    with pytest.raises(UnknownSubject) as e:
        pki.index.revoke(other, NOW, Reason.unspecified)
    assert e.value.code == "cert_not_found"
    # The same serial number under another CA is another certificate.
    entry = pki.index.find(mine.serial_number)
    assert entry is not None
    pki.index._write = lambda *a: pytest.fail("written")  # type: ignore[method-assign]
    foreign = replace(entry, sha256="00" * 32)
    pki.index._issued = {mine.serial_number: foreign}
    with pytest.raises(UnknownSubject):
        pki.index.revoke(mine, NOW, Reason.unspecified)


def test_unrevoking_fail(pki: Pki) -> None:
    with pytest.raises(MalformedMessage):
        pki.index.revoke(pki.sign().certificate, NOW, Reason.remove_from_crl)


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "index.json"
    certificates = [create_root(named(str(i)), validity(NOW, years=1)).certificate for i in range(12)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda c: CertificateIndex(path).record(c), certificates))
    assert all(c in CertificateIndex(path) for c in certificates)


def test_only_the_owner_reads_it(pki: Pki, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "index.json").stat().st_mode) == 0o600


def test_a_write_that_was_cut_short_changes_nothing(pki: Pki, tmp_path: Path) -> None:
    certificate = pki.sign().certificate
    (tmp_path / ".index.json.new").write_bytes(b'{"version": 1, "cert')
    assert certificate in CertificateIndex(tmp_path / "index.json")
    another = pki.sign().certificate
    assert another in CertificateIndex(tmp_path / "index.json")


DAMAGED = {
    "empty": b"",
    "not json": b"{",
    "another version": b'{"version": 2, "certificates": {}}',
    "no certificates": b'{"version": 1}',
    "a list": b"[]",
    "deep": b"[" * 100_000,
    "not as printed": b'{"version":1,"certificates":{}}',
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_fail(name: str, tmp_path: Path) -> None:
    path = tmp_path / "index.json"
    path.write_bytes(DAMAGED[name])
    with pytest.raises(MalformedMessage):
        CertificateIndex(path).find(1)
    with pytest.raises(MalformedMessage):  # and nothing is written over it
        CertificateIndex(path).record(create_root(named("x"), validity(NOW, years=1)).certificate)
    assert path.read_bytes() == DAMAGED[name]


@given(st.binary(max_size=200))
def test_any_bytes_give_an_index_or_our_error(data: bytes) -> None:
    try:
        issued = parse_index(data)
    except MalformedMessage:
        return
    assert print_index(issued) == data


times = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)).map(
    lambda t: t.replace(microsecond=0)
)
revocations = st.none() | st.builds(Revocation, times, st.sampled_from(Reason))
entries = st.builds(
    IssuedCertificate,
    st.integers(min_value=1, max_value=2**159),
    st.text(alphabet="0123456789abcdef", min_size=64, max_size=64),
    st.text(),
    times,
    revocations,
)


@given(st.lists(entries, max_size=5))
def test_what_is_printed_is_parsed_again(issued: list[IssuedCertificate]) -> None:
    index = {c.serial: c for c in issued}
    assert parse_index(print_index(index)) == index
