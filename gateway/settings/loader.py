"""A YAML file -> checked settings, or every problem of the file at once: `file:line:column: path: what is wrong`.

Rule: a message never repeats a value of a place where a secret could stand. What is echoed is echoed by the small types of
`common`, which know what they are; wrong types and unknown keys are named without their content.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.core.errors import SettingsError
from gateway.settings import yaml12
from gateway.settings.yaml12 import Document, Position

M = TypeVar("M", bound=BaseModel)

_MOST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at `path` (keys and list indices) that only shows when several places are read together.
    `at_key`: the key itself is at fault rather than its value."""

    path: yaml12.Place
    text: str
    at_key: bool = False


Checks = Callable[[M], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Source:
    """A file as read: gives findings their positions."""

    name: str
    document: Document

    def problem(self, finding: Finding) -> str:
        line, column = self.document.position(finding.path, key=finding.at_key)
        return f"{self.name}:{line}:{column}: {_dotted(finding.path)}: {finding.text}"


def load(path: Path, model: type[M], checks: Checks[M] | None = None, *, files: bool = True) -> M:
    """`files`: False leaves out whether named files are there. SettingsError holds every problem."""
    return load_with_source(path, model, checks, files=files)[0]


def load_with_source(
    path: Path, model: type[M], checks: Checks[M] | None = None, *, files: bool = True
) -> tuple[M, Source]:
    documents = yaml12.parse_documents(read_text(path), str(path))
    if len(documents) != 1 or documents[0].value is None:
        what = "the file is empty" if len(documents) < 2 else "more than one document (---) in the file"
        raise SettingsError([f"{path}:1:1: {what}"])
    source = Source(str(path), documents[0])
    return validate(source, model, checks, files=files), source


def read_text(path: Path) -> str:
    """A whole settings file. SettingsError when it is not there, too large or not UTF-8."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise SettingsError([f"{path}:1:1: larger than {_MOST_BYTES >> 20} MiB"])
        data = path.read_bytes()
    except OSError as e:
        raise SettingsError([f"{path}:1:1: cannot read the file: {e.strerror}"]) from e
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as e:
        line, column = data.count(b"\n", 0, e.start) + 1, e.start - data.rfind(b"\n", 0, e.start)
        raise SettingsError([f"{path}:{line}:{column}: not UTF-8"]) from e


def validate(source: Source, model: type[M], checks: Checks[M] | None = None, *, files: bool = True) -> M:
    """SettingsError with the problems of form, else with those that `checks` finds.

    A key without a value is a problem: it would pass for an absent one, and `allow:` with nothing behind it for everything.
    """
    document = source.document
    problems = [(position, f": {text}") for position, text in document.problems]
    problems += [(document.position(path), f": {_dotted(path)}: has no value") for path in document.nulls]
    value: M | None = None
    try:
        value = model.model_validate(document.value, context={"files": files})
    except ValidationError as e:
        errors = [
            x
            for x in e.errors(include_url=False)
            if not _echo(x) and _real_path(document.value, x) not in document.nulls
        ]
        problems += [_problem(document, error, model) for error in errors]
    if problems:
        raise SettingsError([f"{source.name}:{line}:{column}{text}" for (line, column), text in sorted(problems)])
    assert value is not None
    findings = [source.problem(f) for f in (checks(value) if checks else ())]
    if findings:
        raise SettingsError(findings)
    return value


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or nothing when nothing is near. Identifiers are all alike in front, so they must be nearer."""
    found = difflib.get_close_matches(word, list(known), 1, cutoff=0.8 if "/" in word else 0.6)
    return f"; did you mean {found[0]!r}?" if found else ""


def _echo(error: ErrorDetails) -> bool:
    """pydantic also calls a list too short whose items have errors of their own."""
    return error["type"] == "too_short" and len(error["input"]) > 0


def _problem(document: Document, error: ErrorDetails, model: type[BaseModel]) -> tuple[Position, str]:
    path = _real_path(document.value, error)
    unknown = error["type"] == "extra_forbidden"
    position = document.position(path, key=unknown)
    return position, f": {_dotted(path)}: {_message(error, path, model)}"


def _real_path(value: Any, error: ErrorDetails) -> yaml12.Place:
    """The error's place in the document: without the steps that exist only in the model (unions, one-or-list)."""
    path: list[str | int] = []
    for piece in error["loc"]:
        inside = _children(value)
        if piece in inside:
            value = inside[piece]
            path.append(piece)
    if error["type"] == "missing":
        path.append(error["loc"][-1])
    return tuple(path)


def _children(value: Any) -> Mapping[Any, Any]:
    if isinstance(value, tuple):
        return dict(enumerate(value))
    return value if isinstance(value, Mapping) else {}


def _message(error: ErrorDetails, path: yaml12.Place, model: type[BaseModel]) -> str:
    given, context = error["input"], error.get("ctx", {})
    match error["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return f"unknown key{nearest(str(path[-1]), _known_keys(model, path[:-1]))}"
        case "value_error":
            return str(context["error"])
        case "literal_error":
            return f"must be {context['expected']}{nearest(given, _choices(context)) if isinstance(given, str) else ''}"
        case "model_type" | "dict_type":
            return "must be a mapping"
        case "tuple_type":
            return "must be a list"
        case "string_type":
            return (
                "must be text" if given is None or isinstance(given, dict | tuple) else "must be text: put it in quotes"
            )
        case "bool_type":
            return "must be true or false"
        case "int_type":
            return "must be a whole number"
        case "too_short" | "string_too_short":
            return "must not be empty"
        case _:
            return error["msg"][0].lower() + error["msg"][1:]


def _choices(context: Mapping[str, Any]) -> list[str]:
    return str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")


def _known_keys(model: type[BaseModel], path: yaml12.Place) -> Iterator[str]:
    for found in _models_at(model, path):
        yield from found.model_fields


def field_of(model: type[BaseModel], path: yaml12.Place) -> type[BaseModel] | None:
    """The model that has the key at `path`; None for a key that the administrator chose (a group's code)."""
    return next((m for m in _models_at(model, path[:-1]) if path[-1] in m.model_fields), None)


def _models_at(model: type[BaseModel], path: yaml12.Place) -> list[type[BaseModel]]:
    """The models that may stand at `path`; none inside a mapping of plain values."""
    annotations: list[Any] = [model]
    for piece in path:
        models = [m for a in annotations for m in _models_in(a)]
        fields = [m.model_fields[str(piece)] for m in models if piece in m.model_fields]
        if fields:
            annotations = [f.annotation for f in fields]
        elif not any(get_args(a) for a in annotations):
            return []
    return [m for a in annotations for m in _models_in(a)]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _dotted(path: yaml12.Place) -> str:
    """`clients[0].services[1].url`"""
    text = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path)
    return text.removeprefix(".") or "(whole file)"
