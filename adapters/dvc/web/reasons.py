"""The words of the controlled list of reasons of returns, and of the law behind each: `config/codes/return-reasons.yaml`.

The gateway holds every return against the list before it arrives here. A code that is not in this copy of it is shown as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from adapters.dvc.web.records import Words
from adapters.sdk import DefinitionError


@dataclass(frozen=True, slots=True)
class Law:
    """`document`: law, decree or letter, with number and article, as it is cited."""

    meaning: Words
    document: str


@dataclass(frozen=True, slots=True)
class ReturnReasons:
    reasons: Mapping[str, Words]
    laws: Mapping[str, Law]

    def words(self, code: str) -> Words:
        return self.reasons.get(code, {"vi": code, "en": code})

    def law(self, code: str) -> Law:
        return self.laws.get(code, Law({"vi": "", "en": ""}, code))


def load_return_reasons(path: Path) -> ReturnReasons:
    """DefinitionError when the list cannot be read."""
    try:
        loaded: Any = yaml.safe_load(path.read_text("utf-8"))
        return ReturnReasons(
            {code: _words(entry) for code, entry in loaded["reasons"].items()},
            {code: Law(_words(entry), str(entry["document"])) for code, entry in loaded["legal_references"].items()},
        )
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as e:
        raise DefinitionError(f"{path}: not a list of return reasons: {type(e).__name__} {e}") from e


def _words(entry: Mapping[str, Any]) -> Words:
    return {"vi": str(entry["vi"]), "en": str(entry["en"])}
