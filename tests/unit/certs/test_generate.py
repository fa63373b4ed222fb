"""The demo's keys: complete, private, kept, and made anew only when they must be."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from certs.generate import Topology, generate, load_topology, main
from gateway.core.errors import KeyTokenError, MalformedMessage, SettingsError
from gateway.core.identifiers import MemberId
from gateway.core.merkle.keys import KeyKind
from gateway.core.merkle.policy import parse_policy
from gateway.core.sealing.keys import parse_keyring
from gateway.core.signing.certificates import is_authentication_certificate, is_issued_by, signing_member
from gateway.core.signing.profiles import EJBCA
from gateway.signer.tokens import open_token
from gateway.trust.status import CertificateIndex, revoke

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
TOPOLOGY = Path(__file__).resolve().parents[3] / "certs" / "topology.yaml"
CODES = ("G01", "G12", "G15", "G22")
NOTE_KEYS = (
    *(f"log-{year}-{kind}" for year in (2026, 2027) for kind in ("ed25519", "ml-dsa-44")),
    *("witness-a05", "witness-ktnn"),
)
SIGNERS = ("hotich-registrar",)
FACILITIES = ("99901", "99902", "99903")
SYSTEMS = ("dancu-is", "bhxh-is", "hotich-is", "dvc-is", "yte-is", "lienthong-is")


@pytest.fixture(scope="module")
def topology() -> Topology:
    return load_topology(TOPOLOGY)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, topology: Topology) -> Path:
    out = tmp_path_factory.mktemp("certs") / "out"
    report = generate(out, topology, NOW)
    assert (len(report.made), report.renewed, report.kept) == (41, [], [])
    return out


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return shutil.copytree(made, tmp_path / "out")


def contents(out: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in out.iterdir()}


def certificate(out: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((out / f"{name}.pem").read_bytes())


def test_exactly_these_files(out: Path) -> None:
    expected = {"index.json", "facilities-index.json", "documents-index.json"}
    for name in (
        "facilities-ca",
        "documents-ca",
        "ca",
        "ocsp",
        "registry",
        "tsa",
        "log-tls",
        *SYSTEMS,
        *(f"{c}-ss1-tls" for c in CODES),
    ):
        expected |= {f"{name}.pem", f"{name}.key"}
    signers = [f"{c}-{use}" for c in CODES for use in ("sign", "ss1-auth")]
    for name in ("G18-sign", *SIGNERS, *(f"facility-{code}" for code in FACILITIES), *signers):
        expected |= {f"{name}.p12", f"{name}.pin", f"{name}.pem"}
    expected |= {f"{name}.key" for name in NOTE_KEYS} | {"log-policy.txt"}
    expected |= {f"{c}-ss1-log.keys" for c in CODES}
    assert set(os.listdir(out)) == expected


def test_only_the_owner_reads_keys(out: Path) -> None:
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    for path in out.iterdir():
        secret = path.suffix in (".key", ".keys", ".p12", ".pin", ".json")
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == (0 if secret else 0o044), path.name


def test_facilities_have_an_authority_of_their_own(out: Path, topology: Topology) -> None:
    root, member = certificate(out, "facilities-ca"), certificate(out, "G18-sign")
    for code in FACILITIES:
        own = certificate(out, f"facility-{code}")
        assert is_issued_by(own, root)
        assert own.subject.get_attributes_for_oid(x509.NameOID.SERIAL_NUMBER)[0].value == code
        assert own in CertificateIndex(out / "facilities-index.json")
        assert own not in CertificateIndex(out / "index.json")
    assert is_issued_by(member, certificate(out, "ca"))
    assert signing_member(member, profile=EJBCA, instance="VN") == MemberId("VN", "GOV", "G18")
    (out / "facilities-ca.key").unlink()
    assert generate(out, topology, NOW).renewed == ["facilities-ca", *(f"facility-{code}" for code in FACILITIES)]


def test_keys_fit_and_open_with_their_pins(out: Path) -> None:
    pins = set()
    for code in CODES:
        for use in ("sign", "ss1-auth"):
            pin = (out / f"{code}-{use}.pin").read_text().strip()
            token = open_token(f"file:{out / f'{code}-{use}.p12'}", pin=pin)
            assert token.certificate == certificate(out, f"{code}-{use}")
            pins.add(pin)
    assert len(pins) == 8
    for name in ("ca", "ocsp", "registry", "tsa", "dancu-is", "G01-ss1-tls"):
        key = load_pem_private_key((out / f"{name}.key").read_bytes(), None)
        assert key.public_key() == certificate(out, name).public_key()


def test_certificates_are_what_the_topology_says(out: Path) -> None:
    ca, index = certificate(out, "ca"), CertificateIndex(out / "index.json")
    for code in CODES:
        sign, auth = certificate(out, f"{code}-sign"), certificate(out, f"{code}-ss1-auth")
        assert signing_member(sign, profile=EJBCA, instance="VN") == MemberId("VN", "GOV", code)
        assert is_authentication_certificate(auth)
        assert is_issued_by(sign, ca)
        assert is_issued_by(auth, ca)
        assert sign in index
        assert auth in index
    assert certificate(out, "ocsp") in index
    assert certificate(out, "tsa") in index
    names = certificate(out, "G12-ss1-tls").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["127.0.10.2"]


def test_signers_of_documents_have_an_authority_of_their_own(out: Path) -> None:
    """Nothing that a security server believes vouches for them: the index of the members' CA does not know them."""
    index, of_documents = CertificateIndex(out / "index.json"), CertificateIndex(out / "documents-index.json")
    for name in SIGNERS:
        found = certificate(out, name)
        assert is_issued_by(found, certificate(out, "documents-ca"))
        assert found.extensions.get_extension_for_class(x509.KeyUsage).value.content_commitment
        assert (found in of_documents, found in index) == (True, False)


def test_validity(out: Path) -> None:
    for name, years in (("ca", 10), ("G01-sign", 2), ("registry", 2), ("dvc-is", 2)):
        found = certificate(out, name)
        assert found.not_valid_before_utc == NOW - timedelta(minutes=1)
        length = found.not_valid_after_utc - found.not_valid_before_utc
        assert length == timedelta(days=365.25 * years)


def test_a_second_run_keeps_everything(out: Path, topology: Topology) -> None:
    before = contents(out)
    report = generate(out, topology, NOW + timedelta(days=30))
    assert contents(out) == before
    assert (report.made, report.renewed, len(report.kept)) == ([], [], 41)


BROKEN: dict[str, tuple[str, Callable[[Path], object]]] = {
    "key gone": ("dancu-is", lambda out: (out / "dancu-is.key").unlink()),
    "key of another": ("dancu-is", lambda out: (out / "dancu-is.key").write_bytes((out / "ca.key").read_bytes())),
    "key damaged": ("dancu-is", lambda out: (out / "dancu-is.key").write_bytes(b"x")),
    "pin gone": ("G01-sign", lambda out: (out / "G01-sign.pin").unlink()),
    "pin of another": ("G01-sign", lambda out: (out / "G01-sign.pin").write_bytes((out / "G12-sign.pin").read_bytes())),
    "token damaged": ("G01-ss1-auth", lambda out: (out / "G01-ss1-auth.p12").write_bytes(b"x")),
    "certificate of another": (
        "G01-sign",
        lambda out: (out / "G01-sign.pem").write_bytes((out / "G12-sign.pem").read_bytes()),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_one_broken_set_is_made_anew_alone(name: str, out: Path, topology: Topology) -> None:
    which, damage = BROKEN[name]
    damage(out)
    before = contents(out)
    report = generate(out, topology, NOW)
    assert (report.made, report.renewed) == ([], [which])
    changed = {n for n, content in contents(out).items() if before.get(n) != content}
    assert all(n.startswith(f"{which}.") or n == "index.json" for n in changed)
    assert generate(out, topology, NOW).renewed == []


def test_a_missing_set_is_made(out: Path, topology: Topology) -> None:
    for suffix in ("pem", "key"):
        (out / f"registry.{suffix}").unlink()
    report = generate(out, topology, NOW)
    assert (report.made, report.renewed) == (["registry"], [])


def test_what_ends_soon_is_made_anew(out: Path, topology: Topology) -> None:
    ca = contents(out)["ca.pem"]
    report = generate(out, topology, NOW + timedelta(days=730 - 29))
    logs = [f"{c}-ss1-log" for c in CODES]
    assert report.kept == ["ca", *logs, "facilities-ca", "documents-ca", "witness-a05", "witness-ktnn"]
    assert len(report.renewed) == 27
    assert contents(out)["ca.pem"] == ca


def test_a_new_ca_means_new_certificates_but_not_new_self_signed_ones(out: Path, topology: Topology) -> None:
    (out / "ca.key").unlink()
    report = generate(out, topology, NOW)
    assert report.renewed[0] == "ca"
    own = {f"{c}-ss1-{use}" for c in CODES for use in ("tls", "log")}
    others = {"facilities-ca", "documents-ca", *SIGNERS, *(f"facility-{code}" for code in FACILITIES)}
    assert set(report.kept) == {"registry", "log-tls", *SYSTEMS, *own, *NOTE_KEYS, *others, "log-policy"}
    assert is_issued_by(certificate(out, "G01-sign"), certificate(out, "ca"))
    assert len(re.findall(b'"sha256"', contents(out)["index.json"])) == 11


def test_losing_the_index_does_not_undo_a_revocation(out: Path, topology: Topology) -> None:
    old = certificate(out, "G01-sign")
    revoke(out / "index.json", old, NOW)
    assert generate(out, topology, NOW).renewed == []  # a revoked certificate stays as it is
    (out / "index.json").unlink()
    generate(out, topology, NOW)
    assert old not in CertificateIndex(out / "index.json")
    assert certificate(out, "G01-sign") in CertificateIndex(out / "index.json")


def test_a_damaged_index_stops_everything_fail(out: Path, topology: Topology) -> None:
    (out / "index.json").write_bytes(b"{}")
    before = contents(out)
    with pytest.raises(MalformedMessage):
        generate(out, topology, NOW)
    assert contents(out) == before


def test_nothing_outlives_the_ca(out: Path, topology: Topology) -> None:
    ends = certificate(out, "ca").not_valid_after_utc
    generate(out, topology, NOW + timedelta(days=365 * 9))
    assert certificate(out, "G01-sign").not_valid_after_utc == ends


def test_kinds_of_keys(tmp_path: Path, topology: Topology) -> None:
    one = topology.model_copy(update={"members": topology.members[:1], "information_systems": {}, "key": "ec-p384"})
    generate(tmp_path / "p384", one, NOW)
    key = certificate(tmp_path / "p384", "G01-sign").public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.key_size == 384


@pytest.mark.slow
def test_rsa(tmp_path: Path, topology: Topology) -> None:
    one = topology.model_copy(update={"members": topology.members[:1], "information_systems": {}, "key": "rsa-2048"})
    generate(tmp_path, one, NOW)
    key = certificate(tmp_path, "G01-ss1-auth").public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 2048


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--out", str(tmp_path / "out"), "--topology", str(TOPOLOGY)]
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith(f"made in {tmp_path / 'out'}: ca, ocsp, tsa, registry, G01-sign,")
    assert main(arguments) == 0
    assert capsys.readouterr().out == "kept: 41\n"


def test_command_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.yaml").write_text("instance: VN\nmember: []\n")
    assert main(["--out", str(tmp_path / "out"), "--topology", str(tmp_path / "t.yaml")]) == 1
    assert "t.yaml:2:" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("")
    assert main(["--out", str(tmp_path / "file" / "out"), "--topology", str(TOPOLOGY)]) == 1
    assert "file" in capsys.readouterr().err


def test_topology_fail(tmp_path: Path) -> None:
    text = TOPOLOGY.read_text()
    nowhere = text.replace(", hosted_by: ss1}", "}")
    for wrong in (text + "extra: 1\n", text.replace("GOV/G01", "G01"), text.replace("ec-p256 ", "ed25519 "), nowhere):
        (tmp_path / "t.yaml").write_text(wrong)
        with pytest.raises(SettingsError):
            load_topology(tmp_path / "t.yaml")


def test_the_policy_names_every_year_and_witness(out: Path, topology: Topology) -> None:
    policy = parse_policy((out / "log-policy.txt").read_bytes())
    origins = [log.key.name for log in policy.logs]
    assert origins == [f"tlog.vn.example/access/{year}" for year in (2026, 2026, 2027, 2027)]
    assert [log.url for log in policy.logs][::2] == [f"http://127.0.10.105:8610/{year}" for year in (2026, 2027)]
    assert [(w.name, w.key.kind) for w in policy.witnesses] == [
        ("a05", KeyKind.ED25519_COSIGNATURE),
        ("ktnn", KeyKind.ML_DSA_44_COSIGNATURE),
    ]
    assert policy.satisfied(["a05", "ktnn"])
    assert not policy.satisfied(["a05"])
    generate(out, topology, NOW + timedelta(days=300))  # the year after: former years stay known
    later = parse_policy((out / "log-policy.txt").read_bytes())
    assert policy.logs == later.logs[:4]
    assert len(later.logs) == 6


def test_a_damaged_key_of_the_log_is_not_made_anew_fail(out: Path, topology: Topology) -> None:
    (out / "log-2026-ed25519.key").write_bytes(b"x")
    with pytest.raises(KeyTokenError, match="log-2026-ed25519"):
        generate(out, topology, NOW)
    assert (out / "log-2026-ed25519.key").read_bytes() == b"x"


def test_the_key_of_a_message_log_is_never_made_anew(out: Path, topology: Topology) -> None:
    path = out / "G01-ss1-log.keys"
    ring = parse_keyring(path.read_text())
    assert ring.first.id.startswith("2026-11-24-")
    path.write_text("what an operator put here\n")
    generate(out, topology, NOW + timedelta(days=3000))
    assert path.read_text() == "what an operator put here\n"
    path.unlink()
    assert "G01-ss1-log" in generate(out, topology, NOW).made
    assert parse_keyring(path.read_text()).first.id != ring.first.id
