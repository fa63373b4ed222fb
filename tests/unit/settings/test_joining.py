"""The example of config/README.md for joining an instance that is not ours is a good settings file."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.settings.server import load_server

README = Path(__file__).resolve().parents[3] / "config" / "README.md"


def test_the_example_is_well_configured(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    path = tmp_path / "server.yaml"
    path.write_text(example, "utf-8")
    settings = load_server(path, files=False)
    assert str(settings.server) == "DEV/COM/4321/SS1"
    assert settings.peers.tls == "interop"
    assert len(settings.keys.signing) == 2
