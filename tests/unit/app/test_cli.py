"""How the command line ends when a role or a command fails: in words and with a status, not with a traceback."""

from __future__ import annotations

import asyncpg
import pytest

from gateway.app import cli, process
from gateway.core.errors import EvidenceUnavailable, SettingsError

VALUE = "999300000017"


async def _fail(*errors: BaseException) -> None:
    raise errors[0] if len(errors) == 1 else BaseExceptionGroup("tasks", errors)


def _ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *errors: BaseException
) -> tuple[object, list[str]]:
    monkeypatch.setattr(cli, "cli", lambda: process.run(_fail(*errors)))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code, capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    "lost",
    [
        asyncpg.ConnectionDoesNotExistError(f"connection was closed in the middle of operation {VALUE}"),
        asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
        asyncpg.InterfaceError("connection is closed"),
        ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 5432)"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_a_database_killed_under_a_start_is_one_line_without_values(
    lost: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = _ends(monkeypatch, capsys, BaseExceptionGroup("inner", [lost]))
    name = type(lost).__name__
    assert (status, said) == (1, [f"the database was lost ({name}): is it running? start again when it is"])


def test_every_problem_of_the_settings_has_a_line_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _ends(monkeypatch, capsys, SettingsError(["a.yaml:1:1: x: first", "second"])) == (
        2,
        ["a.yaml:1:1: x: first", "second"],
    )


def test_an_error_of_the_family_is_said_as_it_says_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = _ends(monkeypatch, capsys, EvidenceUnavailable("The database does not answer"))
    assert status == 1 and len(said) == 1 and "The database does not answer" in said[0]


def test_what_nobody_foresaw_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "cli", lambda: process.run(_fail(ZeroDivisionError())))
    with pytest.raises(ZeroDivisionError):
        cli.main()
