from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.core.errors import MalformedMessage
from gateway.core.globalconf.model import OptionalParts
from gateway.core.globalconf.privateparams import (
    parse_fetch_interval,
    parse_monitoring,
    parse_next_update,
    parse_private_parameters,
    print_private_parameters,
)
from gateway.core.identifiers import MemberId
from tests.unit.core.globalconf.samples import anchor, private

PARAMS = private(anchors=(anchor(instance="FI"), anchor("other", instance="EE")))
XML = print_private_parameters(PARAMS, 6)


@pytest.mark.parametrize("version", [2, 3, 4, 5, 6])
def test_what_is_printed_is_read_again(version: int) -> None:
    assert parse_private_parameters(print_private_parameters(PARAMS, version), version) == PARAMS


@pytest.mark.parametrize("version", [1, 7])
def test_versions_that_are_not_known(version: int) -> None:
    with pytest.raises(MalformedMessage):
        parse_private_parameters(XML, version)
    with pytest.raises(ValueError, match="version"):
        print_private_parameters(PARAMS, version)


def test_elements_stand_in_the_order_of_the_schema() -> None:
    names = (
        b"<instanceI",
        b"<configurationAnchor>",
        b"<managementService>",
        b"<authCertRegServiceA",
        b"<authCertRegServiceC",
    )
    places = [XML.index(n) for n in (*names, b"<managementRequestServiceProviderId", b"<timeStampingIntervalSeconds>")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "cut",
    [
        b"<timeStampingIntervalSeconds>60</timeStampingIntervalSeconds>",
        b"<authCertRegServiceAddress>https://registry.test:4001/</authCertRegServiceAddress>",
        b"<id:memberClass>GOV</id:memberClass>",
        b"<instanceIdentifier>VN</instanceIdentifier>",
        b"<downloadURL>http://registry.test/internalconf</downloadURL>",
    ],
)
def test_malformed(cut: bytes) -> None:
    assert cut in XML
    with pytest.raises(MalformedMessage) as caught:
        parse_private_parameters(XML.replace(cut, b"", 1), 6)
    assert caught.value.code == "malformed_global_conf"


def optional_part(content: str) -> bytes:
    spaces = 'xmlns:x="http://x-road.eu/xsd/xroad.xsd" xmlns:i="http://x-road.eu/xsd/identifiers"'
    return f"<x:conf {spaces}>{content}</x:conf>".encode()


def test_optional_parts_add_up() -> None:
    client = "<i:xRoadInstance>VN</i:xRoadInstance><i:memberClass>GOV</i:memberClass><i:memberCode>G01</i:memberCode>"
    monitoring = f"<monitoringClient><monitoringClientId>{client}</monitoringClientId></monitoringClient>"
    options = parse_fetch_interval(optional_part("<ocspFetchInterval>60</ocspFetchInterval>"), OptionalParts())
    options = parse_next_update(optional_part("<verifyNextUpdate>false</verifyNextUpdate>"), options)
    options = parse_monitoring(optional_part(monitoring), options)
    assert options == OptionalParts(timedelta(seconds=60), False, frozenset({MemberId("VN", "GOV", "G01")}))


def test_nobody_may_monitor() -> None:
    assert parse_monitoring(optional_part("<monitoringClient/>"), OptionalParts()).monitoring_clients == frozenset()


@pytest.mark.parametrize(
    ("parse", "content"),
    [
        (parse_fetch_interval, "<ocspFetchInterval>59</ocspFetchInterval>"),
        (parse_fetch_interval, "<ocspFetchInterval>soon</ocspFetchInterval>"),
        (parse_fetch_interval, ""),
        (parse_next_update, "<verifyNextUpdate>maybe</verifyNextUpdate>"),
        (parse_monitoring, "<monitoringClient><monitoringClientId/></monitoringClient>"),
        (parse_monitoring, ""),
    ],
)
def test_malformed_optional_parts(parse: object, content: str) -> None:
    assert callable(parse)
    with pytest.raises(MalformedMessage):
        parse(optional_part(content), OptionalParts())
