"""The project's files as the architecture tests see them."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_CODE = ("gateway", "adapters", "certs")
_LEFT_OUT = {
    ".git",
    ".venv",
    "var",
    "out",
    "build",
    "__pycache__",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
}


@dataclass(frozen=True, slots=True)
class Module:
    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """`gateway.core`, `adapters.sdk`; a module directly below a top folder is its own room."""
        return ".".join(self.name.split(".")[:2])

    @property
    def where(self) -> str:
        return str(self.path.relative_to(ROOT))


def module(name: str, text: str, path: Path = ROOT / "made-up.py") -> Module:
    return Module(name, path, text, ast.parse(text))


def modules(*tops: str) -> tuple[Module, ...]:
    """Every module below the named top folders (all of our code when none is named)."""
    return tuple(m for top in tops or _CODE for m in _below(top))


@cache
def _below(top: str) -> tuple[Module, ...]:
    found = []
    for path in sorted((ROOT / top).rglob("*.py")):
        if _LEFT_OUT.isdisjoint(path.parts):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found.append(module(name, path.read_text("utf-8"), path))
    return tuple(found)


@cache
def nodes(m: Module) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(m.tree))


@dataclass(frozen=True, slots=True)
class Import:
    target: str
    line: int


def imports(m: Module, known: frozenset[str] = frozenset()) -> Iterator[Import]:
    """Every import of the module, wherever it stands. `from a import b` is `a.b` when that is a module, else `a`."""
    package = m.name if m.path.name == "__init__.py" else m.name.rpartition(".")[0]
    for node in nodes(m):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join((*up, base) if base else up)
            for alias in node.names:
                longer = f"{base}.{alias.name}"
                yield Import(longer if longer in known else base, node.lineno)


@cache
def calls(m: Module) -> tuple[tuple[str, ast.Call], ...]:
    """Every call with the dotted text of what is called."""
    return tuple((_text(node.func), node) for node in nodes(m) if isinstance(node, ast.Call))


def _text(node: ast.expr) -> str:
    """As `ast.unparse`, without its cost for plain names."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute | ast.Call):
        return f"{_text(node.value)}.{node.attr}"
    return ast.unparse(node)


@cache
def project_files() -> tuple[Path, ...]:
    """What is in version control or would be; without git, everything that is not ignored."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return tuple(
            p for p in sorted(ROOT.rglob("*")) if p.is_file() and _LEFT_OUT.isdisjoint(p.relative_to(ROOT).parts)
        )
    names = sorted(set(listed.stdout.decode().split("\0")) - {""})
    return tuple(p for p in map(ROOT.joinpath, names) if p.is_file())


def text_files() -> Iterator[tuple[str, str]]:
    """Name and text of every project file that is text."""
    for path in project_files():
        data = path.read_bytes()
        if b"\0" not in data[:8192]:
            yield str(path.relative_to(ROOT)), data.decode("utf-8", "replace")
