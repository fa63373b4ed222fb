"""A successor for every key that ends soon, once, however often a timer asks; what was not finished is finished."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.app import listeners
from gateway.app.keyring.files import keys_in
from gateway.app.listeners import clock
from gateway.core.errors import SettingsError
from tests.unit.app.keyring.conftest import Office


def renew(office: Office, *more: str) -> Any:
    return office.run("renew", "--config", str(office.config), "--folder", str(office.new), *more)


def test_nothing_ends_soon(office: Office) -> None:
    assert renew(office).output == ""
    assert not office.new.exists()


def test_with_our_own_authority(office: Office) -> None:
    arguments = ("--within", "800d", "--authority", str(office.trust), "--years", "3")
    first = renew(office, *arguments)
    assert first.exit_code == 0
    made = {key.record.use: key for key in keys_in(office.new)}
    assert set(made) == {"sign", "auth", "tls"}
    assert made["sign"].certificate is not None
    assert made["auth"].certificate is not None
    assert made["tls"].certificate is None
    assert f"{made['tls'].place.with_suffix('.csr')}: to be sent" in first.output
    for use in ("sign", "auth"):
        assert str(made[use].place) in first.output
    again = renew(office, *arguments)
    assert again.output == first.output
    assert len(list(keys_in(office.new))) == 3


def test_requests_wait_for_somebody_elses_authority_and_are_finished_later(office: Office) -> None:
    assert renew(office, "--within", "800d").output.count("to be sent") == 3
    requests = {key.record.use: key.request for key in keys_in(office.new)}
    renew(office, "--within", "800d", "--authority", str(office.trust), "--years", "3")
    made = {key.record.use: key for key in keys_in(office.new)}
    assert {use: key.request for use, key in made.items()} == requests
    assert made["sign"].certificate is not None


def test_a_successor_in_the_settings_ends_the_matter(office: Office) -> None:
    arguments = ("--within", "800d", "--authority", str(office.trust), "--years", "3")
    line = next(t for t in renew(office, *arguments).output.splitlines() if t.startswith("  - ") and "-sign-" in t)
    office.edit("G01-ss1", lambda s: s["keys"].update(signing=["NEW", s["keys"]["signing"]]))
    office.config.write_text(office.config.read_text().replace("- NEW", line.strip()))
    due = office.run("due", "--config", str(office.config), "--within", "800d").output
    assert "sign" not in {text[:4] for text in due.splitlines()}


def test_two_keys_of_one_holder_that_end_soon_get_one_successor(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sign_line(text: str) -> str:
        (line,) = (t.strip() for t in text.splitlines() if t.startswith("  - ") and "-sign-" in t)
        return line

    short = renew(office, "--within", "800d", "--authority", str(office.trust), "--years", "1").output
    office.edit("G01-ss1", lambda s: s["keys"].update(signing=["NEW", s["keys"]["signing"]]))
    office.config.write_text(office.config.read_text().replace("- NEW", sign_line(short)))
    monkeypatch.setattr(
        listeners, "clock", lambda: clock() + timedelta(seconds=2)
    )  # names have the second they were made in
    long = renew(office, "--within", "800d", "--authority", str(office.trust), "--years", "3").output
    assert sign_line(long) != sign_line(short)
    assert len([key for key in keys_in(office.new) if key.record.use == "sign"]) == 2


def test_a_time_that_is_none(office: Office) -> None:
    for within in ("30", "d", "30 d", "-1d", "30m"):
        with pytest.raises(SettingsError, match="--within"):
            renew(office, "--within", within)
