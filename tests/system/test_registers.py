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
