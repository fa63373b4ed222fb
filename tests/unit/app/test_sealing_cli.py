"""`python -m gateway sealing list|rewrap|destroy`: what it prints, its status, what it leaves in the database and in its log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from gateway.app import sealing
from gateway.app.cli import cli
from gateway.core.errors import EvidenceUnavailable, SettingsError
from gateway.storage.database import Database
from tests.support.log_states import NOW, access_entries, authorized_request, signed_request
from tests.support.sealing import NEW, OLD, key_source
from tests.unit.messagelog.test_sealing import writing
from tests.unit.settings.support import SERVER as SETTINGS

SERVER = "VN/GOV/G01/ss1"
CITIZEN = "999300000017"
Command: TypeAlias = Callable[..., Awaitable[tuple[int, str]]]


@pytest_asyncio.fixture
async def log(database: Database) -> Database:
    """Sealed under OLD: one record of G22, one of G01 with an access record, both of one day."""
    async with writing(database, key_source()) as writer:
        await writer.append_request(signed_request())
        await writer.append_authorized(authorized_request(entries=access_entries(CITIZEN)))
    return database


@dataclass
class Keys:
    """The operator's secret, in a file."""

    path: Path

    def hold(self, text: str) -> None:
        self.path.write_text(text)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    made = Keys(tmp_path / "log.keys")
    made.hold(OLD)
    return made


@pytest.fixture
def command(log: Database, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs the command on settings that name this database and these keys, four days later; (status, output)."""
    target = {name: quote(str(value), safe="") for name, value in log._target.items()}
    url = "postgresql://{user}:{password}@/{database}?host={host}&port={port}".format(**target)
    (tmp_path / "dsn").write_text(url)
    settings = SETTINGS.replace("database: {embedded: var/postgres, name: g01}", f"database: file:{tmp_path}/dsn")
    configs = tmp_path / "servers"
    configs.mkdir()
    (configs / "g01.yaml").write_text(f"{settings}evidence: {{seal_with: 'file:{keys.path}'}}\n")
    monkeypatch.setattr(sealing, "clock", lambda: NOW + timedelta(days=4))
    monkeypatch.setattr("getpass.getuser", lambda: "an.operator")

    async def run(verb: str, *options: str, answer: str = "") -> tuple[int, str]:
        arguments = ["sealing", verb, "--server", SERVER, "--configs", str(configs), *options]
        done = await asyncio.to_thread(CliRunner().invoke, cli, arguments, input=answer)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.output

    return run


async def keks(log: Database) -> list[tuple[str, str, bool]]:
    rows = await log.pool.fetch("SELECT member, kek, wrapped IS NULL AS gone FROM data_key ORDER BY member")
    return [tuple(row) for row in rows]


async def test_list(command: Command) -> None:
    status, text = await command("list")
    assert (status, text.splitlines()) == (
        0,
        [
            "  2026-11-24  VN/GOV/G01  under 'old'  1 record(s), 1 in no archive, 1 access record(s)",
            "  2026-11-24  VN/GOV/G22  under 'old'  1 record(s), 1 in no archive, 0 access record(s)",
            "2 data key(s) in use",
        ],
    )


async def test_rewrap(command: Command, log: Database, keys: Keys) -> None:
    keys.hold(f"{NEW}\n{OLD}\n")
    status, text = await command("rewrap")
    assert status == 0
    assert "2 data key(s) wrapped anew: all are under 'new' now" in text
    assert await keks(log) == [("VN/GOV/G01", "new", False), ("VN/GOV/G22", "new", False)]
    assert "0 data key(s) wrapped anew" in (await command("rewrap"))[1]
    keys.hold(NEW)
    assert (await command("list"))[0] == 0


async def test_rewrap_without_the_key_that_is_in_use(command: Command, log: Database, keys: Keys) -> None:
    keys.hold(NEW)
    with pytest.raises(SettingsError, match="'old', which is not among 'new'"):
        await command("rewrap")
    assert {kek for _, kek, _ in await keks(log)} == {"old"}


async def test_destroy_asks_and_keeps_the_reason(command: Command, log: Database) -> None:
    options = ("--member", "VN/GOV/G01", "--reason", "decision 12/2026", "--rule", "Luật 91/2025")
    status, text = await command("destroy", *options, answer="n\n")
    assert (status, "1 access record(s) will not be shown" in text, "Destroy these keys?" in text) == (1, True, True)
    assert not any(gone for _, _, gone in await keks(log))
    status, text = await command("destroy", *options, answer="y\n")
    assert (status, "1 data key(s) destroyed" in text, "wrapped under 'old'" in text) == (0, True, True)
    assert await keks(log) == [("VN/GOV/G01", "old", True), ("VN/GOV/G22", "old", False)]
    assert (
        "Every citizen is told how many access records of these days were destroyed, when, and this rule: Luật" in text
    )
    row = await log.pool.fetchrow("SELECT destroyed_by, reason, rule, accesses FROM data_key WHERE wrapped IS NULL")
    assert tuple(row) == ("an.operator", "decision 12/2026", "Luật 91/2025", 1)


async def test_destroy_leaves_a_line_in_the_log_without_the_citizen(
    command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    status, text = await command("destroy", "--member", "VN/GOV/G01", "--reason", "a test", "--yes")
    assert "that no rule was stated (--rule)" in text
    said = [json.loads(line) for line in (text + capfd.readouterr().err).splitlines() if line.startswith("{")]
    (line,) = [line for line in said if line["event"] == "data_key.destroyed"]
    assert (status, line["member"], line["day"], line["by"]) == (0, "VN/GOV/G01", "2026-11-24", "an.operator")
    assert CITIZEN not in text


async def test_destroy_some_days(command: Command, log: Database) -> None:
    status, text = await command("destroy", "--last", "2026-11-23", "--reason", "old", "--yes")
    assert (status, text) == (1, "no data key in use is meant\n")
    status, _ = await command("destroy", "--first", "2026-11-24", "--last", "2026-11-24", "--reason", "old", "--yes")
    assert (status, {gone for _, _, gone in await keks(log)}) == (0, {True})


async def test_destroy_refuses_without_a_reason_and_what_may_still_seal(
    command: Command, log: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="say why"):
        await command("destroy", "--reason", " ", "--yes")
    with pytest.raises(SettingsError, match="at most 300"):
        await command("destroy", "--reason", "old", "--rule", "x" * 301, "--yes")
    monkeypatch.setattr(sealing, "clock", lambda: NOW + timedelta(days=1))
    with pytest.raises(SettingsError, match="two days later"):
        await command("destroy", "--reason", "a test", "--yes")
    assert not any(gone for _, _, gone in await keks(log))


async def test_a_lost_key_is_given_up_even_today(
    command: Command, log: Database, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "clock", lambda: NOW)
    keys.hold(NEW)
    status, text = await command("destroy", "--wrapped-by", "old", "--reason", "lost in a fire", "--yes")
    assert (status, "Stop the servers of this log first" in text) == (0, True)
    assert {gone for _, _, gone in await keks(log)} == {True}


async def test_without_a_database_it_says_so(command: Command, tmp_path: Path) -> None:
    (tmp_path / "dsn").write_text("postgresql://nobody@/nothing?host=/nonexistent")
    with pytest.raises((EvidenceUnavailable, SettingsError)):
        await command("list")
