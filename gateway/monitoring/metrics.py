"""The Observer port as Prometheus metrics and log lines.

Few labels, each from a closed set: side, stage, outcome; rule, policy and cause of what was found in a message. Everything
belongs to one CollectorRegistry that `app/` makes, so that two servers in one process do not share counters.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from gateway.exchange.ports import ExchangeSummary
from gateway.monitoring.line import ExchangeLine
from gateway.monitoring.outcomes import OK, outcome_label
from gateway.monitoring.stages import StageTimes


class PrometheusObserver:
    """Implements `exchange.ports.Observer`. Children are kept in plain dictionaries: `labels()` costs more than `observe()`."""

    def __init__(self, registry: CollectorRegistry, line: ExchangeLine) -> None:
        self._line = line
        self._stages = StageTimes()
        registry.register(self._stages)
        self._exchanges = Counter(
            "gateway_exchanges", "Finished exchanges by outcome.", ("side", "outcome"), registry=registry
        )
        self._bytes = Counter(
            "gateway_message_bytes",
            "Bytes of message parts and bodies, before framing and TLS.",
            ("side", "direction"),
            registry=registry,
        )
        self._lost_lines = Counter(
            "gateway_log_lines_lost", "Exchange lines that standard error did not take.", registry=registry
        )
        self._findings = Counter(
            "gateway_content_findings",
            "Signed documents and reasons of returns in requests, by what was found.",
            ("rule", "policy", "cause"),
            registry=registry,
        )
        self._outcomes: dict[tuple[str, str], Counter] = {}
        self._directions = {
            (side, direction): self._bytes.labels(side, direction)
            for side in ("client", "server")
            for direction in ("request", "response")
        }

    def finished(self, summary: ExchangeSummary) -> None:
        """Counts, and writes the line. A full disk or a closed pipe behind standard error must not end exchanges."""
        self._stages.observe(summary.side, summary.stages, failed=summary.outcome != OK)
        key = (summary.side, outcome_label(summary.outcome))
        child = self._outcomes.get(key)
        if child is None:
            child = self._outcomes[key] = self._exchanges.labels(*key)
        child.inc()
        for found in summary.findings:
            self._findings.labels(found.rule, found.policy.value, found.cause).inc()
        self._directions[summary.side, "request"].inc(summary.request_bytes)
        self._directions[summary.side, "response"].inc(summary.response_bytes)
        try:
            self._line.write(summary)
        except (OSError, ValueError):  # ValueError: the stream was closed
            self._lost_lines.inc()
