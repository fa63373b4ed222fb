"""Templates and static files of a site: its own folder first, then what all sites share.

Everything put into a template is escaped, and a name that is missing is an error rather than a blank. A site's `base.html` extends
`frame.html` and fills its blocks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gateway.pages.words import PREFIX, Catalogue, Language

_SHARED = Path(__file__).parent
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"


class Look:
    """`folder`: of a site, with `templates` and, if it has files of its own, `static`."""

    def __init__(self, folder: Path, catalogues: Mapping[Language, Catalogue]) -> None:
        self._catalogues = catalogues
        self._files = static_files(folder)
        self._templates = _templates(folder)

    def __call__(self, language: Language, template: str, **values: Any) -> str:
        """`t`: the catalogue, and `lang` are there in every template."""
        catalogue = self._catalogues[language]
        return self._templates.get_template(f"{template}.html").render(t=catalogue, lang=language, **values)

    def page(
        self, language: Language, template: str, request: web.Request | None, *, status: int = 200, **values: Any
    ) -> web.Response:
        """`request`: what it answers, for the link to the other language; None: the first page is linked. `path` and `prefix` are
        there in the template too."""
        path = "/" if request is None else request.path.removeprefix(PREFIX["en"]) or "/"
        text = self(language, template, path=path, prefix=PREFIX[language], **values)
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")

    def add_static(self, app: web.Application) -> None:
        """At `/static/`, under names that change with the content."""
        for path in self._files:
            app.router.add_get(f"/static/{static_name(path)}", _file(path.read_bytes(), _TYPES[path.suffix]))


def see_other(where: str) -> web.Response:
    """After what was done, or to where something has to be done first."""
    return web.Response(status=303, headers={"Location": where})


@cache
def _templates(folder: Path) -> Environment:
    """Compiled once in a process, whoever renders."""
    templates = Environment(
        loader=FileSystemLoader([folder / "templates", _SHARED / "templates"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.globals["static"] = {path.name: static_name(path) for path in static_files(folder)}
    templates.filters["json"] = lambda value: json.dumps(value, ensure_ascii=False)
    return templates


def static_files(folder: Path) -> tuple[Path, ...]:
    """The site's own, and the shared ones that it has none of the same name for."""
    found = {path.name: path for place in (_SHARED, folder) for path in sorted((place / "static").glob("*"))}
    return tuple(found.values())


def static_name(path: Path) -> str:
    """A file's address changes with its content, so that browsers may keep it for ever."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return f"{path.stem}.{digest}{path.suffix}"


def _file(body: bytes, content_type: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers={"Cache-Control": _FOR_EVER})

    return answer
