"""The registers of `make run` as their READMEs call them: through the portal's security server, each line as it stands there."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.country import new_network
from tests.support.demo import Demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    running = Demo(folder, new_network())
    try:
        running.start(patience=240)
        yield running
    finally:
        running.clean_up()
        shutil.rmtree(folder, ignore_errors=True)


def commands(demo: Demo, name: str) -> list[str]:
    text = (demo.folder / f"adapters/{name}/README.md").read_text("utf-8")
    return re.findall(r"(?m)^(?:curl|\.venv/bin/python) .*$", text)


@pytest.mark.parametrize("name", ["dancu", "bhxh", "hotich", "dvc"])
def test_the_lines_of_the_readme(demo: Demo, name: str) -> None:
    """Each is answered; an effect, sent again with its key, answers the same."""
    for command in commands(demo, name):
        first = demo.shell(command.replace("curl -s", "curl -s --fail"))
        assert first.returncode == 0, command
        if "Idempotency-Key" in command:
            assert demo.shell(command).stdout == first.stdout
        if command.startswith("curl") and ">" not in command:
            assert "type" not in json.loads(first.stdout)


def test_the_agencies_know_their_security_server_and_nobody_else(demo: Demo) -> None:
    """Mutual TLS both ways: an adapter speaks no plain HTTP, lets no stranger in, and nobody else calls in its name."""
    adapters = yaml.safe_load((demo.folder / "config/demo.yaml").read_text("utf-8"))["adapters"]
    listening = [a["listen"] for a in adapters if a["name"] != "vneid"] + [
        f"{demo.network}.{n}:9001" for n in (1, 2, 3)
    ]
    assert len(listening) == 9
    own = "--cert certs/out/dvc-is.pem --key certs/out/dvc-is.key"
    for address in listening:
        for how in (f"http://{address}", f"--insecure https://{address}", f"--insecure {own} https://{address}"):
            tried = demo.shell(f"curl --silent --show-error --max-time 20 {how}/health")
            assert tried.returncode not in (0, 7, 28), (how, tried.stdout)  # it is there, and it does not answer
    path = "/r1/VN/GOV/G22/dvc/portal/v1/procedures -H 'X-Road-Client: VN/GOV/G22/lienthong'"
    known = "--cacert certs/out/G22-ss1-tls.pem"
    for how in ("http://{}:8080", f"{known} https://{{}}:8443", f"{known} {own} https://{{}}:8443"):
        answer = json.loads(demo.shell(f"curl -s {how.format(demo.network + '.4')}{path}").stdout)
        assert answer["type"].startswith("client.clientproxy.") or "ssl" in answer["type"].lower(), answer
