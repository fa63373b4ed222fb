"""A registry's YAML with the key and certificate files that it names, in a folder of the test."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from tests.unit.core.globalconf.samples import certificate, key

YAML = """
instance: VN
member_classes:
  GOV: Cơ quan nhà nước
members:
  - id: GOV/G01
    name: Bộ Công an
    subsystems: {dancu: Cơ sở dữ liệu quốc gia về dân cư}
  - id: GOV/G12
    name: Bộ Tài chính
    aliases: [{id: GOV/G24, until: 2025-03-01, decision: "mergers of 2025"}]
    subsystems: {bhxh: Bảo hiểm}
security_servers:
  - {id: GOV/G01/ss1, address: 127.0.10.1, clients: [GOV/G01/dancu, GOV/G12/bhxh], auth_certs: [FOLDER/auth1.pem]}
  - {id: GOV/G12/ss1, address: 127.0.10.2, clients: [GOV/G12/bhxh], auth_certs: [FOLDER/auth2.pem], maintenance: "đến 10 giờ"}
groups:
  readers: {description: Được tra cứu, members: [GOV/G12/bhxh]}
trust:
  certification_authorities:
    - name: Demo CA
      certificate: FOLDER/ca.pem
      ocsp: http://ocsp.test/
      ocsp_certificate: FOLDER/ocsp.pem
      profile: ejbca
      intermediates: [{certificate: FOLDER/intermediate.pem}]
  time_stamping_authorities:
    - {name: Demo TSA, certificate: FOLDER/tsa.pem, url: "http://tsa.test/"}
  ocsp_freshness: 2h
publish:
  listen: 127.0.0.1:PORT
  valid_for: 10m
  refresh: 1m
  signing_key: file:FOLDER/registry.key
  certificate: FOLDER/registry.pem
"""


def write_registry(folder: Path, *, port: int = 8600, signer: str = "registry", pin: bytes | None = None) -> Path:
    """The path of the YAML file; edit it in place with `edit`."""
    for name in ("auth1", "auth2", "ca", "ocsp", "intermediate", "tsa"):
        (folder / f"{name}.pem").write_bytes(certificate(name).public_bytes(Encoding.PEM))
    (folder / "registry.pem").write_bytes(certificate(signer).public_bytes(Encoding.PEM))
    sealing = NoEncryption() if pin is None else BestAvailableEncryption(pin)
    (folder / "registry.key").write_bytes(key(signer).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealing))
    path = folder / "VN.yaml"
    path.write_text(YAML.replace("FOLDER", str(folder)).replace("PORT", str(port)), encoding="utf-8")
    return path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
