"""`verify bundle` as a command: exit status, JSON, one's own policy."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from gateway.app.cli import cli
from gateway.core.merkle.keys import KeyKind
from tests.support.bundles import Lines, bundle_file, of_two_years, policy_text
from tests.support.logkeys import LOG, Key


def verify(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["verify", "bundle", *map(str, arguments)])
    return result.exit_code, result.output


def written(folder: Path, lines: Lines) -> Path:
    file = folder / "so-minh-bach.ndjson"
    file.write_text("".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines), "utf-8")
    return file


def test_a_good_bundle_by_either_policy(tmp_path: Path) -> None:
    file, policy = written(tmp_path, bundle_file()), tmp_path / "policy.txt"
    policy.write_bytes(policy_text())
    status, text = verify(file)
    assert (status, "own policy, SHA-256" in text, "FAILED" in text) == (0, True, False)
    status, text = verify(file, "--policy", policy, "--json")
    (verdict,) = json.loads(text)["verified"]
    assert (status, verdict["ok"], verdict["records"], verdict["policy"]) == (0, True, 3, "given")


def test_a_year_without_a_log_in_the_policy_fails_and_the_others_are_judged(tmp_path: Path) -> None:
    policy = tmp_path / "policy.txt"
    policy.write_bytes(policy_text())
    status, text = verify(written(tmp_path, of_two_years()), "--policy", policy)
    assert (status, text.count("FAILED"), f"{LOG.name}: one history" in " ".join(text.split())) == (1, 1, True)


def test_refused(tmp_path: Path) -> None:
    file, policy = written(tmp_path, bundle_file()), tmp_path / "policy.txt"
    policy.write_bytes(policy_text(witness=Key("witness.example/x", KeyKind.ED25519_COSIGNATURE)))
    status, text = verify(file, "--policy", policy)
    assert (status, text.count("FAILED")) == (1, 1)
    lines = bundle_file()
    lines[2]["fields"][10] = "refused"
    status, text = verify(written(tmp_path, lines), "--json")
    assert (status, json.loads(text)["ok"]) == (1, False)
    (tmp_path / "none").write_bytes(b"x" * (3 << 20))
    assert verify(tmp_path / "none")[0] == 1
    assert verify(tmp_path / "missing")[0] != 0
