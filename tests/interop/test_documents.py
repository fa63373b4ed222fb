"""Business documents with signatures: xmlsec1 and signxml agree with the gate on what is good and what is bad.

What only policy refuses (`crypto`), xmlsec1 takes: a signature that covers another element than the one delivered, a weak digest,
a time that cannot be. That it does is asserted too, so that each such case is known to test the policy.
"""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree
from signxml.verifier import SignatureConfiguration, XMLVerifier

from adapters.people.dice import Dice
from adapters.people.generator import generate
from adapters.yte.emit import Hospital
from adapters.yte.invent import invent_birth
from certs.generate import generate as make_certs
from certs.generate import load_topology
from tests.architecture.source import ROOT
from tests.support.documents import BAD, Bad, Documents, notice, parser

pytestmark = pytest.mark.interop
_IDS = ("--id-attr:Id", "notice", "--id-attr:Id", "part", "--id-attr:Id", "SignatureProperties")


@pytest.fixture(scope="module")
def world() -> Documents:
    return Documents()


def xmlsec1_says(world: Documents, document: bytes, folder: Path) -> bool:
    (folder / "ca.pem").write_bytes(world.pki.ca.pem)
    (folder / "document.xml").write_bytes(document)
    at = ("--verification-gmt-time", f"{world.now:%Y-%m-%d %H:%M:%S}")
    command = ["xmlsec1", "--verify", "--trusted-pem", "ca.pem", *at, *_IDS, "document.xml"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="xmlsec1 is not installed")
@pytest.mark.parametrize("exclusive", [True, False], ids=["exclusive", "inclusive"])
@pytest.mark.parametrize("uri", ["", "#n1"])
@pytest.mark.parametrize("key", ["ec", "rsa"])
def test_xmlsec1_on_good(world: Documents, tmp_path: Path, key: str, uri: str, exclusive: bool) -> None:
    document = world.signed(by=world.issue(key=key), uri=uri, exclusive=exclusive)  # type: ignore[arg-type]
    assert xmlsec1_says(world, document, tmp_path)


@pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="xmlsec1 is not installed")
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_xmlsec1_on_bad(world: Documents, tmp_path: Path, bad: Bad) -> None:
    assert xmlsec1_says(world, bad.make(world), tmp_path) is bad.crypto


@pytest.mark.parametrize("key", ["ec", "rsa", "pss"])
@pytest.mark.parametrize("exclusive", [True, False], ids=["exclusive", "inclusive"])
def test_signxml_on_good(world: Documents, key: str, exclusive: bool) -> None:
    signer = world.issue(key=key)  # type: ignore[arg-type]
    plain = notice().replace(' xml:lang="vi"', "")  # signxml does not let SignedInfo inherit it; xmlsec1 above does
    document = etree.fromstring(world.signed(plain, by=signer, exclusive=exclusive), parser())
    verified = XMLVerifier().verify(
        document,
        x509_cert=signer.pem.decode(),
        id_attribute="Id",
        expect_config=SignatureConfiguration(expect_references=2, location=".//"),
    )
    assert isinstance(verified, list)
    assert [v.signed_xml.tag.rpartition("}")[2] for v in verified if v.signed_xml is not None] == [
        "notice",
        "SignatureProperties",
    ]


@pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="xmlsec1 is not installed")
@pytest.mark.parametrize("bad", [None, "altered", "other", "unsigned"])
def test_xmlsec1_on_what_a_hospital_sends(tmp_path: Path, bad: str | None) -> None:
    """The adapter's own signatures. `other` is right as cryptography: another facility's certificate, which only policy refuses."""
    topology = load_topology(ROOT / "certs" / "topology.yaml")
    now = datetime.now(UTC)
    make_certs(tmp_path / "out", topology.model_copy(update={"members": (), "transparency": None}), now)
    notice = invent_birth(generate(400).persons, "99901", now, Dice(1))
    (tmp_path / "notice.xml").write_bytes(Hospital("99901", tmp_path / "out", "99902", bad).written(notice, now))
    trusted = ("--trusted-pem", "out/facilities-ca.pem", "--id-attr:Id", "SignatureProperties")
    command = ["xmlsec1", "--verify", *trusted, "notice.xml"]
    judged = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert (judged.returncode == 0) is (bad in (None, "other")), judged.stderr
