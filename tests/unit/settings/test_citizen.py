"""The portal's settings against each other."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.core.errors import SettingsError
from gateway.settings.citizen import CitizenSettings, load_citizen

_DEMO = (Path(__file__).resolve().parents[3] / "config/citizen.yaml").read_text("utf-8")


def _loaded(folder: Path, more: str) -> CitizenSettings:
    file = folder / "citizen.yaml"
    file.write_text(_DEMO + more, "utf-8")
    return load_citizen(file, files=False)


@pytest.mark.parametrize(("line", "hours"), [("", 24), ("max_delay: 36h\n", 36), ("max_delay: 7d\n", 168)])
def test_how_long_a_record_may_take_is_whole_hours(tmp_path: Path, line: str, hours: int) -> None:
    assert _loaded(tmp_path, line).max_delay == timedelta(hours=hours)


@pytest.mark.parametrize("delay", ["90m", "169h", "30d"])
def test_a_delay_that_browsers_do_not_follow_is_refused(tmp_path: Path, delay: str) -> None:
    with pytest.raises(SettingsError, match="max_delay"):
        _loaded(tmp_path, f"max_delay: {delay}\n")
