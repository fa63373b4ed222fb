"""Contracts and code lists against each other, the service and its rights; a server with services says how citizens are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.sdk.contract import contract_text
from adapters.sdk.manifest import load_manifest
from gateway.core.errors import SettingsError
from gateway.core.identifiers import ServiceId, SubsystemId
from gateway.core.serverconf.access import decide_access
from gateway.settings.codes import load_codes
from gateway.settings.contracts import build_contract, load_contract
from gateway.settings.openapi import openapi_endpoints
from gateway.settings.server import load_server
from gateway.settings.serverconf import server_conf
from tests.unit.settings.support import SERVER

ROOT = Path(__file__).resolve().parents[3]
CODES = """\
legal_bases: {LAW: {vi: Luật, en: Law, document: Luật 1}}
purposes: {ONE: {vi: Một, en: One, legal_bases: [LAW]}, TWO: {vi: Hai, en: Two, legal_bases: [LAW]}}
categories: {identity: {vi: Định danh, en: Identity}}
"""
CONTRACT = """\
service: VN/GOV/G01/dancu/person
codes: {codes}
endpoints:
  - match: GET /v1/persons/{id}
    action: {vi: Tra cứu, en: Look-up}
    categories: [identity]
    purposes: [ONE, TWO]
    subjects: [{at: path, name: id, kind: vn-personal-number}]
  - match: POST /v1/verify
    action: {vi: Xác thực, en: Verification}
    categories: [identity]
    purposes: [ONE]
    subjects:
      - {at: request, pointer: /id, kind: vn-personal-number}
"""
TOLD = "transparency: {origin: tlog.vn.example/access, log: http://127.0.10.102:8690, provider: 1}"


@pytest.fixture
def problems(tmp_path: Path) -> Callable[..., list[str]]:
    """Problems of a server with this contract, without folder names. Each argument: (old, new) in the file of that name."""

    def found(
        contract: tuple[str, str] = ("", ""), codes: tuple[str, str] = ("", ""), server: tuple[str, str] = ("", "")
    ) -> list[str]:
        with pytest.raises(SettingsError) as e:
            server_conf(load_server(written(tmp_path, contract, codes, server)))
        return [p.replace(f"{tmp_path}/", "") for p in e.value.problems]

    return found


def written(
    folder: Path,
    contract: tuple[str, str] = ("", ""),
    codes: tuple[str, str] = ("", ""),
    server: tuple[str, str] = ("", ""),
) -> Path:
    for name in ("sign.p12", "sign.pin", "auth.key"):
        (folder / name).touch()
    (folder / "codes.yaml").write_text(changed(CODES, codes), "utf-8")
    text = CONTRACT.replace("{codes}", str(folder / "codes.yaml"))
    (folder / "person.yaml").write_text(changed(text, contract), "utf-8")
    text = SERVER.replace("file:sign", f"file:{folder}/sign").replace("file:auth", f"file:{folder}/auth")
    text = text.replace("certificate: auth.pem", f"certificate: {ROOT / 'tests' / 'nothing.pem'}")
    text = text.replace("transparency: off", TOLD)
    text = text.replace("timeout: 10s", f"contract: {folder}/person.yaml")
    (folder / "server.yaml").write_text(changed(text, server), "utf-8")
    return folder / "server.yaml"


def changed(text: str, change: tuple[str, str]) -> str:
    assert not change[0] or text.count(change[0]) == 1, change[0]
    return text.replace(*change) if change[0] else text


@pytest.fixture(autouse=True)
def _a_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and certificates are other tests' business."""
    monkeypatch.setattr("gateway.settings.common.load_certificates", lambda path: [])
    monkeypatch.setattr("gateway.settings.common._readable", lambda path: None)


def test_a_good_contract(tmp_path: Path) -> None:
    conf = server_conf(load_server(written(tmp_path)))
    (client,) = conf.clients.values()
    contract = client.services["person"].contract
    assert contract is not None
    endpoint, parameters = contract.find("GET", ("v1", "persons", "1")) or (None, {})
    assert endpoint is not None
    assert parameters == {"id": "1"}
    assert [(p.code, p.legal_bases) for p in endpoint.purposes] == [("ONE", ("LAW",)), ("TWO", ("LAW",))]


CASES: dict[str, tuple[dict[str, tuple[str, str]], str]] = {
    "another service": (
        {"contract": ("dancu/person", "dancu/card")},
        "person.yaml:1:10: service: this is the contract of 'VN/GOV/G01/dancu/card', used for 'VN/GOV/G01/dancu/person'",
    ),
    "an endpoint that the service lacks": (
        {"contract": ("GET /v1/persons/{id}", "GET /v1/person/{id}")},
        "person.yaml:4:12: endpoints[0].match: the service has no endpoint 'GET /v1/person/{id}'; "
        "did you mean 'GET /v1/persons/*'?",
    ),
    "an endpoint that the contract lacks": (
        {"server": ('"POST /v1/verify"]\n', '"POST /v1/verify", "GET /v1/cards/*"]\n')},
        "person.yaml:3:1: endpoints: the service's endpoint 'GET /v1/cards/*' is missing: whom is it about?",
    ),
    "an endpoint twice": (
        {"contract": ("POST /v1/verify", "GET /v1/persons/{number}")},
        "person.yaml:9:12: endpoints[1].match: the same calls as 'GET /v1/persons/{id}'",
    ),
    "an unknown purpose": (
        {"contract": ("[ONE, TWO]", "[ONE, TWOO]")},
        "person.yaml:7:21: endpoints[0].purposes[1]: no purpose 'TWOO' in the code lists; did you mean 'TWO'?",
    ),
    "an unknown category": (
        {"contract": ("[identity]\n    purposes: [ONE, TWO]", "[identiti]\n    purposes: [ONE, TWO]")},
        "person.yaml:6:18: endpoints[0].categories[0]: no category 'identiti' in the code lists; did you mean 'identity'?",
    ),
    "a parameter that is not in the path": (
        {"contract": ("name: id", "name: code")},
        "person.yaml:8:33: endpoints[0].subjects[0].name: no parameter 'code' in the path",
    ),
    "an unknown kind of number": (
        {"contract": ("at: path, name: id, kind: vn-personal-number", "at: path, name: id, kind: vn-personal-numbr")},
        "person.yaml:8:43: endpoints[0].subjects[0].kind: 'vn-personal-numbr' is no kind of number: vn-personal-number, "
        "vn-social-insurance-number, national-code; did you mean 'vn-personal-number'?",
    ),
    "no pointer": (
        {"contract": ("pointer: /id", "pointer: id")},
        "person.yaml:14:9: endpoints[1].subjects[0]: 'id' is not a JSON pointer such as /id or /members/*/id",
    ),
    "a place that does not fit": (
        {"contract": ("at: request, pointer: /id", "at: request, name: id")},
        "person.yaml:14:9: endpoints[1].subjects[0]: 'at: request' needs either 'pointer' (JSON) or 'xpath' (XML), and no 'name'",
    ),
    "about somebody, for nothing": (
        {"contract": ("    purposes: [ONE]\n", "")},
        "person.yaml:9:5: endpoints[1]: an endpoint about persons needs 'categories' and 'purposes'",
    ),
    "not said whom it is about": (
        {"contract": ("    subjects: [{at: path, name: id, kind: vn-personal-number}]\n", "")},
        "person.yaml:4:5: endpoints[0].subjects: is required",
    ),
    "a legal basis that is nowhere": (
        {"codes": ("en: Two, legal_bases: [LAW]", "en: Two, legal_bases: [LAW-2]")},
        "codes.yaml:2:95: purposes.TWO.legal_bases[0]: no legal basis 'LAW-2' in this list; did you mean 'LAW'?",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said_with_its_place(problems: Callable[..., list[str]], case: str) -> None:
    change, expected = CASES[case]
    problem, *_ = problems(**change)
    assert problem.endswith(expected), problem
    assert problem.startswith("server.yaml:")


def test_services_need_a_declaration(problems: Callable[..., list[str]]) -> None:
    (problem,) = problems(server=(f"{TOLD}\n", ""))
    assert "transparency: is required" in problem
    (problem,) = problems(server=("        contract:", "        #"))
    assert problem.endswith("needs a 'contract': whom is each endpoint about?")


def test_a_log_is_named_without_its_year(problems: Callable[..., list[str]]) -> None:
    (problem,) = problems(server=("example/access", "example/access/2026"))
    assert "without the year" in problem


@pytest.mark.parametrize(
    ("right", "end"),
    [
        ('"GET /v1/persons/*"], purposes: [THREE]', "the contract allows 'THREE' at none of these endpoints"),
        ('"POST /v1/verify"], purposes: [TWO]', "the contract allows 'TWO' at none of these endpoints"),
    ],
)
def test_a_right_to_a_purpose_that_its_endpoints_do_not_have(
    problems: Callable[..., list[str]], right: str, end: str
) -> None:
    (problem,) = problems(
        server=('{to: GOV/G22/dvc, allow: ["GET /v1/persons/*"]}', f"{{to: GOV/G22/dvc, allow: [{right}}}")
    )
    assert problem.split("; did")[0].endswith(end)


def test_purposes_of_a_right_reach_the_decision(tmp_path: Path) -> None:
    change = ('{to: GOV/G22/dvc, allow: ["GET /v1/persons/*"]}', "{to: GOV/G22/dvc, purposes: [TWO]}")
    conf = server_conf(load_server(written(tmp_path, server=change)))
    client = SubsystemId("VN", "GOV", "G22", "dvc")
    service = ServiceId(SubsystemId("VN", "GOV", "G01", "dancu"), "person")
    decision = decide_access(conf, frozenset(), client, service, "GET", "/v1/persons/1")
    assert isinstance(decision, tuple)
    assert decision[1].purposes == frozenset({"TWO"})


@pytest.mark.parametrize("manifest", sorted(ROOT.glob("adapters/*/manifest.yaml")), ids=lambda path: path.parent.name)
def test_the_contracts_of_the_demonstration(monkeypatch: pytest.MonkeyPatch, manifest: Path) -> None:
    """Each is what its adapter's manifest says, and is accepted for the adapter's document."""
    monkeypatch.chdir(ROOT)
    said = load_manifest(manifest.parent)
    _, _, _, subsystem, code = said.service.split("/")
    path = Path(f"config/contracts/{subsystem}-{code}.yaml")
    assert path.read_text("utf-8") == contract_text(said), f"python -m adapters.sdk.contract {manifest.parent}"
    endpoints = openapi_endpoints(manifest.parent / "openapi.yaml")
    settings = load_contract(path, said.service, endpoints)
    contract = build_contract(settings, load_codes(settings.codes))
    assert len(contract.endpoints) == len(said.endpoints)
    about_persons = sum(bool(e.persons) for e in said.endpoints.values())
    assert sum(bool(e.subjects) for e in contract.endpoints) == about_persons
