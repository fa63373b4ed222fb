"""`verify promise` as a command: exit status, JSON, leaf hashes from the log's public files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.app.cli import cli
from gateway.core.disclosure.promiseproof import print_proof
from gateway.core.merkle.tiles import TreeEdge, grow
from tests.support.promises import POLICY, ProofWorld, leaf

WORLD = ProofWorld()
ENTRIES = [leaf(100 + n) for n in range(300)]
PROOF = WORLD.proof(entries=ENTRIES)


@pytest.fixture(autouse=True)
def trust(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verification directory is read by other tests (`test_verify.py`)."""
    monkeypatch.setattr("gateway.app.verify.promises.load_verification_conf", lambda _: WORLD.conf)


def verify(folder: Path, *arguments: str | Path, data: bytes) -> tuple[int, str]:
    (folder / "policy.txt").write_bytes(POLICY)
    (folder / "proof.json").write_bytes(data)
    said = ["verify", "promise", folder / "proof.json", "--conf", folder, "--policy", folder / "policy.txt", *arguments]
    result = CliRunner().invoke(cli, [*map(str, said)])
    return result.exit_code, result.output


def test_a_good_proof(tmp_path: Path) -> None:
    status, text = verify(tmp_path, data=print_proof(PROOF))
    assert (status, "FAILED" in text, "none of the 300 entries" in text) == (0, False, True)
    status, text = verify(tmp_path, "--json", data=print_proof(PROOF))
    (verdict,) = json.loads(text)["verified"]
    assert (verdict["ok"], verdict["provider"], verdict["leaf"]) == (True, "VN/GOV/G01/dancu", PROOF.leaf.hex())
    assert [step["step"] for step in verdict["steps"]] == [1, 2, 3, 4, 5, 6, 7]


def test_refused(tmp_path: Path) -> None:
    assert verify(tmp_path, "--max-delay", "72", data=print_proof(PROOF))[0] == 1
    assert verify(tmp_path, data=b"{}")[0] == 1
    status, text = verify(tmp_path, data=print_proof(replace(PROOF, leaves=None)))
    assert (status, text.count("FAILED"), "give the log's public files" in text) == (1, 1, True)


def test_with_the_public_files(tmp_path: Path) -> None:
    data, folder = print_proof(replace(PROOF, leaves=None)), tmp_path / "log"
    for path, content in grow(TreeEdge(), ENTRIES).files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    assert verify(tmp_path, "--log", folder, data=data)[0] == 0
    (folder / "tile/0/001.p/44").write_bytes(bytes(32) * 44)
    assert verify(tmp_path, "--log", folder, data=data)[0] == 1
    (folder / "tile/0/001.p/44").unlink()
    status, text = verify(tmp_path, "--log", folder, data=data)
    assert (status, "is missing" in text) == (1, True)
