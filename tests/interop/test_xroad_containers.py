"""Containers that X-Road made or accepted: ours gives the documented result for every one of them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from gateway.app.verify.containers import verify_containers
from gateway.core.errors import MalformedMessage
from gateway.core.messagelog.container import read_container
from tests.interop.test_xroad_signatures import LIVE, XROAD

pytestmark = pytest.mark.interop

ASIC = XROAD / "asic"
_RESULTS = {
    "valid-signed-message": None,
    "valid-signed-hashchain": None,
    "valid-batch-ts": None,
    "valid-non-batch-soap-attachments": None,
    "invalid-not-signed-hashchain": None,  # by design: X-Road ignores a chain that is not signed
    "invalid-digest": "invalid_signature_value",
    "invalid-signed-hashchain": "malformed_signature.invalid_hash_chain_ref",
    "invalid-incorrect-references": "malformed_signature",
    "invalid-ts-hashchainresult": "malformed_signature",
    "attachments": "asic_message_not_found",  # the legacy layout, which X-Road's reader does not take either
}
_LIVE = [
    (LIVE / "asic", LIVE / "asic/verificationconf"),
    (LIVE / "accepted/asic", LIVE / "accepted/asic/verificationconf"),
]


@pytest.fixture(autouse=True)
def _vectors() -> None:
    if not ASIC.is_dir():
        pytest.skip("the containers made by others are not here")


@pytest.mark.parametrize("name", _RESULTS)
def test_xroads_own_containers(name: str) -> None:
    (verdict,) = verify_containers([ASIC / f"{name}.asice"], ASIC / "globalconf_good2_v3")
    assert verdict.facts["code"] == _RESULTS[name]
    assert verdict.ok == (_RESULTS[name] is None)


def test_the_table_is_complete() -> None:
    assert {path.stem for path in ASIC.glob("*.asice")} == _RESULTS.keys()


@pytest.mark.parametrize(
    ("path", "conf"),
    [(path, conf) for folder, conf in _LIVE for path in sorted(folder.glob("*.asice"))],
    ids=lambda path: path.name,
)
def test_containers_that_xroads_verifier_accepts(path: Path, conf: Path) -> None:
    (verdict,) = verify_containers([path], conf)
    assert [step.what for step in verdict.steps if not step.ok] == []
    assert verdict.ok


def test_the_live_containers_are_here() -> None:
    assert [len(list(folder.glob("*.asice"))) for folder, _ in _LIVE] == [4, 15]


def test_an_attachment_that_was_altered() -> None:
    """Stricter: X-Road's verifier calls it successful, with the attachment "(unverified)"."""
    path = LIVE / "accepted/must-refuse/container-attachment-altered.asice"
    (verdict,) = verify_containers([path], _LIVE[1][1])
    assert verdict.facts["code"] == "malformed_signature.invalid_hash_chain"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("no-mimetype", "asic_mime_type_not_found"),
        ("no-message", "asic_message_not_found"),
        ("no-signature", "asic_signature_not_found"),
        ("not-asic", "asic_mime_type_not_found"),
    ],
)
def test_what_is_no_container(name: str, code: str) -> None:
    with pytest.raises(MalformedMessage) as e:
        read_container(io.BytesIO((ASIC / f"container-format/{name}.asice").read_bytes()))
    assert e.value.code == code


@pytest.mark.parametrize(
    ("name", "attachments"), [("valid-signed-message", 0), ("valid-signed-message-with-attachments", 2)]
)
def test_the_layout_of_containers(name: str, attachments: int) -> None:
    read = read_container(io.BytesIO((ASIC / f"container-format/{name}.asice").read_bytes()))
    assert len(read.attachments) == attachments


@pytest.mark.parametrize("path", sorted((ASIC).glob("valid-*.asice")), ids=lambda path: path.name)
def test_every_changed_part_is_refused(path: Path, tmp_path: Path) -> None:
    """One bit in each file that means something; the manifests mean nothing, and are not looked at."""
    with zipfile.ZipFile(path) as original:
        files = {i.filename: original.read(i) for i in original.infolist() if not i.is_dir()}
    for name in files.keys() - {"META-INF/manifest.xml", "META-INF/ASiCManifest.xml", "META-INF/timestamp.tst"}:
        content = bytearray(files[name])
        at = content.find(
            b"<ds:SignatureValue"
        )  # elsewhere it could be in what nobody signed, as a token's certificates
        content[at + 60 if at >= 0 else len(content) // 2] ^= 1
        changed = tmp_path / "changed.asice"
        with zipfile.ZipFile(changed, "w") as out:
            for other, data in files.items():
                out.writestr(other, bytes(content) if other == name else data)
        (verdict,) = verify_containers([changed], ASIC / "globalconf_good2_v3")
        assert not verdict.ok, name
