"""How long the stages of exchanges take, as one Prometheus histogram. Twelve observations an exchange make it worth its own few
lines: a list of counts is kept, and everything else is worked out when somebody asks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

BUCKETS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)  # seconds: from one signature to the longest service time-out
_BOUNDS = (*map(floatToGoString, BUCKETS), "+Inf")

Labels = tuple[str, str, str]


@dataclass(slots=True)
class _Times:
    """`counts`: of observations, one for each bound; `total`: seconds of all."""

    counts: list[int] = field(default_factory=lambda: [0] * len(_BOUNDS))
    total: float = 0.0


class StageTimes(Collector):
    """`gateway_stage_seconds` by side, stage and outcome. Belongs to one event loop, which serves the scrape as well."""

    def __init__(self) -> None:
        self._times: dict[Labels, _Times] = {}

    def observe(self, side: str, stages: Sequence[tuple[str, float]], *, failed: bool) -> None:
        """The stages of one exchange, each with its seconds. `failed`: the last of them did."""
        last = len(stages) - 1
        for number, (stage, seconds) in enumerate(stages):
            labels = (side, stage, "error" if failed and number == last else "ok")
            times = self._times.get(labels)
            if times is None:
                times = self._times[labels] = _Times()
            times.counts[bisect_left(BUCKETS, seconds)] += 1
            times.total += seconds

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(
            "gateway_stage_seconds", "Seconds one stage of an exchange took.", labels=("side", "stage", "outcome")
        )
        for labels, times in self._times.items():
            buckets = [(bound, float(total)) for bound, total in zip(_BOUNDS, accumulate(times.counts), strict=True)]
            family.add_metric(labels, buckets, times.total)
        yield family
