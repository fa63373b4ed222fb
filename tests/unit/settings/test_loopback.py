"""Ports that only this machine may see: `gateway check` says so, not only the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.errors import SettingsError
from gateway.settings.citizen import load_citizen
from gateway.settings.log import load_log, load_witness
from gateway.settings.server import load_server

ROOT = Path(__file__).resolve().parents[3]
CASES = (
    (load_server, "servers/G12.yaml", "admin: 127.0.0.1:9102", "admin: 0.0.0.0:9102", "listen.admin"),
    (load_server, "servers/G12.yaml", "admin: 127.0.0.1:9102", "admin: monitor.example:9102", "listen.admin"),
    (load_witness, "witnesses/a05.yaml", "admin: 127.0.0.1:", "admin: 10.1.2.3:", "admin"),
    (load_log, "transparency.yaml", "admin: 127.0.0.1:", "admin: 10.1.2.3:", "listen.admin"),
    (
        load_server,
        "servers/G12.yaml",
        "log: https://127.0.10.105:8611, certificates: [certs/out/log-tls.pem]",
        "log: http://log.example:8611",
        "transparency.log",
    ),
    (load_citizen, "citizen.yaml", "admin: 127.0.0.1:", "admin: 10.1.2.3:", "admin"),
    (load_citizen, "citizen.yaml", "listen: 127.0.0.1:", "listen: 10.1.2.3:", "listen"),
    (load_citizen, "citizen.yaml", "issuer: http://127.0.10.120:8640", "issuer: http://id.example", "login.issuer"),
)


@pytest.mark.parametrize(("load", "file", "right", "wrong", "place"), CASES, ids=[f"{c[1]} {c[3]}" for c in CASES])
def test_a_port_that_others_can_reach(
    tmp_path: Path, load: type[object], file: str, right: str, wrong: str, place: str
) -> None:
    text = (ROOT / "config" / file).read_text("utf-8")
    assert text.count(right) == 1
    changed = tmp_path / "changed.yaml"
    changed.write_text(text.replace(right, wrong), "utf-8")
    with pytest.raises(SettingsError) as refused:
        load(changed, files=False)  # type: ignore[call-arg]
    (problem,) = refused.value.problems
    assert f": {place}: " in problem
    assert "is not on loopback" in problem
