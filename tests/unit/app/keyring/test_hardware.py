"""A signing key made on a PKCS#11 token (SoftHSM): requested, imported, listed, and followed by another one on the same token."""

from __future__ import annotations

import json

import pytest

from gateway.app.keyring.files import keys_in
from tests.support.softhsm import PIN, softhsm
from tests.unit.app.keyring.conftest import Office

pytestmark = pytest.mark.interop


def test_from_request_to_successor(office: Office) -> None:
    hsm, pin = softhsm(), office.folder / "hsm.pin"
    pin.write_text(PIN)
    common = ("--config", str(office.config), "--folder", str(office.new))
    made = office.run("request", *common, "--for", "sign", "--token", hsm.uri("G01-new"), "--pin", f"file:{pin}")
    assert made.exit_code == 0
    assert sorted(p.suffix for p in office.new.iterdir()) == [".csr", ".yaml"]

    certificate = office.issue(next(office.new.glob("*.csr")))
    said = office.run("import", str(certificate), *common).output
    line = next(line.strip() for line in said.splitlines() if line.startswith("  - "))
    office.edit("G01-ss1", lambda s: s["keys"].update(signing=["NEW"]))
    office.config.write_text(office.config.read_text().replace("- NEW", line))
    listed = json.loads(office.run("list", "--json", "--config", str(office.config)).output)
    (sign,) = (key for key in listed if key["use"] == "sign")
    assert sign["holder"] == "VN/GOV/G01"

    renewed = office.run("renew", *common, "--within", "400d", "--authority", str(office.trust), "--years", "3")
    assert renewed.exit_code == 0
    keys = {key.record.key.reference: key for key in keys_in(office.new) if key.record.use == "sign"}
    assert len(keys) == 2
    assert all(reference.startswith("pkcs11:") and key.certificate for reference, key in keys.items())
