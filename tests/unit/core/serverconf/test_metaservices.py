"""Shapes of reference 2.1 and 2.2."""

import pytest
from lxml import etree

from gateway.core.errors import UnknownSubject
from gateway.core.globalconf.model import Member, Subsystem
from gateway.core.identifiers import MemberId, SecurityServerId, SubsystemId
from gateway.core.serverconf.metaservices import (
    METASERVICES,
    allowed_methods,
    hide_servers,
    list_clients,
    list_clients_xml,
    list_methods,
)
from gateway.core.serverconf.model import (
    BASE_ENDPOINT,
    AccessRight,
    Client,
    ClientStatus,
    Endpoint,
    ServerConf,
    Service,
    ServiceKind,
)

DANCU, DVC = SubsystemId("VN", "GOV", "G01", "dancu"), SubsystemId("VN", "GOV", "G22", "dvc")
PETS = Endpoint("GET", "/pets/*")


class Shared:
    """The one attribute of shared parameters that is asked for."""

    members = (Member(MemberId("VN", "GOV", "G&<"), "Bộ <Công> & an", (Subsystem("dân", "Dân cư"), Subsystem("x"))),)


def conf(status: ClientStatus = ClientStatus.REGISTERED) -> ServerConf:
    services = {
        "pets": Service("pets", ServiceKind.OPENAPI3, "http://x", endpoints=(PETS, BASE_ENDPOINT)),
        "plain": Service("plain", ServiceKind.REST, "http://x"),
        "closed": Service("closed", ServiceKind.REST, "http://x"),
    }
    rights = (AccessRight(DVC, "pets", PETS), AccessRight(DVC, "plain", BASE_ENDPOINT))
    client = Client(DANCU, status=status, services=services, rights=rights)
    return ServerConf(SecurityServerId("VN", "GOV", "G01", "ss1"), {DANCU: client})


def test_names() -> None:
    assert {"listMethods", "allowedMethods", "getOpenAPI"} == METASERVICES


def test_list_methods() -> None:
    value = list_methods(conf(), DANCU)
    assert value["service"][0] == {
        "object_type": "SERVICE",
        "xroad_instance": "VN",
        "member_class": "GOV",
        "member_code": "G01",
        "subsystem_code": "dancu",
        "service_code": "pets",
        "service_type": "OPENAPI",
        "endpoint_list": [{"method": "GET", "path": "/pets/*"}],
    }
    assert [(s["service_code"], s["service_type"]) for s in value["service"][1:]] == [
        ("plain", "REST"),
        ("closed", "REST"),
    ]


def test_allowed_methods_only_lists_services_with_a_right() -> None:
    value = allowed_methods(conf(), frozenset(), DANCU, DVC)
    assert [(s["service_code"], s["endpoint_list"]) for s in value["service"]] == [
        ("pets", [{"method": "GET", "path": "/pets/*"}]),
        ("plain", []),
    ]
    assert allowed_methods(conf(), frozenset(), DANCU, DANCU) == {"service": []}


@pytest.mark.parametrize("provider", [DVC, DANCU])
def test_of_a_client_that_is_not_registered(provider: SubsystemId) -> None:
    with pytest.raises(UnknownSubject) as e:
        list_methods(conf(ClientStatus.DISABLED), provider)
    assert e.value.code == "unknown_member"


def test_list_clients_json() -> None:
    member, with_name, without = list_clients(Shared())["member"]  # type: ignore[arg-type]
    assert member == {
        "id": {"object_type": "MEMBER", "xroad_instance": "VN", "member_class": "GOV", "member_code": "G&<"},
        "name": "Bộ <Công> & an",
    }
    assert with_name["id"] == {**member["id"], "object_type": "SUBSYSTEM", "subsystem_code": "dân"}
    assert (with_name["name"], with_name["subsystem_name"]) == ("Bộ <Công> & an", "Dân cư")
    assert "subsystem_name" not in without


def test_list_clients_xml() -> None:
    x, i = "{http://x-road.eu/xsd/xroad.xsd}", "{http://x-road.eu/xsd/identifiers}"
    root = etree.fromstring(list_clients_xml(Shared()))  # type: ignore[arg-type]
    assert root.tag == x + "clientList"
    member, with_name, without = root
    assert [e.tag for e in member] == [x + "id", x + "name"]
    assert member[0].get(i + "objectType") == "MEMBER"
    assert [(e.tag, e.text) for e in member[0]] == [
        (i + "xRoadInstance", "VN"),
        (i + "memberClass", "GOV"),
        (i + "memberCode", "G&<"),
    ]
    assert member[1].text == "Bộ <Công> & an"
    assert with_name[0].get(i + "objectType") == "SUBSYSTEM"
    assert with_name[0][-1].tag == i + "subsystemCode"
    assert with_name.findtext(x + "subsystemName") == "Dân cư"
    assert without.find(x + "subsystemName") is None


@pytest.mark.parametrize(
    ("url", "hidden"),
    [
        ("http://10.0.0.1:9000/v1", "/v1"),
        ("https://user:pw@intern.example/a?x=y#z", "/a"),
        ("http://intern.example", "/"),
        ("/already", "/already"),
        ("https://{region}.example/v1", "https://{region}.example/v1"),
        ("http://[broken", "/"),
    ],
)
def test_hosts_of_servers_are_hidden(url: str, hidden: str) -> None:
    servers = [{"url": url, "description": "d"}]
    document = {
        "openapi": "3.1.0",
        "servers": servers,
        "paths": {"/p": {"servers": servers, "get": {"servers": servers, "tags": ["t"]}, "summary": "s"}},
    }
    wanted = [{"url": hidden, "description": "d"}]
    assert hide_servers(document) == {
        "openapi": "3.1.0",
        "servers": wanted,
        "paths": {"/p": {"servers": wanted, "get": {"servers": wanted, "tags": ["t"]}, "summary": "s"}},
    }
    assert servers == [{"url": url, "description": "d"}]


@pytest.mark.parametrize(
    "odd", [None, 1, "x", [], {"servers": "x"}, {"servers": [1, {}]}, {"paths": []}, {"paths": {"/": 1}}]
)
def test_odd_documents_stay_as_they_are(odd: object) -> None:
    assert hide_servers(odd) == odd
