"""The controlled list of reasons for which a dossier may be returned: `config/codes/return-reasons.yaml`.

The gateway refuses a return without such a reason before it gets here; this is the same list held against what did get here: the
rules of one server are no guarantee of another. A demand for papers that the state holds is refused too (Decree 63/2024).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from adapters.lienthong.model import Reason
from adapters.sdk import DefinitionError, Problem


@dataclass(frozen=True, slots=True)
class ListedReason:
    """`held_by`: the client that supplies the paper which this reason demands; None for a reason that is one."""

    vi: str
    en: str
    legal_references: frozenset[str]
    held_by: str | None


Reasons = Mapping[str, ListedReason]


class BadReturn(Problem):
    """`cause`: empty, unknown, legal_reference or unlawful_demand."""

    default_status = 422
    default_code = "return_reason_refused"

    def __init__(self, cause: str, code: str | None) -> None:
        super().__init__(
            "Trả lại hồ sơ phải có lý do trong danh mục kèm căn cứ pháp lý (a return needs a listed reason and its legal reference)"
        )
        self.cause = cause
        self.reason = code


def load_reasons(path: Path) -> Reasons:
    """DefinitionError when the list cannot be read."""
    try:
        loaded: Any = yaml.safe_load(path.read_text("utf-8"))
        return {
            code: ListedReason(
                vi=entry["vi"],
                en=entry["en"],
                legal_references=frozenset(entry["legal_references"]),
                held_by=entry.get("supplied_by", {}).get("client"),
            )
            for code, entry in loaded["reasons"].items()
        }
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as e:
        raise DefinitionError(f"{path}: not a list of return reasons: {type(e).__name__} {e}") from e


def parse_reason(reasons: Reasons, given: Mapping[str, Any] | None) -> Reason:
    """BadReturn unless the reason is in the list, with one of its legal references, and lawful. An unknown code is not kept."""
    code = (given or {}).get("code") or ""
    if not code:
        raise BadReturn("empty", None)
    listed = reasons.get(code)
    if listed is None:
        raise BadReturn("unknown", None)
    reference = (given or {}).get("legal_reference") or ""
    if reference not in listed.legal_references:
        raise BadReturn("legal_reference", code)
    if listed.held_by is not None:
        raise BadReturn("unlawful_demand", code)
    return Reason(code, reference)
