"""What `make test` leaves out is what says so itself: a folder it does not even read holds no test of the fast suite."""

from __future__ import annotations

import ast
import re

from tests.architecture.source import ROOT, Module, module, modules


def left_out() -> list[str]:
    (folders,) = re.findall(r"(?m)^SLOW\s*=\s*(.+)$", (ROOT / "Makefile").read_text("utf-8"))
    return str(folders).split()


def is_marked(m: Module) -> bool:
    return any(
        isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == "pytestmark"
        and re.search(r"pytest\.mark\.(slow|interop)\b", ast.unparse(node.value))
        for node in m.tree.body
    )


def test_folders_left_out_hold_no_fast_test() -> None:
    tests = [m for folder in left_out() for m in modules(f"tests/{folder}") if m.path.name.startswith("test_")]
    assert len(tests) > len(left_out())
    assert [m.where for m in tests if not is_marked(m)] == []


def test_an_unmarked_file_is_seen() -> None:
    assert not is_marked(module("x", "pytestmark = pytest.mark.timeout(300)"))
    assert is_marked(module("x", "pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]"))
