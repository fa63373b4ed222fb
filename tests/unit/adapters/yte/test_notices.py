"""Notices: one spelling, invented about invented people, signed so that the gate takes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from adapters.people.dice import Dice
from adapters.people.generator import generate
from adapters.people.model import ALIVE
from adapters.sdk import MalformedCall
from adapters.yte.invent import invent_birth, invent_death
from adapters.yte.notices import BirthNotice, DeathNotice, Notice, parse_notice, print_notice
from adapters.yte.signing import FacilityKey, sign_notice
from certs.generate import facility_subject
from gateway.core.documents.causes import Cause, DocumentRejected
from gateway.core.documents.verify import trust_list, verify_document
from gateway.trust.authority import Authority, create_root, named, validity

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PEOPLE = generate(400).persons


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(create_root(named("Facilities"), validity(NOW - timedelta(days=1), years=2)), lambda _: None)


def key(authority: Authority, private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None) -> FacilityKey:
    identity = authority.issue_signing(facility_subject("99901"), validity(NOW, years=1), private)
    return FacilityKey(identity.key, identity.certificate)


def birth() -> BirthNotice:
    return invent_birth(PEOPLE, "99901", NOW, Dice(1))


def death() -> DeathNotice:
    return invent_death(PEOPLE, "99901", NOW, Dice(1))


@pytest.mark.parametrize("notice", [birth(), death()], ids=["birth", "death"])
@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_signed_and_read(authority: Authority, notice: Notice, kind: str) -> None:
    private = rsa.generate_private_key(65537, 2048) if kind == "rsa" else None
    signer = key(authority, private)
    document = sign_notice(print_notice(notice), signer, NOW)
    assert parse_notice(document) == notice == parse_notice(print_notice(notice))
    root: x509.Certificate = authority.identity.certificate
    verified = verify_document(document, trust_list([root]), at=NOW, oldest=timedelta(days=1))
    assert (verified.certificate, verified.signing_time) == (signer.certificate, NOW)
    with pytest.raises(DocumentRejected) as e:
        verify_document(
            document.replace(b"99901</MA", b"99902</MA"), trust_list([root]), at=NOW, oldest=timedelta(days=1)
        )
    assert e.value.cause is Cause.ALTERED


def test_invented_about_people_that_can_be() -> None:
    people = {p.id: p for p in PEOPLE}
    for seed in range(30):
        born = invent_birth(PEOPLE, "99901", NOW, Dice(seed))
        mother, father = people[born.mother_id], people[born.father_id or ""]
        assert mother.spouse_id == father.id
        assert 18 <= NOW.year - mother.birth_date.year <= 45
        assert (mother.status, father.status) == (ALIVE, ALIVE)
        assert NOW - timedelta(days=4) < born.born_at < NOW
        died = invent_death(PEOPLE, "99901", NOW, Dice(seed))
        assert people[died.deceased_id].full_name == died.deceased_name
        assert people[died.deceased_id].status == ALIVE
        assert all(number.startswith("999") for number in (*born.persons.values(), *died.persons.values()))
    for invent in (invent_birth, invent_death):
        with pytest.raises(ValueError, match="here"):
            invent((), "99901", NOW, Dice(1))


GOOD = print_notice(birth()).decode()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<MA_CSKCB>99901", "<MA_CSKCB>79001"),  # a real province
        ("<MA_CSKCB>99901", "<MA_CSKCB> 99901"),
        ("<SO_DINH_DANH_ME>999", "<SO_DINH_DANH_ME>x99"),
        ("<SO>CS-", "<SO>XX-"),
        ("</SO>", "</SO><SO>CS-99901-2026-000001</SO>"),
        ("<SO>", '<SO x="1">'),
        ("<SO>", "<SO><b/>"),
        ("<CAN_NANG_CON>", "<CAN_NANG_CON>99"),
        ("<GIOI_TINH_CON>", "<GIOI_TINH_CON>?"),
        ("+07:00</NGAY", "</NGAY"),
        ("<CHUKYDONVI/>", "<CHUKYDONVI/><CHUKYDONVI/>"),
        ("<CHUKYDONVI/>", "<GHI_CHU>x</GHI_CHU>"),
        ("GIAY_CHUNG_SINH", "GIAY_KHAC"),
        ("GIAY_CHUNG_SINH", "GIAY_BAO_TU"),
    ],
)
def test_what_is_no_notice(old: str, new: str) -> None:
    assert old in GOOD
    with pytest.raises(MalformedCall) as e:
        parse_notice(GOOD.replace(old, new).encode())
    assert e.value.code == "malformed_notice"


def test_half_a_father() -> None:
    begin, end = GOOD.index("<SO_DINH_DANH_CHA>"), GOOD.index("</SO_DINH_DANH_CHA>") + len("</SO_DINH_DANH_CHA>")
    with pytest.raises(MalformedCall):
        parse_notice((GOOD[:begin] + GOOD[end:]).encode())
