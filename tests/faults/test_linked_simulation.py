"""`make simulate` in small: the same course, the same kills, the same comparison with the plan."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.architecture.source import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_small_course_is_as_planned() -> None:
    command = (sys.executable, "-m", "tests.simulation", "--dossiers", "80", "--kill-every", "4")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"stuck list = lost set: 15 of 80", done.stdout), done.stdout
    assert re.search(r"[1-9][0-9]* kills +all finished", done.stdout), done.stdout
