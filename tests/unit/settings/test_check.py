"""All files against each other."""

from pathlib import Path

import pytest

from gateway.settings.check import check
from tests.unit.settings.support import SERVER
from tests.unit.settings.test_registry import REGISTRY

HEAD = "# yaml-language-server: $schema=../schema/{}.json\n"
MEMBER = "  - {id: GOV/G01, name: Bộ Công an, subsystems: {dancu: Dân cư}}\n  - {id: GOV/G15, name: n, subsystems: {hotich: H}}\n"
ENTRY = "  - {id: GOV/G01/ss1, address: 127.0.10.1, clients: [GOV/G01/dancu]}\n"
GOOD = REGISTRY.replace("security_servers:\n", MEMBER + "security_servers:\n" + ENTRY)


def problems(folder: Path, server: str = SERVER, registry: str = GOOD) -> list[str]:
    (folder / "servers").mkdir()
    (folder / "servers" / "G01.yaml").write_text(HEAD.format("server") + server)
    (folder / "vn.yaml").write_text(HEAD.format("registry") + registry)
    return [p.replace(f"{folder}/", "") for p in check([folder], files=False)]


def test_good(tmp_path: Path) -> None:
    assert problems(tmp_path) == []


CASES = {
    "server not registered": (
        ("server: VN/GOV/G01/ss1", "server: VN/GOV/G01/ss2"),
        ["2:9: server: no security server 'VN/GOV/G01/ss2' in the registry; did you mean 'VN/GOV/G01/ss1'?"],
    ),
    "another address": (
        ("servers: 127.0.10.1:5500", "servers: 127.0.10.9:5500"),
        ["8:50: listen.servers: peers will try 127.0.10.1, the address in the registry"],
    ),
    "another port": (
        ("servers: 127.0.10.1:5500", "servers: 127.0.10.1:5501"),
        ["8:50: listen.servers: peers will try port 5500"],
    ),
    "every address": (("servers: 127.0.10.1:5500", "servers: 0.0.0.0:5500"), []),
    "unknown group": (
        ("to: local:staff", "to: group:reader"),
        ["21:18: clients[0].services[0].rights[1].to: no group 'reader' in the registry; did you mean 'readers'?"],
    ),
    "foreign group": (("to: local:staff", "to: group:EE/x"), []),
    "unknown client": (
        ("to: GOV/G22/dvc", "to: GOV/G22/dvx"),
        [
            "20:18: clients[0].services[0].rights[0].to: no member or subsystem 'VN/GOV/G22/dvx' in the registry; "
            "did you mean 'VN/GOV/G22/dvc'?"
        ],
    ),
    "unknown member of a local group": (
        ("GOV/G15/hotich", "GOV/G15"),
        [],
    ),
    "nobody in a local group": (
        ("GOV/G15/hotich", "GOV/G15/x"),
        ["13:28: clients[0].local_groups.staff[0]: no member or subsystem 'VN/GOV/G15/x' in the registry"],
    ),
    "client not registered for this server": (
        ("id: GOV/G01/dancu", "id: GOV/G22/dvc"),
        ["11:9: clients[0].id: 'VN/GOV/G22/dvc' is not registered for this server"],
    ),
    "saved clients need no registration": (("id: GOV/G01/dancu", "id: GOV/G22/dvc\n    status: saved"), []),
    "the owner is a client": (("id: GOV/G01/dancu", "id: GOV/G01"), []),
    "another instance is not ours to check": (("server: VN/", "server: EE/"), []),
}


@pytest.mark.parametrize(("change", "expected"), CASES.values(), ids=CASES.keys())
def test_server_against_registry(tmp_path: Path, change: tuple[str, str], expected: list[str]) -> None:
    assert SERVER.count(change[0]) == 1
    found = problems(tmp_path, SERVER.replace(*change))
    assert [p.split("; did")[0] for p in found] == [f"servers/G01.yaml:{p}".split("; did")[0] for p in expected]


def test_problems_of_all_files_together(tmp_path: Path) -> None:
    found = problems(tmp_path, SERVER + "x: 1\n", GOOD + "y: 1\n")
    assert [p.split(": ")[1] for p in found] == ["x", "y"]


@pytest.mark.parametrize("first", ["", "# $schema=server.json\n", HEAD.format("nothing")])
def test_the_first_line_names_the_schema(tmp_path: Path, first: str) -> None:
    (tmp_path / "x.yaml").write_text(first + SERVER)
    (problem,) = check([tmp_path])
    assert problem.startswith(f"{tmp_path}/x.yaml:1:1: the first line must be")


def test_two_registries_of_one_instance(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(HEAD.format("registry") + GOOD)
    assert problems(tmp_path) == ["vn.yaml:2:11: instance: instance 'VN' has a second registry"]


def test_a_single_file_and_one_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(HEAD.format("trust") + "listen: x\n")
    found = check([tmp_path / "t.yaml", tmp_path / "no.yaml"], files=False)
    assert [p.removeprefix(f"{tmp_path}/").split(": ")[0] for p in found] == [
        "t.yaml:2:1",
        "t.yaml:2:1",
        "t.yaml:2:1",
        "t.yaml:2:9",
        "no.yaml:1:1",
    ]
