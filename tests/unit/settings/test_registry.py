"""The registry: dangling references and duplicates, each with its place."""

from datetime import date
from pathlib import Path

import pytest

from gateway.core.errors import SettingsError
from gateway.settings.registry import PROFILES, RegistrySettings, load_registry

REGISTRY = """\
instance: VN
member_classes: {GOV: Cơ quan nhà nước}
members:
  - id: GOV/G12
    name: Bộ Tài chính
    aliases: [{id: GOV/G24, until: 2025-03-01}]
    subsystems: {bhxh: Bảo hiểm}
  - {id: GOV/G22, name: Văn phòng Chính phủ, subsystems: {dvc: Dịch vụ công}}
security_servers:
  - {id: GOV/G12/ss1, address: 127.0.10.2, clients: [GOV/G12/bhxh]}
groups:
  readers: {description: d, members: [GOV/G12/bhxh]}
trust:
  certification_authorities: [{name: CA, certificate: ca.pem, profile: ejbca}]
publish: {listen: 127.0.10.100:8600, signing_key: "file:k", certificate: c.pem}
"""


def load(folder: Path, text: str) -> RegistrySettings:
    path = folder / "vn.yaml"
    path.write_text(text, encoding="utf-8")
    return load_registry(path, files=False)


def test_values(tmp_path: Path) -> None:
    registry = load(tmp_path, REGISTRY)
    assert registry.members[0].name == "Bộ Tài chính"
    assert registry.members[0].aliases[0].until == date(2025, 3, 1)
    assert registry.trust.certification_authorities[0].profile == PROFILES["ejbca"]
    assert registry.publish.versions == (2, 3, 4, 5, 6)
    assert registry.security_servers[0].maintenance is None


FAULTS = {
    "client of a server": (
        ("clients: [GOV/G12/bhxh]", "clients: [GOV/G12/bhx]"),
        "10:54: security_servers[0].clients[0]: no member or subsystem 'VN/GOV/G12/bhx' in the registry; "
        "did you mean 'VN/GOV/G12/bhxh'?",
    ),
    "member of a group": (
        ("members: [GOV/G12/bhxh]", "members: [GOV/G99/xyz]"),
        "12:39: groups.readers.members[0]: no member or subsystem 'VN/GOV/G99/xyz' in the registry",
    ),
    "owner of a server": (
        ("id: GOV/G12/ss1", "id: GOV/G13/ss1"),
        "10:10: security_servers[0].id: no member or subsystem 'VN/GOV/G13' in the registry; did you mean 'VN/GOV/G12'?",
    ),
    "instance in front": (
        ("members: [GOV/G12/bhxh]", "members: [VN/GOV/G12]"),
        "12:39: groups.readers.members[0]: three pieces are CLASS/CODE/SUBSYSTEM, but 'VN' is the instance: write 'GOV/G12'",
    ),
    "member class": (
        ("id: GOV/G22", "id: GOW/G22"),
        "8:10: members[1].id: no member class 'GOW'; did you mean 'GOV'?",
    ),
    "member of another instance": (
        ("id: GOV/G22", "id: /EE/GOV/G22"),
        "8:10: members[1].id: a member of this registry belongs to instance 'VN'",
    ),
    "member twice": (
        ("id: GOV/G22", "id: GOV/G12"),
        "8:10: members[1].id: member 'VN/GOV/G12' stands here for the second time",
    ),
    "alias of a living member": (
        ("id: GOV/G24", "id: GOV/G22"),
        "8:10: members[1].id: member 'VN/GOV/G22' stands here for the second time",
    ),
    "alias date": (
        ("2025-03-01", "2025-02-30"),
        "6:36: members[0].aliases[0].until: '2025-02-30' is not a day of the calendar",
    ),
    "server twice": (
        ("groups:", "  - {id: GOV/G12/ss1, address: h}\ngroups:"),
        "11:10: security_servers[1].id: security server 'GOV/G12/ss1' stands here for the second time",
    ),
    "subsystem without a name": (("bhxh: Bảo hiểm", "bhxh: ''"), "7:24: members[0].subsystems.bhxh: must not be empty"),
    "profile": (
        ("profile: ejbca", "profile: ejb"),
        "14:72: trust.certification_authorities[0].profile: 'ejb' is no certificate profile: ejbca, fivrk, fo, is, "
        "sk_klass3, sk_esteid, basic or a Java class name",
    ),
    "version": (
        ("listen:", "versions: [1], listen:"),
        "15:22: publish.versions[0]: must be 2, 3, 4, 5 or 6",
    ),
    "valid for too short a time": (
        ("listen:", "valid_for: 1m, listen:"),
        "15:22: publish.valid_for: must be longer than publish.refresh, or the configuration expires between",
    ),
    "port in an address": (
        ("address: 127.0.10.2", "address: 127.0.10.2:5500"),
        "10:32: security_servers[0].address: '127.0.10.2:5500' is not a host name or IP address (without port)",
    ),
}


@pytest.mark.parametrize(("change", "expected"), FAULTS.values(), ids=FAULTS.keys())
def test_fault(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    assert REGISTRY.count(change[0]) == 1
    with pytest.raises(SettingsError) as e:
        load(tmp_path, REGISTRY.replace(*change))
    assert expected in [p.removeprefix(f"{tmp_path}/vn.yaml:") for p in e.value.problems]


def test_foreign_group_members_cannot_be_looked_up(tmp_path: Path) -> None:
    assert load(tmp_path, REGISTRY.replace("members: [GOV/G12/bhxh]", "members: [EE/GOV/1/x]"))


def test_a_java_class_stands_for_itself(tmp_path: Path) -> None:
    registry = load(tmp_path, REGISTRY.replace("profile: ejbca", "profile: org.example.Provider"))
    assert registry.trust.certification_authorities[0].profile == "org.example.Provider"
