"""Templates: everything put into them is escaped, and a name that is missing is an error rather than a blank."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from adapters.lienthong.web.words import Catalogue, Language

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"


class Renderer:
    def __init__(self, catalogues: Mapping[Language, Catalogue]) -> None:
        self._catalogues = catalogues
        self._templates = _templates()

    def __call__(self, language: Language, template: str, **values: Any) -> str:
        catalogue = self._catalogues[language]
        return self._templates.get_template(f"{template}.html").render(t=catalogue, lang=language, **values)

    def words(self, language: Language) -> Catalogue:
        return self._catalogues[language]


@cache
def _templates() -> Environment:
    """Compiled once in a process, whoever renders."""
    templates = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.globals["static"] = {path.name: static_name(path) for path in STATIC.iterdir()}
    return templates


def static_name(path: Path) -> str:
    """A file's address changes with its content, so that browsers may keep it for ever."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return f"{path.stem}.{digest}{path.suffix}"
