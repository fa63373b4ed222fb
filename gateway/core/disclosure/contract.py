"""The service contract: what a provider declares of each endpoint, before anybody may call it.

An endpoint says whom its messages are about (or openly: nobody), which categories of data it gives, and for which purposes, each
with its legal bases. A call for which the contract has no endpoint is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gateway.core.subjects.extract import SubjectRule

Sensitivity: TypeAlias = Literal["ordinary", "sensitive"]

_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_REST = "**"


@dataclass(frozen=True, slots=True)
class Purpose:
    """`legal_bases`: codes, at least one, of which a consumer states one; the only one is understood."""

    code: str
    legal_bases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """`/v1/persons/{id}`: segments; a parameter in braces takes exactly one that is not empty; `**` at the end takes any rest.
    `parameters`: for each segment the parameter's name, None for a literal one. Made by `path_template`."""

    text: str
    segments: tuple[str, ...]
    parameters: tuple[str | None, ...]

    @property
    def openness(self) -> tuple[bool, int]:
        """Sorts templates: what says more about a path comes first."""
        return _REST in self.segments, sum(p is not None for p in self.parameters)

    @property
    def glob(self) -> str:
        """The same paths as `core/serverconf/paths.py` writes them."""
        pieces = ("*" if name else segment for segment, name in zip(self.segments, self.parameters, strict=True))
        return "".join(f"/{piece}" for piece in pieces)

    def match(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        """Parameters of a path given as decoded segments; None when it is not one of these paths."""
        ours = self.segments
        if ours[-1:] == (_REST,):
            ours, segments = ours[:-1], segments[: len(ours) - 1]
        if len(ours) != len(segments):
            return None
        found: dict[str, str] = {}
        for wanted, name, given in zip(ours, self.parameters, segments, strict=False):
            if name is not None and given:
                found[name] = given
            elif wanted != given:
                return None
        return found


def path_template(text: str) -> PathTemplate:
    """ValueError for what is no template: braces inside a segment, a parameter twice, `**` before the end."""
    segments = tuple(text[1:].split("/")) if text else ()
    matches = [_PARAMETER.fullmatch(s) for s in segments]
    literal = [s for s, m in zip(segments, matches, strict=True) if m is None]
    if (text and text[0] != "/") or any(c in s for s in literal if s != _REST for c in "{}*"):
        raise ValueError(f"{text!r} is not a path such as /v1/persons/{{id}}")
    if _REST in segments[:-1]:
        raise ValueError("'**' stands only at the end of a path")
    parameters = tuple(None if m is None else m[1] for m in matches)
    names = [p for p in parameters if p is not None]
    if len(set(names)) != len(names):
        raise ValueError("a parameter stands twice in the path")
    return PathTemplate(text, segments, parameters)


@dataclass(frozen=True, slots=True)
class EndpointContract:
    """`subjects`: empty when the endpoint is openly declared to be about nobody. `before_release`: an answer waits until its
    records are in the public log."""

    method: str
    template: PathTemplate
    categories: tuple[str, ...]
    purposes: tuple[Purpose, ...]
    subjects: tuple[SubjectRule, ...]
    sensitivity: Sensitivity = "ordinary"
    before_release: bool = False

    def rules(self, *, in_answer: bool) -> tuple[SubjectRule, ...]:
        return tuple(rule for rule in self.subjects if rule.in_answer == in_answer)


@dataclass(frozen=True, slots=True)
class ServiceContract:
    """`endpoints`: made by `service_contract`, which puts them in the order in which they are asked."""

    endpoints: tuple[EndpointContract, ...]

    def find(self, method: str, segments: tuple[str, ...]) -> tuple[EndpointContract, dict[str, str]] | None:
        """The endpoint of a call and the parameters of its path. HEAD is a method of its own."""
        for endpoint in self.endpoints:
            parameters = endpoint.template.match(segments) if endpoint.method == method else None
            if parameters is not None:
                return endpoint, parameters
        return None


def service_contract(endpoints: tuple[EndpointContract, ...]) -> ServiceContract:
    """A template that says more comes before one that says less, as OpenAPI wants it."""
    return ServiceContract(tuple(sorted(endpoints, key=lambda e: e.template.openness)))
