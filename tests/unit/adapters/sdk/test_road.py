import pytest

from adapters.sdk import MalformedCall, RepresentedParty, RoadHeaders
from adapters.sdk.road import parse_road_headers
from gateway.core.identifiers import MemberId, ServiceId, SubsystemId

BHXH = SubsystemId("VN", "GOV", "G12", "bhxh")
DANCU = SubsystemId("VN", "GOV", "G01", "dancu")


def test_direct_call_has_none() -> None:
    assert parse_road_headers([("Accept", "*/*"), ("Host", "127.0.10.1")]) == RoadHeaders()


def test_everything() -> None:
    road = parse_road_headers(
        [
            ("X-Road-Client", "VN/GOV/G12/bhxh"),
            ("x-road-service", "VN/GOV/G01/dancu/person"),
            ("X-ROAD-ID", "VN-1"),
            ("x-road-request-id", "6f2c9b0e-55a4-4a86-9d0e-1f4c6a1f7a10"),
            ("X-Road-UserId", "can-bo-7"),
            ("X-Road-Issue", "HS-2026-1"),
            ("X-Road-Represented-Party", "COM/EVN"),
        ]
    )
    assert road == RoadHeaders(
        client=BHXH,
        service=ServiceId(DANCU, "person"),
        message_id="VN-1",
        request_id="6f2c9b0e-55a4-4a86-9d0e-1f4c6a1f7a10",
        user_id="can-bo-7",
        issue="HS-2026-1",
        represented_party=RepresentedParty("COM", "EVN"),
    )


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("X-Road-Client", "VN/GOV/G01", "client", MemberId("VN", "GOV", "G01")),
        ("X-Road-Client", "VN/GOV/G%C4%90/d%C3%A2n%20c%C6%B0", "client", SubsystemId("VN", "GOV", "GĐ", "dân cư")),
        ("X-Road-Represented-Party", "EVN", "represented_party", RepresentedParty(None, "EVN")),
        ("X-Road-UserId", "", "user_id", None),
        ("X-Road-UserId", "\udce1\udcbb?", "user_id", "\ufffd?"),  # what an older server leaves of a Vietnamese letter
    ],
)
def test_single_fields(name: str, value: str, field: str, expected: object) -> None:
    assert getattr(parse_road_headers([(name, value)]), field) == expected


def test_last_counts() -> None:
    assert parse_road_headers([("X-Road-Client", "broken"), ("x-road-client", "VN/GOV/G12/bhxh")]).client == BHXH


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Road-Client", "VN/GOV"),
        ("X-Road-Client", "VN/GOV/G12/bhxh/person"),
        ("X-Road-Client", "VN//G12/bhxh"),
        ("X-Road-Client", "VN/GOV/G12/%ZZ"),
        ("X-Road-Client", "VN/GOV/G12/dân cư"),
        ("X-Road-Service", "VN/GOV/G01/dancu"),
        ("X-Road-Represented-Party", "A/B/C"),
        ("X-Road-Represented-Party", "/"),
    ],
)
def test_identifier_fail(name: str, value: str) -> None:
    with pytest.raises(MalformedCall) as refused:
        parse_road_headers([(name, value)])
    assert (refused.value.status, refused.value.code) == (400, "invalid_xroad_header")
    assert value not in str(refused.value)
