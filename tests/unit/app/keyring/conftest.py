"""A security server's settings, its keys and a global configuration in a directory; nothing runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from gateway.app.cli import cli
from gateway.app.keyring.requests import Wanted, request_key
from gateway.app.listeners import clock
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.globalconf.saved import load_saved
from gateway.core.globalconf.sharedparams import print_shared_parameters
from gateway.core.signing.requests import parse_request
from gateway.registry.builder import build_shared_parameters
from gateway.settings.registry import load_registry
from gateway.settings.server import ServerSettings, load_server
from gateway.settings.trust import load_trust
from gateway.trust.authority import Use
from gateway.trust.issuing import issue, load_authority
from tests.support.country import Country, Server


class Office:
    """G01's security server as its operator has it: `config`. `new`: the folder where new keys wait."""

    def __init__(self, folder: Path) -> None:
        self.config, self.trust, self.new = folder / "G01-ss1.yaml", folder / "trust.yaml", folder / "new"
        self.folder = folder
        self.publish()

    def edit(self, name: str, change: Any) -> None:
        path = self.folder / f"{name}.yaml"
        settings = yaml.safe_load(path.read_text())
        change(settings)
        path.write_text(yaml.safe_dump(settings, sort_keys=False))

    def publish(self) -> None:
        """The registry's settings as a configuration directory."""
        shared = print_shared_parameters(build_shared_parameters(load_registry(self.folder / "registry.yaml"), 6), 6)
        self.files = {"instance-identifier": b"VN", "VN/shared-params.xml": shared}
        self.files["VN/shared-params.xml.metadata"] = (
            b'{"contentIdentifier": "SHARED-PARAMETERS", "instanceIdentifier": "VN", "configurationVersion": "6"}'
        )
        for name, content in self.files.items():
            path = self.folder / "conf" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    @property
    def settings(self) -> ServerSettings:
        return load_server(self.config)

    @property
    def conf(self) -> GlobalConfiguration:
        return load_saved(self.files)

    def request(self, wanted: Wanted) -> Path:
        return request_key(self.settings, self.conf, wanted, self.new, clock())[0]

    def issue(self, request: Path, use: Use = Use.SIGN, *, years: float = 1) -> Path:
        """What the authority answers, as it comes by mail."""
        authority = load_authority(load_trust(self.trust))
        certificate = issue(authority, parse_request(request.read_bytes()), use, clock(), years=years)
        return self.mail(request.stem, certificate)

    def mail(self, name: str, *certificates: x509.Certificate) -> Path:
        path = self.folder / f"{name}.crt"
        path.write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in certificates))
        return path

    def run(self, *arguments: str) -> Any:
        return CliRunner().invoke(cli, ["keys", *arguments], catch_exceptions=False)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of an office: making keys takes longer than copying them."""
    folder = tmp_path_factory.mktemp("office")
    Country(folder, [Server("G01", ["dancu"]), Server("G22", ["dvc"])]).write()
    office = Office(folder)
    office.edit("G01-ss1", lambda s: s.update(global_configuration={"directory": str(folder / "conf")}))
    return folder


@pytest.fixture
def office(made_once: Path, tmp_path: Path) -> Office:
    folder = tmp_path / "office"
    shutil.copytree(made_once, folder)
    for path in folder.glob("*.yaml"):
        path.write_text(path.read_text().replace(str(made_once), str(folder)))
    return Office(folder)
