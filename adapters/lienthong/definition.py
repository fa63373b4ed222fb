"""Procedures as data: which agencies, in which order, how long each has, whose consent, which clock the law runs.

Rule: a key that is not described here is an error. There is deliberately no key for what silence means: a consent that was not
given does not exist, and no definition can say otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from adapters.sdk import DefinitionError
from adapters.sdk.workingdays import WorkingDays
from gateway.pages.words import LOCAL

FOLDER = Path(__file__).parent / "definitions"

_SPAN = re.compile(r"([1-9][0-9]{0,3})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def _span(value: object) -> timedelta:
    """`3d`, `24h`, `30m`: real time, weekends and holidays too."""
    found = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("a span of time is a number and d, h or m: 3d, 24h")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


Span = Annotated[timedelta, BeforeValidator(_span)]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z_]{1,30}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(_Strict):
    vi: Annotated[str, Field(min_length=1)]
    en: Annotated[str, Field(min_length=1)]


class LegalClock(_Strict):
    """`days` from the opening; parents and office are warned `warn_days` before."""

    days: Annotated[int, Field(ge=1)]
    warn_days: Annotated[int, Field(ge=1)]
    legal_reference: str
    meaning: Words

    @model_validator(mode="after")
    def _warned_before(self) -> LegalClock:
        if self.warn_days >= self.days:
            raise ValueError("the warning comes before the end of the clock")
        return self


class ConsentRules(_Strict):
    """`remind`: days after the question; `expires`: when the question is closed as not answered, which is never a yes."""

    remind: Annotated[tuple[Span, ...], Field(min_length=1)]
    expires: Span
    refused_reason: str
    unanswered_reason: str
    legal_reference: str

    @model_validator(mode="after")
    def _in_order(self) -> ConsentRules:
        if list(self.remind) != sorted(set(self.remind)) or self.remind[-1] >= self.expires:
            raise ValueError("reminders come one after the other and before the expiry")
        return self


class LegDefinition(_Strict):
    """`opening`: was done by whoever opened the dossier. Else: `service` of the agency, `limit` for its work in real time, or
    `working_days` as the law gives them.

    `ask_again`: an overdue agency is asked again by itself when the limit is over and then at this distance, `most_asks` times in
    all. `documents`: of which earlier legs it is given what they gave. `undo`: what was done can be taken back. `result`: the name,
    in what the agency gives, of the number of what the applicant is given."""

    code: Code
    title: Words
    agency: Words
    opening: Literal[True] | None = None
    service: str | None = None
    purpose: str | None = None
    legal_basis: str | None = None
    limit: Span | None = None
    working_days: Annotated[int, Field(ge=1, le=365)] | None = None
    ask_again: Span | None = None
    most_asks: Annotated[int, Field(ge=1, le=50)] = 6
    documents: tuple[Code, ...] = ()
    consents: tuple[Code, ...] = ()
    undo: bool = False
    result: Code | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> LegDefinition:
        limits = (self.limit is not None) + (self.working_days is not None)
        work = (self.service, self.purpose, self.ask_again)
        if self.opening and (any(work) or limits or self.consents or self.undo or self.result):
            raise ValueError("the opening leg has no service, limit, consents, undo or result")
        if not self.opening and not (all(work) and limits == 1):
            raise ValueError("a leg has 'service', 'purpose', 'ask_again', and either 'limit' or 'working_days'")
        return self

    @property
    def time(self) -> timedelta:
        """For its work; of working days, each has 24 hours."""
        return self.limit or timedelta(days=self.working_days or 0)

    @property
    def client(self) -> str:
        """The subsystem whose leg this is, the only one that may report its outcome: `VN/GOV/G15/hotich`."""
        assert self.service is not None
        return self.service.rpartition("/")[0]


class Definition(_Strict):
    """`letters`: in the number of a dossier, 999-KS-2026-000001; `persons`: whom an opening names, by their part in it;
    `applicants`: of these, who is the applicant when an opening does not say, the first that it names."""

    _calendar: WorkingDays = PrivateAttr(default_factory=WorkingDays)
    procedure: Code
    letters: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    title: Words
    clock: LegalClock
    persons: tuple[Code, ...]
    applicants: tuple[Code, ...] = ()
    roles: Mapping[Code, Words]
    consent: ConsentRules | None = None
    legs: Annotated[tuple[LegDefinition, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _consistent(self) -> Definition:
        codes = [leg.code for leg in self.legs]
        if len(set(codes)) != len(codes):
            raise ValueError("two legs with one code")
        if not set(self.applicants) <= set(self.persons):
            raise ValueError("an applicant is one of the persons")
        if [leg.opening for leg in self.legs] != [True] + [None] * (len(codes) - 1):
            raise ValueError("the first leg and no other is the opening")
        for position, leg in enumerate(self.legs):
            if not set(leg.documents) <= set(codes[:position]):
                raise ValueError("a leg is given documents of legs before it")
        asked = [role for leg in self.legs for role in leg.consents]
        if len(set(asked)) != len(asked) or set(asked) != set(self.roles):
            raise ValueError("each role is asked for one leg, and each role that is asked has words")
        if bool(asked) != (self.consent is not None):
            raise ValueError("consents have rules: reminders, expiry, reasons")
        return self

    @property
    def calendar(self) -> WorkingDays:
        return self._calendar

    def counted_by(self, calendar: WorkingDays) -> Definition:
        """With the public holidays that its working days leave out."""
        found = self.model_copy()
        found._calendar = calendar
        return found

    def due(self, leg: LegDefinition, start: datetime, left: timedelta) -> datetime:
        """When `left` of a leg's time is over."""
        if leg.working_days is None:
            return start + left
        return self._calendar.add(start.astimezone(LOCAL), left).astimezone(start.tzinfo)

    def left(self, leg: LegDefinition, now: datetime, due: datetime) -> timedelta:
        """The other way round."""
        return due - now if leg.working_days is None else self._calendar.between(now.astimezone(LOCAL), due)

    def leg(self, code: str) -> LegDefinition | None:
        return next((leg for leg in self.legs if leg.code == code), None)


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice."""


def _unique(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    if len(set(keys)) != len(keys):
        raise yaml.constructor.ConstructorError(None, None, "a key stands twice", node.start_mark)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique)


def parse_definition(text: str, name: str) -> Definition:
    """DefinitionError, with everything that is wrong, unless the text is a complete definition."""
    try:
        return Definition.model_validate(yaml.load(text, _Loader))  # noqa: S506 - the loader is a SafeLoader
    except (ValidationError, yaml.YAMLError, RecursionError) as e:
        raise DefinitionError(f"{name}: {e}") from e


def load_definitions(folder: Path = FOLDER, calendar: WorkingDays | None = None) -> Mapping[str, Definition]:
    """By procedure; DefinitionError when a file is none, or two share a procedure or letters. `calendar`: of their working days;
    None: Monday to Friday."""
    found = [parse_definition(path.read_text("utf-8"), path.name) for path in sorted(folder.glob("*.yaml"))]
    for names in ([d.procedure for d in found], [d.letters for d in found]):
        if len(set(names)) != len(names):
            raise DefinitionError("two definitions share a procedure or letters")
    return {one.procedure: one.counted_by(calendar or WorkingDays()) for one in found}
