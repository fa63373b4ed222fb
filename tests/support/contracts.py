"""A small service contract with its code lists: one endpoint about nobody, one about the person in its path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

NOBODY, PERSON = "POST /nobody/{id}", "POST /persons/{id}"
_WORDS = {"vi": "Tra cứu", "en": "Look-up"}
_CODES = {
    "legal_bases": {"LAW": {**_WORDS, "document": "1/2026"}},
    "purposes": {"ONE": {**_WORDS, "legal_bases": ["LAW"]}},
    "categories": {"identity": _WORDS},
}


def write_contract(folder: Path, service: str) -> str:
    """The file's path; a caller with one purpose needs to name none."""
    about = {
        "categories": ["identity"],
        "purposes": ["ONE"],
        "subjects": [{"at": "path", "name": "id", "kind": "vn-personal-number"}],
    }
    endpoints: list[dict[str, Any]] = [
        {"match": NOBODY, "action": _WORDS, "subjects": "none"},
        {"match": PERSON, "action": _WORDS, **about},
    ]
    (folder / "codes.yaml").write_text(yaml.safe_dump(_CODES, allow_unicode=True))
    contract = {"service": service, "codes": str(folder / "codes.yaml"), "endpoints": endpoints}
    (folder / "contract.yaml").write_text(yaml.safe_dump(contract, allow_unicode=True))
    return str(folder / "contract.yaml")
