"""The endpoints of an OpenAPI 3 document, imported the way X-Road does: method and path, `{parameter}` as `*` (reference 8.2)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gateway.core.errors import SettingsError
from gateway.core.messages.rest import VERBS
from gateway.core.serverconf.model import Endpoint
from gateway.core.serverconf.paths import template_glob
from gateway.settings.loader import read_text
from gateway.settings.yaml12 import parse_documents


def openapi_endpoints(path: Path) -> tuple[Endpoint, ...]:
    """In the order of the document. SettingsError when the file is no OpenAPI 3 document."""
    document = _parse(path)
    version = document.get("openapi") if isinstance(document, dict) else None
    if not isinstance(version, str) or not version.startswith("3."):
        raise SettingsError([f"{path}:1:1: not an OpenAPI 3 document"])
    paths = document.get("paths")
    if not isinstance(paths, dict) or not all(
        isinstance(item, dict) and p.startswith("/") for p, item in paths.items()
    ):
        raise SettingsError([f"{path}:1:1: 'paths' must be a mapping from /path to its operations"])
    return tuple(
        Endpoint(method.upper(), template_glob(template))
        for template, item in paths.items()
        for method in item
        if method.upper() in VERBS
    )


def _parse(path: Path) -> Any:
    text = read_text(path)
    if path.suffix == ".json":
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as e:
            raise SettingsError([f"{path}:1:1: not JSON"]) from e
    documents = parse_documents(text, str(path))
    problems = [f"{path}:{line}:{column}: {what}" for d in documents for (line, column), what in d.problems]
    if problems or len(documents) != 1:
        raise SettingsError(problems or [f"{path}:1:1: not one YAML document"])
    return documents[0].value
