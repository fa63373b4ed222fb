"""What the transparency log and its witnesses are measured by and warned of: figures in, metrics and problems out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.monitoring.health import Problem

_QUEUE_WARN, _QUEUE_FAIL = 10.0, 60.0  # seconds; the promise is two
_UNWITNESSED_WARN = 600.0


@dataclass(frozen=True, slots=True)
class ShardReading:
    """One year's log. `size`: committed, `published`: in the public checkpoint; None: not known. `waiting` entries, the oldest for
    `oldest` seconds. `unwitnessed`: seconds that the published checkpoint has lacked its quorum. `frozen`, `trouble`: in words."""

    year: str
    size: int | None
    published: int | None
    waiting: int
    oldest: float
    unwitnessed: float
    frozen: str | None
    trouble: str | None


@dataclass(frozen=True, slots=True)
class WitnessReading:
    """`sizes`: of the checkpoint cosigned last, by origin. The counters grow since start."""

    sizes: tuple[tuple[str, int], ...]
    cosigned: int
    refused: int


class LogCollector(Collector):
    """Register with the role's CollectorRegistry."""

    def __init__(self, shards: Callable[[], Iterable[ShardReading]], taken: Callable[[], int]) -> None:
        self._shards = shards
        self._taken = taken

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        found = tuple(self._shards())
        for name, text, read in (
            ("size", "Entries with a place in the log.", lambda s: s.size),
            ("published_size", "Entries in the published checkpoint.", lambda s: s.published),
            ("queue_entries", "Entries that wait for their place.", lambda s: s.waiting),
            ("queue_oldest_seconds", "How long the oldest of them has waited.", lambda s: s.oldest),
            ("unwitnessed_seconds", "How long the checkpoint has been without quorum.", lambda s: s.unwitnessed),
            ("frozen", "1: nothing is published any more, evidence is kept.", lambda s: int(s.frozen is not None)),
        ):
            family = GaugeMetricFamily(f"gateway_log_{name}", text, labels=("year",))
            for shard in found:
                value = read(shard)
                if value is not None:
                    family.add_metric((shard.year,), value)
            yield family
        taken = CounterMetricFamily("gateway_log_submitted_entries", "Entries submitted, repeated ones too.")
        taken.add_metric((), self._taken())
        yield taken


class WitnessCollector(Collector):
    """Register with the role's CollectorRegistry."""

    def __init__(self, read: Callable[[], WitnessReading]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        found = self._read()
        sizes = GaugeMetricFamily("gateway_witness_size", "Size of the checkpoint cosigned last.", labels=("origin",))
        for origin, size in found.sizes:
            sizes.add_metric((origin,), size)
        yield sizes
        answers = CounterMetricFamily("gateway_witness_answers", "Checkpoints judged.", labels=("outcome",))
        answers.add_metric(("cosigned",), found.cosigned)
        answers.add_metric(("refused",), found.refused)
        yield answers


def log_shard(shard: ShardReading) -> Iterator[Problem]:
    """Frozen is a failure: somebody has to find out what happened. Everything else heals."""
    key = f"log.{shard.year}"
    if shard.frozen is not None:
        yield Problem(
            f"{key}.frozen", "fail", f"The log of {shard.year} is frozen and its evidence kept: {shard.frozen}.",
            f"Nhật ký minh bạch năm {shard.year} đã bị đóng băng, chứng cứ được lưu giữ: {shard.frozen}.",
        )  # fmt: skip
    if shard.trouble is not None:
        yield Problem(
            f"{key}.trouble", "warn", f"The log of {shard.year} cannot sequence entries ({shard.trouble}).",
            f"Nhật ký minh bạch năm {shard.year} không xếp được bản ghi ({shard.trouble}).",
        )  # fmt: skip
    if shard.oldest > _QUEUE_WARN:
        seconds = int(shard.oldest)
        yield Problem(
            f"{key}.queue", "fail" if shard.oldest > _QUEUE_FAIL else "warn",
            f"Entries for the log of {shard.year} have waited for {seconds} s.",
            f"Bản ghi của nhật ký năm {shard.year} đã chờ {seconds} giây.",
        )  # fmt: skip
    if shard.unwitnessed > _UNWITNESSED_WARN:
        minutes = int(shard.unwitnessed / 60)
        yield Problem(
            f"{key}.witnesses", "warn", f"The log of {shard.year} has been without its witnesses for {minutes} min.",
            f"Nhật ký năm {shard.year} không được các bên làm chứng xác nhận đã {minutes} phút.",
        )  # fmt: skip


def coming_year(years: Iterable[int], now: datetime) -> Iterator[Problem]:
    """From December on the next year's log must have its keys; the present year's always."""
    known = set(years)
    if now.year not in known:
        yield Problem(
            "log.year", "fail", f"There are no keys for the log of {now.year}: its entries are not taken.",
            f"Chưa có khóa cho nhật ký năm {now.year}: không nhận được bản ghi.",
        )  # fmt: skip
    elif now.month == 12 and now.year + 1 not in known:
        yield Problem(
            "log.year", "warn", f"There are no keys for the log of {now.year + 1}: add them before it begins.",
            f"Chưa có khóa cho nhật ký năm {now.year + 1}: cần bổ sung trước khi sang năm mới.",
        )  # fmt: skip


def witness(reading: WitnessReading) -> Iterator[Problem]:
    """A witness that has cosigned nothing yet may be one that no log knows."""
    if not reading.sizes:
        yield Problem(
            "witness.silent", "warn", "No log has asked this witness for a cosignature yet.",
            "Chưa có nhật ký nào yêu cầu bên làm chứng này xác nhận.",
        )  # fmt: skip
