"""Schemathesis calls each adapter through the consumer's and the provider's security servers of `make run`, with what it makes up
from the adapter's own OpenAPI document. It finds no 5xx and no answer that the document does not describe.

What a security server refuses by itself (a number that is none, a body in which nobody stands) is told by X-Road's fault, not by
the adapter: such answers must be refusals of the call, and some good calls of every operation must get past them.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from adapters.people.dice import Dice
from adapters.people.example import PERSONS
from adapters.people.generator import generate
from adapters.sdk.manifest import EndpointManifest, load_manifest
from adapters.yte.emit import Hospital, message
from adapters.yte.invent import invent_birth
from tests.architecture.source import ROOT
from tests.support.country import new_network
from tests.support.demo import Demo

pytestmark = [pytest.mark.slow, pytest.mark.interop, pytest.mark.timeout(400)]

PORTAL, REGISTER = "GOV/G22/dvc", "GOV/G15/hotich"


@dataclass(frozen=True, slots=True)
class Place:
    """`code`: whose security server has the adapter; `client`: who calls, through another one at the end of `address`."""

    code: str
    client: str
    address: int

    def tls(self, keys: Path) -> Mapping[str, Any]:
        """For the caller's own security server: the one it knows, and the certificate it is known by."""
        system, server = (self.client.split("/")[n] for n in (2, 1))
        own = (str(keys / f"{system}-is.pem"), str(keys / f"{system}-is.key"))
        return {"verify": str(keys / f"{server}-ss1-tls.pem"), "cert": own}


ADAPTERS = {
    "dancu": Place("G01", PORTAL, 4),
    "bhxh": Place("G12", PORTAL, 4),
    "hotich": Place("G15", PORTAL, 4),
    "yte": Place("G22", REGISTER, 3),
    "lienthong": Place("G22", REGISTER, 3),
    "dvc": Place("G22", REGISTER, 3),
}
EXAMPLES = 8
_PEOPLE = generate(400).persons
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
# With these a security server refuses what its contract or rights do not cover, what cannot travel (a path with controls), and
# documents and reasons that are not what the contract demands.
REFUSALS = (
    "server.serverproxy.access_denied", "server.serverproxy.invalid_request", "server.clientproxy.bad_request",
    "server.serverproxy.invalid_document.", "server.serverproxy.invalid_return_reason.",
)  # fmt: skip


def _open_to_the_judge(demo: Demo) -> None:
    """The judge's client may call everything, for every purpose of the contract; in the demonstration it may not."""
    for name, place in ADAPTERS.items():
        path = demo.folder / f"config/servers/{place.code}.yaml"
        text = path.read_text("utf-8")
        document = f"adapters/{name}/openapi.yaml"
        assert document in text
        before, _, after = text.partition(document)
        head, _, tail = after.partition("        rights:\n")
        path.write_text(f"{before}{document}{head}        rights:\n          - {{to: {place.client}}}\n{tail}", "utf-8")


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    running = Demo(folder, new_network())
    try:
        _open_to_the_judge(running)
        running.start(patience=240)
        yield running
    finally:
        running.clean_up()
        shutil.rmtree(folder, ignore_errors=True)


def _bases() -> Mapping[str, str]:
    purposes = yaml.safe_load((ROOT / "config/codes/vn.yaml").read_text("utf-8"))["purposes"]
    return {code: purpose["legal_bases"][0] for code, purpose in purposes.items()}


def _stated(client: str, endpoint: EndpointManifest) -> dict[str, str]:
    """As a client states client, purpose and legal basis."""
    headers = {"X-Road-Client": f"VN/{client}"}
    if endpoint.purposes:
        headers |= {"Purpose-Code": endpoint.purposes[0], "Legal-Basis": _bases()[endpoint.purposes[0]]}
    return headers


def _signed_notice(keys: Path) -> Any:
    """A call of the hospitals' service that gets past the gate, which no tool can make up: a facility signs it."""
    now = datetime.now(UTC)
    notice = invent_birth(_PEOPLE, "99901", now, Dice(secrets.randbits(32)))
    return json.loads(message(Hospital("99901", keys, "99902").written(notice, now)))


def _about_somebody(node: Any) -> Any:
    """Numbers that nobody has are refused early; with those of the example family calls reach what matters."""
    numbers = [person.id for person in PERSONS]
    match node:
        case dict():
            return {name: _about_somebody(child) for name, child in node.items()}
        case list():
            return [_about_somebody(child) for child in node]
        case str() if len(node) == 12 and node.isascii() and node.isdigit():
            return numbers[int(node) % len(numbers)]
        case _:
            return node


@dataclass
class Judge:
    """`tls`: files with which it calls. `answered`: by operation, how many answers were held against the document."""

    base: str
    tls: Mapping[str, Any]
    mode: GenerationMode
    signed: Callable[[], Any]
    answered: Counter[str] = field(default_factory=Counter)

    def hear(self, operation: Any, headers: Mapping[str, str]) -> None:
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(self.mode))
        def every(case: Any) -> None:
            self._one(operation.label, case, headers)

        every()

    def _one(self, label: str, case: Any, headers: Mapping[str, str]) -> None:
        if self.mode is GenerationMode.POSITIVE:
            case.body, case.path_parameters = _about_somebody(case.body), _about_somebody(case.path_parameters)
            if label == "POST /v1/notices":
                case.body = self.signed()
        response = case.call(base_url=self.base, headers=headers, **self.tls)
        error = response.headers.get("x-road-error")
        if error is not None:
            assert error[0].startswith(REFUSALS), (label, error[0], response.text)
            return
        self.answered[label] += 1
        case.validate_response(response, checks=CHECKS)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good calls", "bad calls"])
@pytest.mark.parametrize("name", ADAPTERS)
def test_answers_are_as_documented(demo: Demo, name: str, mode: GenerationMode) -> None:
    place = ADAPTERS[name]
    manifest = load_manifest(ROOT / "adapters" / name)
    document = schemathesis.openapi.from_path(ROOT / "adapters" / name / "openapi.yaml")
    base = f"https://{demo.network}.{place.address}:8443/r1/{manifest.service}"
    keys = demo.folder / "certs/out"
    judge = Judge(base, place.tls(keys), mode, partial(_signed_notice, keys))
    for found in document.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]  # an error has no such thing, and the test fails
        if mode is GenerationMode.NEGATIVE and not (operation.body or list(operation.iter_parameters())):
            continue  # nothing in such a call can be bad
        judge.hear(operation, _stated(place.client, manifest.endpoints[operation.label]))
    assert judge.answered.total() > 0
    assert mode is GenerationMode.NEGATIVE or set(judge.answered) == set(manifest.endpoints)
