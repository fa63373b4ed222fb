"""How long the stages of exchanges take, as one Prometheus histogram. Twelve observations an exchange make it worth its own few
lines: a list of counts is kept, and everything else is worked out when somebody asks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
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


class StageTimes(Collector):
    """`gateway_stage_seconds` by side, stage and outcome. Belongs to one event loop, which serves the scrape as well."""

    def __init__(self) -> None:
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, labels: Labels, seconds: float) -> None:
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._counts[labels] = [0] * len(_BOUNDS)
            self._sums[labels] = 0.0
        counts[bisect_left(BUCKETS, seconds)] += 1
        self._sums[labels] += seconds

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(
            "gateway_stage_seconds", "Seconds one stage of an exchange took.", labels=("side", "stage", "outcome")
        )
        for labels, counts in self._counts.items():
            buckets = [(bound, float(total)) for bound, total in zip(_BOUNDS, accumulate(counts), strict=True)]
            family.add_metric(labels, buckets, self._sums[labels])
        yield family
