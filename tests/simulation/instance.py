"""Four real security servers in processes of their own, on a loopback network of their own: the road of some of the dossiers.

The coordinator's, and one of each agency; the gate for notices of facilities stands before the civil-status register. Every message
is a signed exchange that both servers log.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.storage.embedded import EmbeddedPostgres
from tests.architecture.source import ROOT
from tests.simulation.parties import COORDINATOR, LEGS, PORTAL
from tests.support.country import CLIENT_PORT, Country, Server
from tests.support.documents import Documents

GATE = "VN/GOV/G15/hotich/notices"
HOSPITALS = "VN/GOV/G22/coso"
SERVERS = ("G22", "G15", "G01", "G12")
_PORTS = {COORDINATOR: 9000, **dict.fromkeys(LEGS, 9001), GATE: 9002}
CONTRACT: dict[str, Any] = {
    "service": GATE,
    "codes": str(ROOT / "config" / "codes" / "vn.yaml"),
    "endpoints": [
        {
            "match": "POST /v1/notices",
            "action": {"vi": "Gửi giấy chứng sinh", "en": "A notice is sent"},
            "subjects": "none",
            "document": {
                "at": "request",
                "pointer": "/document",
                "facility": {
                    "xpath": "/n:notice/n:facility/@code",
                    "namespaces": {"n": "urn:example:notice"},
                    "pattern": "[0-9]{5}",
                    "certificate": "serial_number",
                },
            },
        }
    ],
}


class Instance:
    """`facilities`: whose authority the gate trusts."""

    def __init__(self, folder: Path, facilities: Documents) -> None:
        self._folder = folder
        self._facilities = facilities
        clients = {"G22": ["lienthong", "dvc", "coso"], "G15": ["hotich"], "G01": ["dancu"], "G12": ["bhxh"]}
        servers = [
            Server(member, found, systems={client: {"authentication": "http"} for client in found})
            for member, found in clients.items()
        ]
        self.country = Country(folder, servers, fast=False)
        self._offer(COORDINATOR, "dossiers", *LEGS, PORTAL)
        for client in LEGS:
            self._offer(client, "legs", COORDINATOR)
        documents = {"policy": "warn", "trust": [str(folder / "facilities-ca.pem")]}
        gate = {"contract": str(folder / "notices.yaml"), "endpoints": ["POST /v1/notices"], "documents": documents}
        self._offer(GATE, "notices", HOSPITALS, **gate)

    def road(self, client: str) -> str:
        """The client proxy that a client calls."""
        return f"http://{self._host(client)}:{CLIENT_PORT}"

    def listens(self, party: str) -> str:
        """Where the service of a party listens: beside its security server."""
        return f"{self._host(party)}:{_PORTS[party]}"

    @asynccontextmanager
    async def running(self, postgres: EmbeddedPostgres) -> AsyncIterator[Country]:
        """`postgres`: runs already, in the folder `pg`; killed and started again by whoever started it."""
        assert postgres.directory == (self._folder / "pg").resolve()
        authority = self._facilities.pki.ca.certificate
        (self._folder / "facilities-ca.pem").write_bytes(authority.public_bytes(Encoding.PEM))
        (self._folder / "notices.yaml").write_text(yaml.safe_dump(CONTRACT, allow_unicode=True), "utf-8")
        async with self.country:
            self.configs.mkdir()
            for name in self.country.servers:
                (self.configs / f"{name}.yaml").write_bytes((self._folder / f"{name}.yaml").read_bytes())
            yield self.country

    @property
    def configs(self) -> Path:
        """The folder with the servers' settings, for the command line."""
        return self._folder / "servers"

    def _host(self, party: str) -> str:
        return self.country.address[f"{party.split('/')[2]}-ss1"]

    def _offer(self, party: str, code: str, *to: str, **more: Any) -> None:
        _, _, member, subsystem = party.split("/")[:4]
        rights = [{"to": client.removeprefix("VN/")} for client in to]
        service = {"code": code, "url": f"http://{self.listens(party)}", "timeout": "20s", "rights": rights, **more}
        self.country.servers[f"{member}-ss1"].services.setdefault(subsystem, []).append(service)
