from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.core.errors import SettingsError
from gateway.core.globalconf.anchor import parse_anchor
from gateway.core.globalconf.model import auth_cert_hash
from gateway.core.globalconf.privateparams import parse_private_parameters
from gateway.core.globalconf.sharedparams import parse_shared_parameters
from gateway.core.identifiers import GlobalGroupId, MemberId, SecurityServerId
from gateway.registry.builder import Documents, build_documents
from gateway.settings.registry import load_registry
from tests.unit.core.globalconf.samples import PROFILE, certificate, der, subsystem
from tests.unit.registry.yaml_sample import edit, write_registry

POLICE, FINANCE = MemberId("VN", "GOV", "G01"), MemberId("VN", "GOV", "G12")
DANCU, BHXH = subsystem(POLICE, "dancu"), subsystem(FINANCE, "bhxh")


def built(path: Path) -> Documents:
    return build_documents(load_registry(path))


@pytest.mark.parametrize("version", [2, 3, 4, 5, 6])
def test_shared_parameters(tmp_path: Path, version: int) -> None:
    params = parse_shared_parameters(built(write_registry(tmp_path)).shared[version], version)
    assert params.instance == "VN"
    assert params.ocsp_freshness == timedelta(hours=2)
    assert [(c.code, c.description) for c in params.member_classes] == [("GOV", "Cơ quan nhà nước")]
    assert [(m.id, m.name) for m in params.members] == [(POLICE, "Bộ Công an"), (FINANCE, "Bộ Tài chính")]
    assert [s.name for s in params.members[1].subsystems] == ["Bảo hiểm" if version >= 5 else None]
    ss1, ss2 = params.servers
    assert ss1.id == SecurityServerId("VN", "GOV", "G01", "ss1")
    assert ss1.clients == {POLICE, DANCU, BHXH} and ss2.clients == {FINANCE, BHXH}
    assert ss1.auth_cert_hashes == (auth_cert_hash(der("auth1"), version),)
    assert (ss1.maintenance, ss2.maintenance) == (None, "đến 10 giờ" if version >= 5 else None)
    groups = {g.id: g.members for g in params.groups}
    owners, readers = GlobalGroupId("VN", "security-server-owners"), GlobalGroupId("VN", "readers")
    assert groups == {owners: {POLICE, FINANCE}, readers: {BHXH}}
    (ca,) = params.approved_cas
    assert (ca.name, ca.profile, ca.authentication_only) == ("Demo CA", PROFILE, False)
    assert (ca.top.certificate, ca.top.ocsp_urls) == (certificate("ca"), ("http://ocsp.test/",))
    assert ca.top.ocsp_certificates == (certificate("ocsp"),)
    assert [i.certificate for i in ca.intermediates] == [certificate("intermediate")]
    assert [(t.name, t.url, t.certificate) for t in params.approved_tsas] == [
        ("Demo TSA", "http://tsa.test/", certificate("tsa"))
    ]
    sources = [(s.address, s.internal_certificates, s.external_certificates) for s in params.sources]
    assert sources == ([("127.0.0.1:8600", (der("registry"),), (der("registry"),))] if version >= 3 else [])


def test_private_parameters(tmp_path: Path) -> None:
    documents = built(write_registry(tmp_path))
    params = parse_private_parameters(documents.private[6], 6)
    assert (params.instance, params.management.provider) == ("VN", POLICE)
    assert params.time_stamping_interval == timedelta(seconds=60)


def test_the_anchor_is_always_the_same_so_that_it_can_be_pinned(tmp_path: Path) -> None:
    path = write_registry(tmp_path)
    documents = built(path)
    edit(path, "Bộ Công an", "Bộ Công An")
    again = built(path)
    assert hashlib.sha256(again.anchor).digest() == hashlib.sha256(documents.anchor).digest()
    assert again.shared != documents.shared
    anchor = parse_anchor(documents.anchor)
    assert anchor.instance == "VN"
    assert [s.url for s in anchor.sources] == ["http://127.0.0.1:8600/internalconf"]
    assert anchor.verification_certificates == (der("registry"),)
    external = parse_anchor(documents.external_anchor)
    assert [s.url for s in external.sources] == ["http://127.0.0.1:8600/externalconf"]


@pytest.mark.parametrize(
    ("listen", "address", "url"),
    [
        ("0.0.0.0:80", "registry.vn", "http://registry.vn/internalconf"),
        ("0.0.0.0:8600", "registry.vn", "http://registry.vn:8600/internalconf"),
        ('"[::1]:8600"', None, "http://[::1]:8600/internalconf"),
    ],
)
def test_where_the_registry_is_found(tmp_path: Path, listen: str, address: str | None, url: str) -> None:
    path = write_registry(tmp_path)
    edit(path, "listen: 127.0.0.1:8600", f"listen: {listen}" + (f"\n  address: {address}" if address else ""))
    assert parse_anchor(built(path).anchor).sources[0].url == url


def test_versions_are_chosen(tmp_path: Path) -> None:
    path = write_registry(tmp_path)
    edit(path, "valid_for: 10m", "valid_for: 10m\n  versions: [5, 6]")
    documents = built(path)
    assert sorted(documents.shared) == sorted(documents.private) == [5, 6]


def test_owners_that_somebody_wrote_down_are_left_alone(tmp_path: Path) -> None:
    path = write_registry(tmp_path)
    edit(path, "  readers:", "  security-server-owners: {description: Ours, members: [GOV/G01]}\n  readers:")
    groups = parse_shared_parameters(built(path).shared[6], 6).groups
    assert {g.id.group_code: g.members for g in groups} == {"security-server-owners": {POLICE}, "readers": {BHXH}}


def test_a_key_with_a_pin(tmp_path: Path) -> None:
    path = write_registry(tmp_path, pin=b"0000")
    (tmp_path / "pin").write_text("0000\n")
    with pytest.raises(SettingsError, match="not with this pin"):
        built(path)
    edit(path, "valid_for: 10m", f"valid_for: 10m\n  pin: file:{tmp_path}/pin")
    assert built(path).identity.certificate == der("registry")


def test_a_certificate_of_another_key(tmp_path: Path) -> None:
    path = write_registry(tmp_path)
    edit(path, f"certificate: {tmp_path}/registry.pem", f"certificate: {tmp_path}/ca.pem")
    with pytest.raises(SettingsError, match=r"not the certificate of publish\.signing_key"):
        built(path)


def test_text_that_no_document_can_hold(tmp_path: Path) -> None:
    path = write_registry(tmp_path)
    edit(path, "name: Bộ Công an", r'name: "bell \u0007"')
    with pytest.raises(SettingsError, match="XML cannot hold"):
        built(path)


def test_a_file_that_vanished(tmp_path: Path) -> None:
    settings = load_registry(write_registry(tmp_path))
    (tmp_path / "tsa.pem").unlink()
    with pytest.raises(SettingsError, match=r"tsa\.pem"):
        build_documents(settings)


def test_an_instance_without_members(tmp_path: Path) -> None:
    settings = load_registry(write_registry(tmp_path))
    empty = settings.model_copy(update={"members": (), "security_servers": (), "groups": {}})
    with pytest.raises(SettingsError, match="at least one"):
        build_documents(empty)
