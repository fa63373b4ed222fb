"""Findings of a month as a report: facilities by how they sign, reasons by what they are. Pure sums; nothing about a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.core.content.finding import GOOD
from gateway.core.content.returns import ReturnCause
from gateway.core.documents.causes import Cause


@dataclass(frozen=True, slots=True)
class FindingSum:
    """How many messages of a client to a service had this cause. `subject`: facility or reason, empty when it could not be told."""

    client: str
    service: str
    subject: str
    cause: str
    messages: int
    refused: int


@dataclass(frozen=True, slots=True)
class FacilityLine:
    """One facility, or the client for documents that name none. `causes`: of those that were not good, the most frequent first."""

    facility: str
    documents: int
    good: int
    refused: int
    causes: Mapping[str, int]

    @property
    def unsigned(self) -> int:
        return self.causes.get(Cause.UNSIGNED.value, 0)

    @property
    def wrong(self) -> int:
        return self.documents - self.good - self.unsigned


@dataclass(frozen=True, slots=True)
class FacilityReport:
    """`lines`: facilities with most bad documents first. A facility is failing when one document of the month was not good."""

    lines: Sequence[FacilityLine]

    @property
    def facilities(self) -> int:
        return len(self.lines)

    @property
    def failing(self) -> int:
        return sum(line.good < line.documents for line in self.lines)

    @property
    def documents(self) -> int:
        return sum(line.documents for line in self.lines)

    @property
    def good(self) -> int:
        return sum(line.good for line in self.lines)

    @property
    def refused(self) -> int:
        return sum(line.refused for line in self.lines)

    @property
    def causes(self) -> Mapping[str, int]:
        """Of all documents that were not good, in the order of `Cause`."""
        found = sum((Counter(line.causes) for line in self.lines), Counter[str]())
        return {cause.value: found[cause.value] for cause in Cause if found[cause.value]}


def facility_report(sums: Iterable[FindingSum]) -> FacilityReport:
    """From sums of the rule `document`."""
    documents: dict[str, Counter[str]] = {}
    refused: Counter[str] = Counter()
    for found in sums:
        name = found.subject or found.client
        documents.setdefault(name, Counter())[found.cause] += found.messages
        refused[name] += found.refused
    lines = [_line(name, causes, refused[name]) for name, causes in documents.items()]
    return FacilityReport(sorted(lines, key=lambda line: (line.good - line.documents, line.facility)))


def _line(facility: str, causes: Counter[str], refused: int) -> FacilityLine:
    bad = {cause: n for cause, n in causes.most_common() if cause != GOOD}
    return FacilityLine(facility, causes.total(), causes[GOOD], refused, bad)


@dataclass(frozen=True, slots=True)
class AgencyLine:
    """How one client returned dossiers. `unlawful`: demands of papers that are not to be demanded, by reason."""

    client: str
    returns: int
    good: int
    unlawful: Mapping[str, int]
    refused: Mapping[str, int]


def return_report(sums: Iterable[FindingSum]) -> tuple[AgencyLine, ...]:
    """From sums of the rule `return`: clients with most refused or unlawful returns first."""
    by_client: dict[str, list[FindingSum]] = {}
    for found in sums:
        by_client.setdefault(found.client, []).append(found)
    lines = (_agency(client, found) for client, found in by_client.items())
    return tuple(sorted(lines, key=lambda line: (line.good - line.returns, line.client)))


def _agency(client: str, found: Sequence[FindingSum]) -> AgencyLine:
    unlawful: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for each in found:
        if each.cause == ReturnCause.UNLAWFUL.value:
            unlawful[each.subject] += each.messages
        elif each.cause != GOOD:
            refused[each.cause] += each.messages
    total = sum(each.messages for each in found)
    good = total - unlawful.total() - refused.total()
    return AgencyLine(client, total, good, dict(unlawful.most_common()), dict(refused.most_common()))
