"""Global configurations made by X-Road's Central Server and configuration client, and one accepted by its client."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.core.errors import GatewayError, MalformedMessage, SignatureRejected, TrustOutdated
from gateway.core.globalconf.anchor import parse_anchor
from gateway.core.globalconf.directory import parse_directory, verify_directory
from gateway.core.globalconf.model import Anchor, AnchorSource, GlobalConfiguration
from gateway.core.globalconf.saved import load_saved
from gateway.core.globalconf.sharedparams import parse_shared_parameters
from gateway.core.globalconf.trusted import TrustedSet
from gateway.core.identifiers import GlobalGroupId, MemberId, SecurityServerId, SubsystemId

VECTORS = Path(__file__).resolve().parents[2].parent / "shared" / "vectors"
CONF = VECTORS / "xroad" / "globalconf"
CENTRAL = CONF / "central-server-output"
ACCEPTED = VECTORS / "xroad-live" / "accepted" / "conf"
NOW = datetime(2026, 11, 22, tzinfo=UTC)

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not CONF.is_dir(), reason="the vectors of other implementations are not here"),
]


def files_below(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def take(trusted: TrustedSet, folder: Path, name: str, now: datetime = NOW) -> GlobalConfiguration:
    """As the configuration client does, with files instead of HTTP. `folder` is what the server has below `/`."""
    for reference in trusted.offer_directory((folder / name).read_bytes(), now):
        inside = reference.location.split("/", 2)[2]
        trusted.offer_part(reference, (folder / inside).read_bytes())
    trusted.accept()
    return trusted.configuration()


def central_anchor(version: str, name: str) -> Anchor:
    """The certificates of V3 to V5 stand in their own shared parameters; V6's internal one in the trusted anchor."""
    if version == "V6" and name == "internalconf":
        return parse_anchor((CONF / "trusted-anchor" / "configuration_anchor_CS_internal.xml").read_bytes())
    (path,) = (CENTRAL / version).glob("*/shared-params.xml")
    shared = parse_shared_parameters(path.read_bytes(), int(version[1]))
    certificates = tuple(c for s in shared.sources for c in s.internal_certificates + s.external_certificates)
    return Anchor(shared.instance, (AnchorSource("http://cs/internalconf", certificates),))


@pytest.mark.parametrize("name", ["internalconf", "externalconf"])
@pytest.mark.parametrize("version", ["V3", "V4", "V5", "V6"])
def test_what_a_central_server_publishes(version: str, name: str) -> None:
    trusted = TrustedSet(central_anchor(version, name), external=name == "externalconf")
    if (version, name) == ("V6", "externalconf"):  # its file in the repository is a later one
        with pytest.raises(SignatureRejected) as caught:
            take(trusted, CENTRAL / version, name)
        assert caught.value.code == "global_conf_part_downloaded_file_integrity_failure"
        return
    conf = take(trusted, CENTRAL / version, name)
    assert conf.own_instance == ("CS" if version == "V3" else "DEV")
    assert conf.shared(conf.own_instance, NOW).version == int(version[1])
    assert (conf.private is not None) == (name == "internalconf")
    assert conf.expires is not None and conf.expires.year in {2034, 2035}


def test_what_stands_in_version_6() -> None:
    conf = take(TrustedSet(central_anchor("V6", "internalconf")), CENTRAL / "V6", "internalconf")
    consumer = SubsystemId("DEV", "COM", "4321", "TestClient")
    assert [s.address for s in conf.servers_of(consumer, NOW)] == ["ss0", "ss1"]
    assert [s.id.server_code for s in conf.servers_of(MemberId("DEV", "COM", "1234"), NOW)] == ["SS0"]
    assert conf.groups_of(MemberId("DEV", "COM", "4321"), NOW) == {GlobalGroupId("DEV", "security-server-owners")}
    assert [ca.name for ca in conf.trust("DEV", NOW).approved_cas] == ["Test CA", "New CA"]
    assert conf.trust("DEV", NOW).ocsp_freshness.total_seconds() == 3600
    assert [t.url for t in conf.approved_tsas(NOW)] == ["http://testca:8899"]
    assert conf.private is not None
    assert conf.private.management.provider == SubsystemId("DEV", "COM", "1234", "MANAGEMENT")


@pytest.mark.parametrize("version", ["V2", "V3", "V4", "V5", "V6"])
@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_what_the_configuration_client_accepted(kind: str, version: str) -> None:
    trusted = TrustedSet(parse_anchor((ACCEPTED / kind / "anchor.xml").read_bytes()))
    conf = take(trusted, ACCEPTED / kind / version, "internalconf")
    server = conf.server(SecurityServerId("DEV", "COM", "1234", "SS0"), NOW)
    assert server is not None and server.address == "127.0.0.2"
    assert {len(h) for h in server.auth_cert_hashes} == {20 if version == "V2" else 32}
    with pytest.raises(TrustOutdated):
        trusted.offer_directory(
            (ACCEPTED / kind / version / "internalconf").read_bytes(), datetime(2030, 1, 1, tzinfo=UTC)
        )


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_the_versions_follow_each_other(kind: str) -> None:
    trusted = TrustedSet(parse_anchor((ACCEPTED / kind / "anchor.xml").read_bytes()))
    for version in ("V2", "V6", "V3"):
        assert take(trusted, ACCEPTED / kind / version, "internalconf").shared("DEV", NOW).version == int(version[1])


DOCUMENTS = CONF / "directory-documents"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("test-conf-simple", ["private-params.xml", "shared-params.xml", "foo.xml"]),
        ("test-conf-detached", ["private-params.xml"]),
        ("test-conf-invalid-signature", ["private-params.xml", "shared-params.xml", "foo.xml"]),
    ],
)
def test_directory_documents_that_can_be_read(name: str, parts: list[str]) -> None:
    directory = parse_directory((DOCUMENTS / f"{name}.txt").read_bytes())
    assert [p.local_name for p in directory.parts] == parts
    assert (directory.instance, directory.version) == ("EE", 2)
    assert (directory.signature == b"Invalid Signature") == (name == "test-conf-invalid-signature")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("test-conf-malformed", "global_conf_parsing_downloaded_conf_directory_failure"),
        ("test-conf-missing-date", "global_conf_missing_signed_data_expiration_date"),
        ("test-conf-missing-signature", "global_conf_signature_decode_failure"),
    ],
)
def test_directory_documents_that_cannot(name: str, code: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse_directory((DOCUMENTS / f"{name}.txt").read_bytes())
    assert caught.value.code == code


def test_an_anchor_of_the_test_data_does_not_vouch_for_them() -> None:
    anchor = parse_anchor((DOCUMENTS / "configuration-anchor1.xml").read_bytes())
    assert (anchor.instance, anchor.sources[0].url) == ("EE", "http://www.bar.com/conf")
    directory = parse_directory((DOCUMENTS / "test-conf-simple.txt").read_bytes())
    with pytest.raises(SignatureRejected) as caught:
        verify_directory(directory, anchor.verification_certificates)
    assert caught.value.code == "global_conf_missing_verification_cert"


@pytest.mark.parametrize("version", [2, 3, 4, 5, 6])
def test_saved_configurations(version: int) -> None:
    files = files_below(CONF / f"globalconf_good_v{version}")
    conf = load_saved(files)
    folders = {name.partition("/")[0] for name in files if "/" in name}
    assert conf.own_instance == "EE"
    assert set(conf.instances) == folders
    assert conf.shared("EE", NOW).version == version
    assert conf.expires == datetime(2124, 5, 20, 17, 42, 55, tzinfo=UTC)
    assert conf.private is not None and conf.private.time_stamping_interval.total_seconds() == 123
    producer = MemberId("EE", "BUSINESS", "producer")
    codes = {s.id.server_code for s in conf.servers_of(producer, NOW)}
    assert codes == {"producerServerCode", "fooServerCode"}
    again = load_saved(conf.files)
    assert again.files == conf.files


def test_maintenance_mode_from_version_5() -> None:
    for version, message in ((4, None), (5, "Test maintenance mode"), (6, "Test maintenance mode")):
        conf = load_saved(files_below(CONF / f"globalconf_good_v{version}"))
        server = conf.server(SecurityServerId("EE", "BUSINESS", "foo", "FooBarServerCode"), NOW)
        assert server is not None and server.maintenance == message


@pytest.mark.parametrize("name", ["globalconf_malformed", "globalconf_missing_identifier"])
def test_saved_configurations_that_cannot_be_used(name: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        load_saved(files_below(CONF / name))
    assert caught.value.code == "malformed_global_conf"


@pytest.mark.parametrize("path", ["rsa/V6/internalconf", "ec/V3/internalconf"])
def test_every_altered_byte_of_a_directory_is_refused_or_means_nothing(path: str) -> None:
    """The signed range completely; of the rest, what is not the signature's own wrapping."""
    body = (ACCEPTED / path).read_bytes()
    anchor = parse_anchor((ACCEPTED / path.partition("/")[0] / "anchor.xml").read_bytes())
    signed = parse_directory(body).signed
    start = body.index(signed)
    for position in range(start, start + len(signed)):
        changed = body[:position] + bytes([body[position] ^ 1]) + body[position + 1 :]
        with pytest.raises(GatewayError):
            verify_directory(parse_directory(changed), anchor.verification_certificates)
