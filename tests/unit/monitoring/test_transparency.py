"""The log's metrics and warnings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from gateway.monitoring.transparency import (
    LogCollector,
    ShardReading,
    WitnessCollector,
    WitnessReading,
    coming_year,
    log_shard,
    witness,
)

WELL = ShardReading("2026", 10, 9, 1, 0.2, 0.0, None, None)


def test_metrics() -> None:
    registry = CollectorRegistry()
    frozen = replace(WELL, year="2027", size=None, published=None, frozen="two histories")
    registry.register(LogCollector(lambda: (WELL, frozen), lambda: 5))
    registry.register(WitnessCollector(lambda: WitnessReading((("log.example", 7),), 3, 1)))
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    for line in (
        'gateway_log_size{year="2026"} 10.0',
        'gateway_log_published_size{year="2026"} 9.0',
        'gateway_log_queue_entries{year="2026"} 1.0',
        'gateway_log_frozen{year="2026"} 0.0',
        'gateway_log_frozen{year="2027"} 1.0',
        "gateway_log_submitted_entries_total 5.0",
        'gateway_witness_size{origin="log.example"} 7.0',
        'gateway_witness_answers_total{outcome="refused"} 1.0',
    ):
        assert line in lines
    assert not any(line.startswith('gateway_log_size{year="2027"}') for line in lines)  # absent is honest


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        (WELL, []),
        (replace(WELL, frozen="two histories"), [("log.2026.frozen", "fail")]),
        (replace(WELL, trouble="OSError"), [("log.2026.trouble", "warn")]),
        (replace(WELL, oldest=11.0), [("log.2026.queue", "warn")]),
        (replace(WELL, oldest=61.0), [("log.2026.queue", "fail")]),
        (replace(WELL, unwitnessed=599.0), []),
        (replace(WELL, unwitnessed=601.0), [("log.2026.witnesses", "warn")]),
    ],
)
def test_shards(reading: ShardReading, expected: list[tuple[str, str]]) -> None:
    found = list(log_shard(reading))
    assert [(p.key, p.severity) for p in found] == expected
    assert all("2026" in p.what and "2026" in p.vi for p in found)


@pytest.mark.parametrize(
    ("years", "month", "expected"),
    [
        ((2026,), 11, []),
        ((2026,), 12, ["warn"]),
        ((2026, 2027), 12, []),
        ((2025,), 1, ["fail"]),
        ((), 6, ["fail"]),
    ],
)
def test_years(years: tuple[int, ...], month: int, expected: list[str]) -> None:
    assert [p.severity for p in coming_year(years, datetime(2026, month, 1, tzinfo=UTC))] == expected


def test_witnesses() -> None:
    assert [p.severity for p in witness(WitnessReading((), 0, 0))] == ["warn"]
    assert list(witness(WitnessReading((("log.example", 7),), 3, 1))) == []
