"""Documents say what is so: commands exist, files exist, tests exist, decisions are complete."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.architecture.source import ROOT, text_files

DECISIONS = ROOT / "gateway" / "decisions"
MAP = ROOT / "gateway" / "README.md"
THREATS = ROOT / "gateway" / "THREAT_MODEL.md"


def documents() -> Iterator[tuple[str, str]]:
    return ((name, text) for name, text in text_files() if name.endswith(".md"))


def make_targets() -> set[str]:
    return set(re.findall(r"(?m)^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8")))


_CODE = re.compile(r"```[^\n]*\n(.*?)```|`([^`\n]+)`", re.DOTALL)


def code_of(text: str) -> str:
    """What stands in back-ticks or fenced blocks: there a word is a command, in prose it may be a verb."""
    return "\n".join(block or span for block, span in _CODE.findall(text))


def test_every_make_command_in_a_document_is_a_target() -> None:
    wrong = [
        f"{name}: make {target}"
        for name, text in documents()
        for target in re.findall(r"(?m)(?:^|\s|\$ )make ([a-z][a-z-]*)", code_of(text))
        if target not in make_targets()
    ]
    assert wrong == []


def test_every_target_has_a_line_of_help() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = set(re.findall(r"(?m)^\.PHONY: (.*)$", makefile)[0].split())
    assert set(re.findall(r"(?m)^([a-z][a-z-]*):.*## \S", makefile)) == phony


@pytest.mark.parametrize("document", [MAP, THREATS], ids=lambda p: p.name)
def test_files_named_in_the_map_and_the_threat_model_exist(document: object) -> None:
    text = code_of((ROOT / str(document)).read_text("utf-8"))
    named = set(re.findall(r"[\w./-]+\.(?:py|md|yaml|json)\b", text))
    assert named
    bases = (ROOT, ROOT / "gateway", ROOT / "gateway" / "core")
    wrong = {n for n in named if not any((base / n).exists() for base in bases) and "/" in n}
    assert wrong == set()


def test_tests_named_in_the_threat_model_exist() -> None:
    named = set(re.findall(r"`([\w/]+\.py)::(\w+)`", THREATS.read_text("utf-8")))
    assert len(named) > 10
    wrong = [
        f"{f}::{t}" for f, t in sorted(named) if not re.search(rf"(def|class) {t}\b", (ROOT / f).read_text("utf-8"))
    ]
    assert wrong == []


def test_decisions_are_numbered_without_gaps_and_complete() -> None:
    files = sorted(p for p in DECISIONS.glob("*.md"))
    assert [p.name[:4] for p in files] == [f"{n:04d}" for n in range(1, len(files) + 1)]
    for path in files:
        text = path.read_text("utf-8")
        assert re.match(rf"# {path.name[:4]} ", text), path.name
        assert re.findall(r"(?m)^## (.*)$", text) == ["Context", "Options", "Choice", "Price"], path.name


def test_every_decision_referred_to_exists() -> None:
    known = {p.name[:4] for p in DECISIONS.glob("*.md")}
    pattern = re.compile(r"\bdecisions? (\d{4})\b|decisions/(\d{4})")
    wrong = [
        f"{name}: {number}"
        for name, text in text_files()
        for hit in pattern.findall(text)
        for number in hit
        if number and number not in known
    ]
    assert wrong == []
