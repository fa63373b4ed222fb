"""Kinds of numbers by which persons are known. One row a kind: the one spelling under which a person's records are kept.

Two spellings of one number would be two persons, one of them without records: what is not the canonical spelling, or made into
it by the rule of its kind, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.core.errors import MalformedMessage
from gateway.core.values import quick


@quick
@dataclass(frozen=True, slots=True)
class Person:
    """A person as a message names one. The number stays out of every representation that a log or traceback could show."""

    kind: str
    number: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PersonKind:
    """`pattern`: the canonical spelling; `any_case`: letters are made capitals first."""

    pattern: re.Pattern[str]
    any_case: bool = False

    def canonical(self, text: str) -> str:
        """MalformedMessage, which does not repeat the text, when it is no number of this kind."""
        number = text.upper() if self.any_case and text.isascii() else text
        if not self.pattern.fullmatch(number):
            raise MalformedMessage("a person's number is not of the kind that the service contract names")
        return number


KINDS: Mapping[str, PersonKind] = {
    # Số định danh cá nhân (Decree 137/2015, article 13): place, century and sex, year, six digits.
    "vn-personal-number": PersonKind(re.compile(r"[0-9]{12}", re.ASCII)),
    # Mã số bảo hiểm xã hội.
    "vn-social-insurance-number": PersonKind(re.compile(r"[0-9]{10}", re.ASCII)),
    # Country and personal code as other X-Road countries write them: EE12345678901.
    "national-code": PersonKind(re.compile(r"[A-Z]{2}[0-9A-Z]{1,30}", re.ASCII), any_case=True),
}


def person(kind: str, text: str) -> Person:
    """MalformedMessage when `text` is no number of this kind."""
    return Person(kind, KINDS[kind].canonical(text))
