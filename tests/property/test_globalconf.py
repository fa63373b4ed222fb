"""Any bytes give a value or MalformedMessage; what is printed is read again; one altered byte is refused."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import GatewayError, MalformedMessage, SignatureRejected
from gateway.core.globalconf.anchor import parse_anchor, print_anchor
from gateway.core.globalconf.directory import parse_directory, verify_directory
from gateway.core.globalconf.model import (
    Anchor,
    AnchorSource,
    ConfigurationSource,
    GlobalGroup,
    ManagementService,
    Member,
    MemberClass,
    PrivateParameters,
    SecurityServer,
    SharedParameters,
    Subsystem,
)
from gateway.core.globalconf.privateparams import parse_private_parameters, print_private_parameters
from gateway.core.globalconf.saved import load_saved
from gateway.core.globalconf.sharedparams import parse_shared_parameters, print_shared_parameters
from gateway.core.globalconf.trusted import TrustedSet
from gateway.core.identifiers import GlobalGroupId, MemberId, SubsystemId
from gateway.core.signing.trust import ApprovedCa, ApprovedTsa, CaCertificate
from tests.unit.core.globalconf.samples import (
    NOW,
    anchor,
    as_version,
    certificate,
    der,
    directory,
    own_parts,
    server_id,
)

# --- any bytes -------------------------------------------------------------------------------------------------------


@cache
def documents() -> tuple[bytes, ...]:
    shared_xml, private_xml = (data for _, data in own_parts())
    return shared_xml, private_xml, print_anchor(anchor()), directory(own_parts())


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A document with a few pieces cut out, doubled, or replaced: reaches deeper than random bytes do."""
    data = draw(st.sampled_from(documents()))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 40)))
        new = draw(st.one_of(st.binary(max_size=8), st.just(data[start:end] * 2), st.sampled_from(_PIECES)))
        data = data[:start] + new + data[end:]
    return data


_PIECES = [
    b"<client>id0</client>",
    b"</member>",
    b"\r\n",
    b"--inner",
    b"--outer--",
    b"'",
    b'"',
    b";",
    b"&#0;",
    b"<![CDATA[",
]

PARSERS: tuple[Callable[[bytes], object], ...] = (
    lambda data: parse_shared_parameters(data, 6),
    lambda data: parse_shared_parameters(data, 2),
    lambda data: parse_private_parameters(data, 6),
    parse_anchor,
    parse_directory,
    lambda data: load_saved({"instance-identifier": data, "VN/shared-params.xml": documents()[0]}),
    lambda data: load_saved(
        {"instance-identifier": b"VN", "VN/shared-params.xml": documents()[0], "VN/shared-params.xml.metadata": data}
    ),
)


@given(st.one_of(st.binary(max_size=200), damaged()))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_value_or_malformed(data: bytes) -> None:
    for parse in PARSERS:
        assert outcome(parse, data).startswith(("value", "malformed_", "global_conf_"))


def outcome(parse: Callable[[bytes], object], data: bytes) -> str:
    try:
        parse(data)
    except MalformedMessage as e:
        return e.code
    return "value"


# --- print and parse -------------------------------------------------------------------------------------------------

INSTANCE = st.sampled_from(["VN", "Việt Nam", "O'X", 'a"b', "<&>"])
CODES = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="%:;/\\"), min_size=1, max_size=8)
TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn")), max_size=20).map(str.strip)
CERTIFICATES = st.sampled_from(["ca", "other", "ocsp", "tsa"]).map(certificate)
BYTES = st.binary(min_size=1, max_size=40)


@st.composite
def cas(draw: st.DrawFn) -> ApprovedCa:
    def ca() -> CaCertificate:
        urls = tuple(draw(st.lists(CODES.map(lambda c: f"http://{c}"), max_size=2)))
        listed = tuple(draw(st.lists(CERTIFICATES, max_size=len(urls))))
        return CaCertificate(draw(CERTIFICATES), urls, listed)

    intermediates = tuple(ca() for _ in range(draw(st.integers(0, 2))))
    return ApprovedCa(draw(TEXTS), draw(st.booleans()), draw(CODES), ca(), intermediates)


@st.composite
def models(draw: st.DrawFn) -> SharedParameters:
    instance = draw(INSTANCE)
    ids = draw(st.lists(st.tuples(CODES, CODES), min_size=1, max_size=3, unique=True))
    members = []
    for member_class, code in ids:
        subsystems = draw(st.lists(CODES, max_size=2, unique=True))
        named = tuple(Subsystem(s, draw(st.one_of(st.none(), TEXTS.filter(bool)))) for s in subsystems)
        members.append(Member(MemberId(instance, member_class, code), draw(TEXTS), named))
    clients = [c for m in members for c in m.client_ids]
    servers = []
    for code in draw(st.lists(CODES, max_size=2, unique=True)):
        owner = draw(st.sampled_from(members)).id
        served = draw(st.frozensets(st.sampled_from(clients), max_size=3)) | {owner}
        address = draw(st.one_of(st.none(), CODES))
        hashes = tuple(draw(st.lists(BYTES, max_size=2)))
        maintenance = draw(st.one_of(st.none(), TEXTS))
        servers.append(SecurityServer(server_id(owner, code), address, hashes, served, maintenance))
    groups = [
        GlobalGroup(
            GlobalGroupId(instance, code), draw(TEXTS), draw(st.frozensets(st.sampled_from(clients), max_size=3))
        )
        for code in draw(st.lists(CODES, max_size=2, unique=True))
    ]
    return SharedParameters(
        instance=instance,
        version=draw(st.sampled_from([2, 3, 4, 5, 6])),
        ocsp_freshness=timedelta(seconds=draw(st.integers(0, 10**6))),
        sources=(ConfigurationSource(draw(CODES), (draw(BYTES),), (draw(BYTES),)),),
        approved_cas=tuple(draw(st.lists(cas(), max_size=2))),
        approved_tsas=tuple(
            ApprovedTsa(draw(TEXTS), draw(CODES), draw(CERTIFICATES)) for _ in range(draw(st.integers(0, 1)))
        ),
        member_classes=tuple(MemberClass(c, draw(TEXTS)) for c in draw(st.lists(CODES, max_size=2, unique=True))),
        members=tuple(members),
        servers=tuple(servers),
        groups=tuple(groups),
    )


@given(models())
@settings(max_examples=80, deadline=None)
def test_shared_parameters_are_read_as_they_were_printed(params: SharedParameters) -> None:
    read = parse_shared_parameters(print_shared_parameters(params, params.version), params.version)
    assert read == as_version(params, params.version)


ANCHORS = st.builds(
    Anchor,
    instance=INSTANCE,
    sources=st.lists(
        st.builds(
            AnchorSource, CODES.map(lambda c: f"http://{c}/"), st.lists(BYTES, min_size=1, max_size=2).map(tuple)
        ),
        min_size=1,
        max_size=2,
    ).map(tuple),
    generated_at=st.one_of(
        st.none(),
        st.integers(0, 4 * 10**9).map(lambda s: datetime.fromtimestamp(s, UTC)),
    ),
)
CLIENTS = st.one_of(st.builds(MemberId, INSTANCE, CODES, CODES), st.builds(SubsystemId, INSTANCE, CODES, CODES, CODES))


@given(ANCHORS)
@settings(max_examples=50, deadline=None)
def test_anchors_are_read_as_they_were_printed(value: Anchor) -> None:
    assert parse_anchor(print_anchor(value)) == value


@given(
    st.builds(
        PrivateParameters,
        instance=INSTANCE,
        management=st.builds(ManagementService, CODES, CLIENTS, st.one_of(st.none(), BYTES)),
        time_stamping_interval=st.integers(0, 10**6).map(lambda s: timedelta(seconds=s)),
        anchors=st.lists(ANCHORS, max_size=2).map(tuple),
    )
)
@settings(max_examples=50, deadline=None)
def test_private_parameters_are_read_as_they_were_printed(value: PrivateParameters) -> None:
    assert parse_private_parameters(print_private_parameters(value, 6), 6) == value


# --- one altered byte --------------------------------------------------------------------------------------------------


@cache
def signed_by(signer: str) -> bytes:
    """Once for each key: an ECDSA signature is another every time."""
    return directory(own_parts(), signer=signer)


def altered(data: bytes, position: int, by: int) -> bytes:
    return data[:position] + bytes([data[position] ^ by]) + data[position + 1 :]


@pytest.mark.parametrize("signer", ["registry", "rsa-registry"])
@given(data=st.data(), by=st.integers(1, 255))
@settings(max_examples=100, deadline=None)
def test_an_altered_byte_of_the_signed_range_is_refused(signer: str, data: st.DataObject, by: int) -> None:
    body = signed_by(signer)
    signed = parse_directory(body).signed
    start = body.index(signed)
    position = data.draw(st.integers(start, start + len(signed) - 1))
    with pytest.raises(GatewayError) as caught:
        verify_directory(parse_directory(altered(body, position, by)), (der(signer),))
    assert isinstance(caught.value, MalformedMessage | SignatureRejected)


@pytest.mark.parametrize("signer", ["registry", "rsa-registry"])
@given(data=st.data(), by=st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_an_altered_byte_of_the_signature_is_refused(signer: str, data: st.DataObject, by: int) -> None:
    body = signed_by(signer)
    signature = parse_directory(body).signature
    other = altered(signature, data.draw(st.integers(0, len(signature) - 1)), by)
    changed = body.replace(base64.b64encode(signature), base64.b64encode(other))
    assert changed != body
    with pytest.raises(SignatureRejected):
        verify_directory(parse_directory(changed), (der(signer),))


@given(st.data(), st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_an_altered_byte_of_a_file_is_refused(data: st.DataObject, by: int) -> None:
    trusted = TrustedSet(anchor())
    contents = dict(own_parts())
    reference = data.draw(st.sampled_from(trusted.offer_directory(signed_by("registry"), NOW)))
    content = contents[reference.identifier]
    with pytest.raises(SignatureRejected):
        trusted.offer_part(reference, altered(content, data.draw(st.integers(0, len(content) - 1)), by))
