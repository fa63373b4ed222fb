"""Citizens' inquiries in figures and words, at an agency's server and at the portal. How many, never whose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.monitoring.health import Problem

_HOLIDAYS_WARN = timedelta(
    days=60
)  # before their list ends: a year's notice comes in the last weeks of the year before
_WAIT_WARN = 600.0  # seconds; a term is two working days at least


@dataclass(frozen=True, slots=True)
class InquiriesReading:
    """`open`: without an answer, `overdue` of them past their term. `waiting`: not yet delivered, the oldest for `oldest` seconds;
    None at an agency, which delivers none."""

    open: int
    overdue: int
    waiting: int | None = None
    oldest: float | None = None


class InquiriesCollector(Collector):
    """Register with the role's CollectorRegistry."""

    def __init__(self, read: Callable[[], InquiriesReading]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        found = self._read()
        for name, text, value in (
            ("open", "Inquiries of citizens without an answer.", found.open),
            ("overdue", "Those of them whose term has passed.", found.overdue),
            ("waiting", "Inquiries that are not delivered yet.", found.waiting),
            ("waiting_oldest_seconds", "How long the oldest of them has waited.", found.oldest),
        ):
            if value is not None:
                family = GaugeMetricFamily(f"gateway_inquiries_{name}", text)
                family.add_metric((), value)
                yield family


def to_answer(found: InquiriesReading) -> Iterator[Problem]:
    """At an agency's server."""
    if found.overdue:
        yield Problem(
            "inquiries.overdue", "warn", f"{found.overdue} inquiries of citizens are overdue: see `gateway inquiries list`.",
            f"{found.overdue} yêu cầu của người dân đã quá hạn trả lời: xem `gateway inquiries list`.",
        )  # fmt: skip


def to_deliver(found: InquiriesReading) -> Iterator[Problem]:
    """At the portal."""
    if found.waiting and (found.oldest or 0.0) > _WAIT_WARN:
        minutes = int((found.oldest or 0.0) / 60)
        yield Problem(
            "inquiries.waiting", "warn", f"{found.waiting} inquiries are not delivered, the oldest has waited for {minutes} min.",
            f"{found.waiting} yêu cầu chưa chuyển được, yêu cầu cũ nhất đã chờ {minutes} phút.",
        )  # fmt: skip
    if found.overdue:
        yield Problem(
            "inquiries.overdue", "warn", f"{found.overdue} inquiries have no answer and their term has passed.",
            f"{found.overdue} yêu cầu chưa được trả lời và đã quá hạn.",
        )  # fmt: skip


def holidays(known_until: date | None, today: date) -> Iterator[Problem]:
    """`known_until`: the last day of the list of public holidays; None: there is no list."""
    if known_until is None:
        yield Problem(
            "holidays", "warn", "There is no list of public holidays: terms of working days count them as working days.",
            "Chưa có danh sách ngày nghỉ lễ, tết: các thời hạn tính cả những ngày đó là ngày làm việc.",
        )  # fmt: skip
    elif known_until - today < _HOLIDAYS_WARN:
        yield Problem(
            "holidays", "warn", f"The list of public holidays ends on {known_until}; later ones would count as working days.",
            f"Danh sách ngày nghỉ lễ, tết chỉ đến {known_until:%d/%m/%Y}; các ngày nghỉ sau đó sẽ bị tính là ngày làm việc.",
        )  # fmt: skip
