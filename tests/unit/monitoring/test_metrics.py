from __future__ import annotations

import io
from dataclasses import replace

from prometheus_client import CollectorRegistry, generate_latest

from gateway.core.content.finding import Finding, Policy
from gateway.exchange.ports import Observer
from gateway.monitoring.line import ExchangeLine
from gateway.monitoring.logs import LineLog
from gateway.monitoring.metrics import PrometheusObserver
from gateway.monitoring.stages import BUCKETS
from tests.unit.monitoring.test_line import SUMMARY


def observer(stream: io.StringIO | None = None) -> tuple[PrometheusObserver, CollectorRegistry]:
    registry = CollectorRegistry()
    return PrometheusObserver(registry, ExchangeLine(LineLog(stream or io.StringIO(), console=False))), registry


def test_it_is_an_observer() -> None:
    port: Observer = observer()[0]
    assert port


def test_stages_go_into_one_histogram() -> None:
    watching, registry = observer()
    watching.finished(replace(SUMMARY, stages=(("sign", 0.0002), ("log", 0.01))))
    watching.finished(replace(SUMMARY, stages=(("admit", 0.01), ("sign", 0.004))))
    watching.finished(replace(SUMMARY, outcome="signer.io_error", stages=(("admit", 0.01), ("sign", 100.0))))
    labels = {"side": "client", "stage": "sign", "outcome": "ok"}
    assert registry.get_sample_value("gateway_stage_seconds_count", labels) == 2
    assert registry.get_sample_value("gateway_stage_seconds_bucket", {**labels, "le": "0.00025"}) == 1
    error = {**labels, "outcome": "error"}
    assert registry.get_sample_value("gateway_stage_seconds_count", {**labels, "stage": "admit"}) == 2
    assert registry.get_sample_value("gateway_stage_seconds_sum", error) == 100.0
    assert registry.get_sample_value("gateway_stage_seconds_bucket", {**error, "le": "60.0"}) == 0
    assert registry.get_sample_value("gateway_stage_seconds_bucket", {**error, "le": "+Inf"}) == 1


def test_buckets_rise_from_a_tenth_of_a_millisecond_to_a_minute() -> None:
    assert (BUCKETS[0], BUCKETS[-1]) == (0.0001, 60.0)
    assert list(BUCKETS) == sorted(set(BUCKETS))


def test_exchanges_and_bytes_are_counted() -> None:
    watching, registry = observer()
    watching.finished(SUMMARY)
    watching.finished(replace(SUMMARY, outcome="Server.ServerProxy.Whatever", response_bytes=0))
    count = registry.get_sample_value
    assert count("gateway_exchanges_total", {"side": "client", "outcome": "ok"}) == 1
    assert count("gateway_exchanges_total", {"side": "client", "outcome": "server.serverproxy.other"}) == 1
    assert count("gateway_message_bytes_total", {"side": "client", "direction": "request"}) == 2000
    assert count("gateway_message_bytes_total", {"side": "client", "direction": "response"}) == 24
    assert count("gateway_message_bytes_total", {"side": "server", "direction": "request"}) == 0


def test_a_closed_log_stream_ends_no_exchange_and_is_counted() -> None:
    stream = io.StringIO()
    watching, registry = observer(stream)
    stream.close()
    watching.finished(SUMMARY)
    assert registry.get_sample_value("gateway_log_lines_lost_total") == 1
    assert registry.get_sample_value("gateway_exchanges_total", {"side": "client", "outcome": "ok"}) == 1


def test_two_servers_in_one_process_count_apart() -> None:
    one, first = observer()
    _, second = observer()
    one.finished(SUMMARY)
    assert first.get_sample_value("gateway_exchanges_total", {"side": "client", "outcome": "ok"}) == 1
    assert second.get_sample_value("gateway_exchanges_total", {"side": "client", "outcome": "ok"}) is None


def test_no_metric_knows_a_message_or_an_organisation() -> None:
    watching, registry = observer()
    watching.finished(replace(SUMMARY, stages=(("sign", 0.1),)))
    allowed = {"side", "stage", "outcome", "direction", "le"}
    assert {label for family in registry.collect() for s in family.samples for label in s.labels} <= allowed


def test_what_was_found_in_messages_is_counted_without_naming_anybody() -> None:
    watching, registry = observer()
    found = Finding("document", Policy.WARN, "unsigned", "99901", refuse=False)
    watching.finished(replace(SUMMARY, findings=(found, found)))
    labels = {"rule": "document", "policy": "warn", "cause": "unsigned"}
    assert registry.get_sample_value("gateway_content_findings_total", labels) == 2
    assert b"99901" not in generate_latest(registry)
