"""Strict YAML: the scalars of YAML 1.2's JSON schema, positions for every key and value, bounded aliases.

`no`, `NO`, `00123`, `0777`, `12:30` and `2026-01-01` are text. Duplicate keys are problems; `!tags` beyond the JSON types, merge
keys and endless documents are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from gateway.core.errors import SettingsError

Place: TypeAlias = tuple[str | int, ...]  # keys and list indices from the top
Position: TypeAlias = tuple[int, int]  # line and column, from 1

_MOST_NODES = 500_000  # aliases count as often as they are used: nine lines of them can stand for 10^9 values
_MOST_DEPTH = 40
_TAG = "tag:yaml.org,2002:"


class _Yaml12(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # C when PyYAML was built with it
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's way to begin without YAML 1.1's


for _name, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", ["n", "~", ""]),
    ("int", r"-?(?:0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", "-0123456789"),
):
    _Yaml12.add_implicit_resolver(_TAG + _name, re.compile(rf"^(?:{_pattern})\Z"), list(_first))


@dataclass(slots=True)
class Document:
    """`value`: mappings as dicts, sequences as tuples. `values` and `keys`: where each stands. `problems`: with positions.
    `nulls`: where a key or item has no value."""

    value: Any = None
    values: dict[Place, Position] = field(default_factory=dict)
    keys: dict[Place, Position] = field(default_factory=dict)
    problems: list[tuple[Position, str]] = field(default_factory=list)
    nulls: set[Place] = field(default_factory=set)

    def position(self, path: Place, *, key: bool = False) -> Position:
        """Of the key or value at `path`, or of the nearest thing around it."""
        if key and path in self.keys:
            return self.keys[path]
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, (1, 1))


def parse_documents(text: str, name: str) -> list[Document]:
    """The documents of a YAML stream. SettingsError when it is not YAML or asks for too much; finer faults are `problems`."""
    try:
        _check_depth(text)
        return [_Builder().document(node) for node in _nodes(text)]
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        line, column = _position(mark) if mark else (1, 1)
        raise SettingsError([f"{name}:{line}:{column}: {e.problem or e.context}"]) from e
    except yaml.reader.ReaderError as e:
        line = text.count("\n", 0, e.position) + 1
        column = e.position - text.rfind("\n", 0, e.position)
        raise SettingsError(
            [f"{name}:{line}:{column}: a character that YAML does not allow (U+{e.character:04X})"]
        ) from e
    except (yaml.YAMLError, _TooMuch) as e:
        raise SettingsError([f"{name}:1:1: {e}"]) from e


class _TooMuch(Exception):
    pass


def _check_depth(text: str) -> None:
    """Before anything recursive looks at the text."""
    depth = 0
    for event in yaml.parse(text, Loader=_Yaml12):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MOST_DEPTH:
                raise _TooMuch(f"nested deeper than {_MOST_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _nodes(text: str) -> Iterator[yaml.Node | None]:
    yield from yaml.compose_all(text, Loader=_Yaml12)


def _position(mark: Any) -> Position:
    return mark.line + 1, mark.column + 1


class _Builder:
    """One walk over the node graph: values, positions, problems."""

    def __init__(self) -> None:
        self._document = Document()
        self._nodes = 0
        self._open: set[int] = set()
        self._seen: set[int] = set()

    def document(self, node: yaml.Node | None) -> Document:
        if node is not None:
            self._document.value = self._value(node, ())
        return self._document

    def _value(self, node: yaml.Node, path: Place) -> Any:
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            raise _TooMuch(f"more than {_MOST_NODES} values, repeated by aliases")
        self._document.values[path] = self._position_of(node, path)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open or len(path) > _MOST_DEPTH:
            raise _TooMuch("an alias that contains itself")
        self._open.add(id(node))
        try:
            return self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._sequence(node, path)
        finally:
            self._open.discard(id(node))

    def _position_of(self, node: yaml.Node, path: Place) -> Position:
        """An alias stands where its key stands; the node itself only knows its first place."""
        first = id(node) not in self._seen
        self._seen.add(id(node))
        return _position(node.start_mark) if first else self._document.keys.get(path, _position(node.start_mark))

    def _sequence(self, node: yaml.Node, path: Place) -> tuple[Any, ...]:
        self._check_tag(node, "seq")
        return tuple(self._value(item, (*path, i)) for i, item in enumerate(node.value))

    def _mapping(self, node: yaml.MappingNode, path: Place) -> dict[str, Any]:
        self._check_tag(node, "map")
        value: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(key_node, "a key must be text")
                continue
            key = key_node.value
            if key in value:
                self._problem(key_node, f"duplicate key {key!r}")
                continue
            self._document.keys[*path, key] = _position(key_node.start_mark)
            value[key] = self._value(value_node, (*path, key))
        return value

    def _scalar(self, node: yaml.ScalarNode, path: Place) -> Any:
        text: str = node.value
        try:
            match node.tag.removeprefix(_TAG):
                case "str":
                    return text
                case "null":
                    self._document.nulls.add(path)
                    return None
                case "bool":
                    return {"true": True, "false": False}[text]
                case "int":
                    return int(text)
                case "float":
                    return float(text)
        except (ValueError, KeyError):
            pass
        self._problem(node, f"a value of unknown type ({node.tag})")
        return None

    def _check_tag(self, node: yaml.Node, wanted: str) -> None:
        if node.tag != _TAG + wanted:
            self._problem(node, f"a value of unknown type ({node.tag})")

    def _problem(self, node: yaml.Node, text: str) -> None:
        self._document.problems.append((_position(node.start_mark), text))
