"""Tools that others wrote judge our log: they accept it, and refuse every altered one.

metamorphic-log   checkpoints, inclusion, consistency (Rust, from PyPI)
proofbundle       receipts, Ed25519 and ML-DSA-44 cosignatures (Python, from PyPI)
golang.org/x/mod  the reference note and tlog packages, behind sum.golang.org (Debian: golang-go, golang-golang-x-mod-dev)
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.core.merkle.hashing import leaf_hash
from gateway.core.merkle.note import SignedNote
from gateway.core.merkle.proofs import consistency_proof, inclusion_proof
from gateway.core.merkle.receipt import Receipt
from gateway.core.merkle.tiles import TileNodes, TreeEdge, grow
from tests.support.logkeys import AUDITOR, LOG, LOG_PQ, WITNESS, Key, checkpoint_of, signed

pytestmark = pytest.mark.interop
SIZE = 1000
ENTRIES = [n.to_bytes(4, "big") * 27 for n in range(SIZE)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
FILES = dict(grow(TreeEdge(), ENTRIES).files)
NODES = TileNodes(SIZE, lambda tile: FILES[tile.path])
NOTE = signed(checkpoint_of(LEAVES), LOG, LOG_PQ, WITNESS, AUDITOR)
INDICES = (0, 1, 255, 256, 511, 767, 998, 999)
STRANGER = Key("stranger.example")


def text_of(note: SignedNote) -> str:
    return bytes(note).decode()


def altered(path: tuple[bytes, ...]) -> list[list[bytes]]:
    flipped = [[*path[:i], bytes([h[0] ^ 1]) + h[1:], *path[i + 1 :]] for i, h in enumerate(path)]
    return [*flipped, list(path[:-1]), list(path[1:]), [*path, LEAVES[0]]]


class TestMetamorphic:
    @pytest.fixture
    def judge(self) -> Any:
        return pytest.importorskip("metamorphic_log", reason="metamorphic-log is not installed (PyPI)")

    @staticmethod
    def refuses(judge: Any, check: Callable[[], object]) -> None:
        with pytest.raises(judge.VerifyError):
            check()

    def test_checkpoint(self, judge: Any) -> None:
        head = judge.checkpoint_verify(text_of(NOTE), [str(LOG.verifier)])
        assert (head.origin, head.size) == (LOG.name, SIZE)
        for key in (STRANGER, Key("other.example")):
            self.refuses(judge, partial(judge.checkpoint_verify, text_of(NOTE), [str(key.verifier)]))
        for text in (text_of(NOTE).replace("\n1000\n", "\n1001\n"), text_of(NOTE).replace("—", "-")):
            self.refuses(judge, partial(judge.checkpoint_verify, text, [str(LOG.verifier)]))

    def test_inclusion(self, judge: Any) -> None:
        vkeys = [str(LOG.verifier)]
        for index in INDICES:
            path = inclusion_proof(index, SIZE, NODES)
            judge.checkpoint_verify_inclusion(text_of(NOTE), vkeys, index, LEAVES[index], list(path))
            for wrong in altered(path):
                self.refuses(
                    judge,
                    partial(judge.checkpoint_verify_inclusion, text_of(NOTE), vkeys, index, LEAVES[index], wrong),
                )

    def test_consistency(self, judge: Any) -> None:
        vkeys = [str(LOG.verifier)]
        for old in (1, 2, 255, 256, 257, 512, 700, 999):
            older = text_of(signed(checkpoint_of(LEAVES[:old]), LOG))
            path = consistency_proof(old, SIZE, NODES)
            judge.checkpoint_verify_consistency(older, text_of(NOTE), vkeys, list(path))
            fork = text_of(signed(checkpoint_of([*LEAVES[: old - 1], leaf_hash(b"other")]), LOG))
            self.refuses(
                judge,
                partial(judge.checkpoint_verify_consistency, fork, text_of(NOTE), vkeys, list(path)),
            )


class TestProofbundle:
    @pytest.fixture
    def judge(self) -> Any:
        return pytest.importorskip("proofbundle", reason="proofbundle is not installed (PyPI)")

    def verify(self, judge: Any, receipt: str, entry: bytes, *witnesses: Key) -> bool:
        try:
            found = judge.verify_tlog_proof(
                receipt,
                entry,
                str(LOG.verifier),
                [str(w.verifier) for w in witnesses],
                threshold=len(witnesses),
                expected_origin=LOG.name,
            )
        except (judge.ProofBundleError, ValueError):
            return False
        return found["ok"] is True

    def test_receipts(self, judge: Any) -> None:
        for index in INDICES:
            receipt = bytes(Receipt(index, inclusion_proof(index, SIZE, NODES), NOTE)).decode()
            assert self.verify(judge, receipt, ENTRIES[index])
            assert self.verify(judge, receipt, ENTRIES[index], WITNESS)
            assert not self.verify(judge, receipt, ENTRIES[index] + b"\0", WITNESS)
            assert not self.verify(judge, receipt, ENTRIES[index], STRANGER)
            assert not self.verify(
                judge, receipt.replace(f"index {index}", f"index {index + 1}"), ENTRIES[index], WITNESS
            )
            assert not self.verify(judge, receipt.replace("\n1000\n", "\n1001\n"), ENTRIES[index], WITNESS)

    @pytest.mark.parametrize("key", [WITNESS, AUDITOR, LOG_PQ], ids=["ed25519", "ml-dsa-44", "ml-dsa-44 of the log"])
    def test_cosignatures(self, judge: Any, key: Key) -> None:
        try:
            found = judge.verify_cosignature(text_of(NOTE), str(key.verifier))
        except judge.ProofBundleError as e:
            if "UnsupportedError" not in type(e).__name__:
                raise
            pytest.skip(f"proofbundle was installed without ML-DSA: {e}")
        assert found["ok"] is True
        assert (found["origin"], found["tree_size"]) == (LOG.name, SIZE)
        other = SignedNote(NOTE.text.replace(b"\n1000\n", b"\n1001\n"), NOTE.signatures)
        assert judge.verify_cosignature(text_of(other), str(key.verifier))["ok"] is False


GO = """package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type task struct {
	Note, Old, Vkey string
	Index           int64
	Leaf            []byte
	Inclusion       [][]byte
	Consistency     [][]byte
}

func hashes(in [][]byte) (out []tlog.Hash) {
	for _, h := range in {
		var x tlog.Hash
		copy(x[:], h)
		out = append(out, x)
	}
	return
}

func head(text, vkey string) (int64, tlog.Hash, error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	n, err := note.Open([]byte(text), note.VerifierList(v))
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	lines := strings.Split(n.Text, "\\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	var root tlog.Hash
	raw, err := base64.StdEncoding.DecodeString(lines[2])
	copy(root[:], raw)
	return size, root, err
}

func judge(t task) error {
	size, root, err := head(t.Note, t.Vkey)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(hashes(t.Inclusion), size, root, t.Index, tlog.RecordHash(t.Leaf)); err != nil {
		return err
	}
	old, oldRoot, err := head(t.Old, t.Vkey)
	if err != nil {
		return err
	}
	return tlog.CheckTree(hashes(t.Consistency), size, root, old, oldRoot)
}

func main() {
	var tasks []task
	if err := json.NewDecoder(os.Stdin).Decode(&tasks); err != nil {
		panic(err)
	}
	for _, t := range tasks {
		if err := judge(t); err != nil {
			fmt.Println("refused")
		} else {
			fmt.Println("accepted")
		}
	}
}
"""
_GOPATH = Path("/usr/share/gocode")


@pytest.mark.skipif(
    shutil.which("go") is None or not (_GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir(),
    reason="Debian's golang-go and golang-golang-x-mod-dev are not installed",
)
def test_the_reference_implementation_of_go(tmp_path: Path) -> None:
    def task(index: int, old: int, **changes: Any) -> dict[str, Any]:
        given = {
            "Note": text_of(NOTE),
            "Old": text_of(signed(checkpoint_of(LEAVES[:old]), LOG)),
            "Vkey": str(LOG.verifier),
            "Index": index,
            "Leaf": b64encode(ENTRIES[index]).decode(),
            "Inclusion": [b64encode(h).decode() for h in inclusion_proof(index, SIZE, NODES)],
            "Consistency": [b64encode(h).decode() for h in consistency_proof(old, SIZE, NODES)],
        }
        return given | changes

    good = [task(index, old) for index in INDICES for old in (1, 256, 700, 999)]
    fork = text_of(signed(checkpoint_of([*LEAVES[:699], leaf_hash(b"x")]), LOG))
    bad = [
        task(5, 700, Leaf=b64encode(b"other").decode()),
        task(5, 700, Index=6),
        task(5, 700, Old=fork),
        task(5, 700, Vkey=str(STRANGER.verifier)),
        task(5, 700, Note=text_of(NOTE).replace("\n1000\n", "\n1001\n")),
        task(5, 700, Note=text_of(NOTE).replace("— ", "- ")),
        task(5, 700, Inclusion=task(6, 700)["Inclusion"]),
        task(5, 700, Consistency=task(5, 699)["Consistency"]),
    ]
    (tmp_path / "judge.go").write_text(GO)
    done = subprocess.run(
        ["go", "run", "judge.go"],
        cwd=tmp_path,
        input=json.dumps(good + bad),
        capture_output=True,
        text=True,
        timeout=110,
        check=True,
        env={**os.environ, "GO111MODULE": "off", "GOPATH": str(_GOPATH), "GOCACHE": str(tmp_path / "cache")},
    )
    assert done.stdout.split() == ["accepted"] * len(good) + ["refused"] * len(bad)
