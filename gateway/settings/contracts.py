"""Service contracts: `config/contracts/<service>.yaml`. Whom each endpoint is about, which data it gives, for which purposes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from gateway.core.disclosure.contract import (
    EndpointContract,
    PathTemplate,
    Purpose,
    ServiceContract,
    path_template,
    service_contract,
)
from gateway.core.errors import SettingsError
from gateway.core.messages.rest import VERBS
from gateway.core.serverconf.model import Endpoint
from gateway.core.subjects import LOCATORS
from gateway.core.subjects.extract import SubjectRule
from gateway.core.subjects.kinds import KINDS
from gateway.core.subjects.view import Locator
from gateway.settings.codes import Bilingual, CategoryCode, Code, CodesSettings, load_codes
from gateway.settings.common import ExistingFile, Strict, text
from gateway.settings.content import DocumentSettings, ReturnSettings
from gateway.settings.loader import Finding, load_with_source, nearest
from gateway.settings.names import Piece
from gateway.settings.reasons import load_reasons
from gateway.settings.yaml12 import Place

_PLACES = ("path", "query", "header")
_WITH_BODY = ("POST", "PUT", "PATCH")


def _match(value: str) -> tuple[str, PathTemplate]:
    method, blank, path = value.partition(" ")
    if not blank or method not in VERBS:
        raise ValueError(f"{value!r} is not an endpoint such as 'GET /v1/persons/{{id}}': method, one blank, path")
    return method, path_template(path)


def _kind(value: str) -> str:
    if value not in KINDS:
        raise ValueError(f"{value!r} is no kind of number: {', '.join(KINDS)}{nearest(value, KINDS)}")
    return value


EndpointMatch = Annotated[
    tuple[str, PathTemplate],
    text(_match),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]+ /", "examples": ["GET /v1/persons/{id}"]}),
]
KindName = Annotated[str, text(_kind), WithJsonSchema({"type": "string", "enum": list(KINDS)})]


class SubjectSettings(Strict):
    """One place at which a person's number stands."""

    at: Literal["path", "query", "header", "request", "response"]
    name: str | None = None
    pointer: str | None = None
    xpath: str | None = None
    namespaces: dict[Piece, str] = Field(default_factory=dict)
    kind: KindName
    optional: bool = False

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.at in _PLACES:
            if self.name is None or self.pointer is not None or self.xpath is not None:
                raise ValueError(f"'at: {self.at}' needs 'name', and neither 'pointer' nor 'xpath'")
        elif self.name is not None or (self.pointer is None) == (self.xpath is None):
            raise ValueError(f"'at: {self.at}' needs either 'pointer' (JSON) or 'xpath' (XML), and no 'name'")
        if self.namespaces and self.xpath is None:
            raise ValueError("'namespaces' belong to 'xpath'")
        self.locator()
        return self

    def locator(self) -> Locator:
        """ValueError when the pointer or expression is none."""
        if self.name is not None:
            return LOCATORS[self.at](self.name)
        if self.pointer is not None:
            return LOCATORS["pointer"](self.pointer)
        return LOCATORS["xpath"](self.xpath, tuple(self.namespaces.items()))


def _nobody(value: object) -> object:
    return () if value == "none" else value


class EndpointSettings(Strict):
    match: EndpointMatch
    action: Bilingual
    categories: tuple[CategoryCode, ...] = ()
    purposes: tuple[Code, ...] = ()
    sensitivity: Literal["ordinary", "sensitive"] = "ordinary"
    subjects: Annotated[
        tuple[SubjectSettings, ...],
        BeforeValidator(_nobody, json_schema_input_type=Literal["none"] | tuple[SubjectSettings, ...]),
    ]
    disclosure: Literal["promised", "before_release"] = "promised"
    document: DocumentSettings | None = None
    return_reason: ReturnSettings | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.subjects and not (self.categories and self.purposes):
            raise ValueError("an endpoint about persons needs 'categories' and 'purposes'")
        if not self.subjects and (self.categories or self.purposes):
            raise ValueError("'categories' and 'purposes' belong to endpoints about persons")
        if (self.document or self.return_reason) and self.match[0] not in _WITH_BODY:
            raise ValueError("'document' and 'return_reason' stand in a body: POST, PUT or PATCH")
        return self

    @property
    def written(self) -> str:
        return f"{self.match[0]} {self.match[1].text}"


class ContractSettings(Strict):
    service: str  # a service in full, or a service code alone: of whichever client offers one under it
    codes: ExistingFile
    endpoints: Annotated[tuple[EndpointSettings, ...], Field(min_length=1)]


def contract_findings(settings: ContractSettings) -> Iterator[Finding]:
    """The contract against itself and its code lists."""
    seen: dict[tuple[str, str], int] = {}
    for i, endpoint in enumerate(settings.endpoints):
        method, template = endpoint.match
        twin = seen.setdefault((method, template.glob), i)
        if twin != i:
            yield Finding(("endpoints", i, "match"), f"the same calls as {settings.endpoints[twin].written!r}")
        for j, subject in enumerate(endpoint.subjects):
            if subject.at == "path" and subject.name not in template.parameters:
                yield Finding(("endpoints", i, "subjects", j, "name"), f"no parameter {subject.name!r} in the path")
    try:
        codes = load_codes(settings.codes)
    except SettingsError as e:
        yield from (Finding(("codes",), problem) for problem in e.problems)
        return
    for i, endpoint in enumerate(settings.endpoints):
        yield from _reasons_findings(endpoint, ("endpoints", i, "return_reason", "codes"))
        yield from _unknown(endpoint.purposes, codes.purposes, "purpose", ("endpoints", i, "purposes"))
        yield from _unknown(endpoint.categories, codes.categories, "category", ("endpoints", i, "categories"))


def _reasons_findings(endpoint: EndpointSettings, place: Place) -> Iterator[Finding]:
    if endpoint.return_reason is not None:
        try:
            load_reasons(endpoint.return_reason.codes)
        except SettingsError as e:
            yield from (Finding(place, problem) for problem in e.problems)


def _unknown(used: Iterable[str], known: Iterable[str], what: str, place: Place) -> Iterator[Finding]:
    known = list(known)
    for j, code in enumerate(used):
        if code not in known:
            yield Finding((*place, j), f"no {what} {code!r} in the code lists{nearest(code, known)}")


def load_contract(path: Path, service: str, endpoints: Iterable[Endpoint]) -> ContractSettings:
    """The contract of `service` (readable form), which must have exactly these endpoints. SettingsError with every problem."""
    settings, source = load_with_source(path, ContractSettings, contract_findings)
    problems = [source.problem(f) for f in _against_service(settings, service, tuple(endpoints))]
    if problems:
        raise SettingsError(problems)
    return settings


def _against_service(settings: ContractSettings, service: str, endpoints: tuple[Endpoint, ...]) -> Iterator[Finding]:
    if settings.service not in (service, service.rpartition("/")[2]):
        yield Finding(("service",), f"this is the contract of {settings.service!r}, used for {service!r}")
    offered = {f"{e.method} {e.path}" for e in endpoints}
    declared = {f"{e.match[0]} {e.match[1].glob}" for e in settings.endpoints}
    for i, endpoint in enumerate(settings.endpoints):
        if f"{endpoint.match[0]} {endpoint.match[1].glob}" not in offered:
            close = nearest(endpoint.written, offered)
            yield Finding(("endpoints", i, "match"), f"the service has no endpoint {endpoint.written!r}{close}")
    for missing in sorted(offered - declared):
        yield Finding(("endpoints",), f"the service's endpoint {missing!r} is missing: whom is it about?", at_key=True)


def build_contract(settings: ContractSettings, codes: CodesSettings) -> ServiceContract:
    """What core decides by."""
    return service_contract(tuple(_endpoint(e, codes) for e in settings.endpoints))


def _endpoint(settings: EndpointSettings, codes: CodesSettings) -> EndpointContract:
    method, template = settings.match
    return EndpointContract(
        method=method,
        template=template,
        categories=settings.categories,
        purposes=tuple(Purpose(code, codes.purposes[code].legal_bases) for code in settings.purposes),
        subjects=tuple(SubjectRule(s.locator(), s.kind, s.at == "response", s.optional) for s in settings.subjects),
        sensitivity=settings.sensitivity,
        before_release=settings.disclosure == "before_release",
    )
