"""`make simulate` in small: the same course on both roads, the same kills, the same comparison with the plan."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.architecture.source import ROOT
from tests.simulation.checks import Row
from tests.simulation.killing import Killer
from tests.simulation.progress import verdict

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_COURSE = ("--dossiers", "60", "--road", "15", "--facilities", "24", "--seed", "5", "--kill-every", "5")


def test_a_small_course_is_as_planned() -> None:
    command = (sys.executable, "-m", "tests.simulation", *_COURSE)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=560, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^[34][0-9] numbers, all as planned$", done.stdout, re.MULTILINE), done.stdout
    killed = dict(
        re.findall(r"(?m)(\w[\w ]*?) ([0-9]+)(?:,|$)", done.stdout.rpartition("killed (SIGKILL)")[2].partition(": ")[2])
    )
    assert {"postgresql", "server G22", "server G15", "bulk agencies", "road coordinator"} <= killed.keys(), done.stdout


def test_a_number_that_does_not_hold_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    killer = Killer({"x": lambda: True}, 1.0, 1)
    assert verdict([Row("dossiers", 20_000, 20_000)], killer, 1.0)
    assert not verdict([Row("dossiers", 20_000, 20_000), Row("legs lost", 0, 1)], killer, 1.0)
    assert re.search(r"legs lost +0 +1  DIFFERS", out := capsys.readouterr().out), out
    assert out.endswith("1 of 2 numbers differ\n")
