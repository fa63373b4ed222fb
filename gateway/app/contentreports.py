"""`python -m gateway documents report` and `returns report`: a month of findings of one security server, whether it runs or not.

Tables are for people, in Vietnamese and English; `--csv` and `--json` for the report to the ministry. Nothing in them is about a
person.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

from gateway.app.sources import database_source, settings_of
from gateway.core.content.finding import Rule
from gateway.core.content.statistics import AgencyLine, FacilityReport, FindingSum, facility_report, return_report
from gateway.core.documents.causes import WORDS, Cause
from gateway.messagelog.findings import sums
from gateway.storage.database import open_database

Form: TypeAlias = Literal["table", "csv", "json"]

_MOST_LINES = 40  # of a table; the other forms have all


async def documents_report(configs: Path, server: str, month: datetime, form: Form) -> str:
    """Facilities by how they signed in a month, Vietnam's time."""
    return print_facilities(
        facility_report(await _findings(configs, server, "document", month)), form, f"{month:%Y-%m}"
    )


async def returns_report(configs: Path, server: str, month: datetime, form: Form) -> str:
    """Returned dossiers by agency in a month, Vietnam's time."""
    return print_agencies(return_report(await _findings(configs, server, "return", month)), form, f"{month:%Y-%m}")


async def _findings(configs: Path, server: str, rule: Rule, month: datetime) -> Sequence[FindingSum]:
    database = await open_database(database_source(settings_of(configs, server)), connections=2, read_only=True)
    try:
        return await sums(database.pool, rule, month.date())
    finally:
        await database.close()


def print_facilities(report: FacilityReport, form: Form, month: str) -> str:
    """A whole text with its last line break."""
    if form == "json":
        head = {
            "month": month,
            "facilities": report.facilities,
            "failing": report.failing,
            "documents": report.documents,
        }
        rest = {"good": report.good, "refused": report.refused, "causes": report.causes}
        return _json({**head, **rest, "by_facility": [asdict(line) for line in report.lines]})
    if form == "csv":
        causes = [cause.value for cause in Cause if cause is not Cause.GOOD]
        rows = (
            (x.facility, x.documents, x.good, x.refused, *(x.causes.get(c, 0) for c in causes)) for x in report.lines
        )
        return _csv(("facility", "documents", "good", "refused", *causes), rows)
    return "\n".join([*_facility_table(report, month), ""])


def _facility_table(report: FacilityReport, month: str) -> Iterator[str]:
    share = 100 * report.failing / report.facilities if report.facilities else 0.0
    yield f"{month}: {report.failing:,} / {report.facilities:,} cơ sở không ký số hoặc ký sai ({share:.1f} %)"
    yield f"{'':<9}{report.failing:,} of {report.facilities:,} facilities do not sign, or sign wrongly ({share:.1f} %)"
    yield f"tài liệu / documents: {report.documents:,}, ký đúng / good: {report.good:,}, từ chối / refused: {report.refused:,}"
    for cause, n in report.causes.items():
        words = WORDS[Cause(cause)]
        yield f"  {n:>9,}  {words.vi} / {words.en}"
    yield f"{'cơ sở / facility':<24}{'tài liệu':>10}{'ký đúng':>10}{'không ký':>10}{'ký sai':>10}"
    for line in report.lines[:_MOST_LINES]:
        yield f"{line.facility:<24}{line.documents:>10,}{line.good:>10,}{line.unsigned:>10,}{line.wrong:>10,}"
    yield from _omitted(len(report.lines))


def print_agencies(lines: Sequence[AgencyLine], form: Form, month: str) -> str:
    """A whole text with its last line break."""
    if form == "json":
        totals = {"returns": sum(x.returns for x in lines), "good": sum(x.good for x in lines)}
        unlawful, refused = (sum(n for x in lines for n in of(x)) for of in (_unlawful, _refused))
        head = {"month": month, **totals, "unlawful_demands": unlawful, "refused": refused}
        return _json({**head, "by_agency": [asdict(line) for line in lines]})
    if form == "csv":
        rows = ((x.client, kind, code, n) for x in lines for kind, code, n in _details(x))
        return _csv(("agency", "kind", "code", "returns"), rows)
    return "\n".join([*_agency_table(lines, month), ""])


def _agency_table(lines: Sequence[AgencyLine], month: str) -> Iterator[str]:
    total, unlawful = sum(x.returns for x in lines), sum(n for x in lines for n in _unlawful(x))
    refused = sum(n for x in lines for n in _refused(x))
    yield f"{month}: {total:,} lần trả hồ sơ / returns"
    yield f"  {refused:>9,}  bị từ chối vì lý do không hợp lệ / refused for their reason"
    yield f"  {unlawful:>9,}  đòi giấy tờ trái Nghị định 63/2024 / papers demanded against Decree 63/2024"
    for line in lines[:_MOST_LINES]:
        yield f"{line.client}: {line.returns:,}"
        yield from (f"  {n:>9,}  {kind} {code}".rstrip() for kind, code, n in _details(line))
    yield from _omitted(len(lines))


def _details(line: AgencyLine) -> Iterator[tuple[str, str, int]]:
    yield "good", "", line.good
    yield from (("unlawful_demand", code, n) for code, n in line.unlawful.items())
    yield from (("refused", cause, n) for cause, n in line.refused.items())


def _unlawful(line: AgencyLine) -> Iterable[int]:
    return line.unlawful.values()


def _refused(line: AgencyLine) -> Iterable[int]:
    return line.refused.values()


def _omitted(lines: int) -> Iterator[str]:
    if lines > _MOST_LINES:
        yield f"… {lines - _MOST_LINES:,} (--csv, --json)"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def _csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    return text.getvalue()
