"""A server file that is right, to break in one place."""

from pathlib import Path

import pytest

from gateway.core.errors import SettingsError
from gateway.settings.server import ServerSettings, load_server

SERVER = """\
server: VN/GOV/G01/ss1
global_configuration: {anchor: "http://127.0.10.100:8600/anchor.xml"}
database: {embedded: var/postgres, name: g01}
keys:
  signing: {token: "file:sign.p12", pin: "file:sign.pin"}
  authentication: {key: "file:auth.key", certificate: auth.pem}
listen: {clients_http: 127.0.10.1:8080, servers: 127.0.10.1:5500}
transparency: off
clients:
  - id: GOV/G01/dancu
    information_systems: {authentication: https}
    local_groups: {staff: [GOV/G15/hotich]}
    services:
      - code: person
        url: http://127.0.10.1:9000
        timeout: 10s
        endpoints: ["GET /v1/persons/*", "POST /v1/verify"]
        rights:
          - {to: GOV/G22/dvc, allow: ["GET /v1/persons/*"]}
          - {to: local:staff}
"""


def changed(old: str, new: str) -> str:
    assert SERVER.count(old) == 1, old
    return SERVER.replace(old, new)


def server_from(folder: Path, text: str, *, files: bool = False) -> ServerSettings:
    path = folder / "server.yaml"
    path.write_text(text, encoding="utf-8")
    return load_server(path, files=files)


def problems_of(folder: Path, text: str | bytes, *, files: bool = False) -> list[str]:
    """The problems, without the folder's name."""
    path = folder / "server.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError) as e:
        load_server(path, files=files)
    return [p.replace(f"{folder}/", "") for p in e.value.problems]
