"""What `/metrics` asks the rest of the server at the moment of a scrape. Nothing here is on the path of an exchange.

Each reading is a function that `app/` hands in; the rooms themselves keep plain attributes and know nothing of Prometheus.
A reading that returns None, or fails, is left out of the answer: absent is honest, zero would look healthy. How many failed is
said beside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

T = TypeVar("T")
Reading = Callable[[], float | None]
CertificateUse = Literal["sign", "auth", "tls"]


def unknown() -> float | None:
    """The reading of something this server does not have."""
    return None


@dataclass(frozen=True, slots=True)
class CertificateReading:
    """`ocsp_age`: seconds since thisUpdate of the OCSP answer in hand; None when there is none. `serial`: hexadecimal, tells
    several certificates of a member apart."""

    use: CertificateUse
    member: str
    days_left: float
    ocsp_age: float | None = None
    serial: str = ""


def _no_certificates() -> Iterable[CertificateReading]:
    return ()


@dataclass(frozen=True, slots=True)
class Readings:
    """Ages and lags in seconds, sizes in bytes, `log_up` 1 or 0, `log_queue`, `unstamped` and `disclosure_waiting` in records,
    `promises_…` but the age in promised leaves, `promises_unjudged` in logs, `revoked` and `revocation_unanswered` in certificates
    of others. Counters grow only.

    `tls_handshakes` is by side (`client`: links to peers, `server`: peers to us); `verdict_hits` and `verdict_misses` by what
    is remembered (`signer`, `peer`).
    """

    log_up: Reading = unknown
    log_queue: Reading = unknown
    log_lag: Reading = unknown
    last_commit_age: Reading = unknown
    unstamped: Reading = unknown
    stamp_lag: Reading = unknown
    last_stamp_age: Reading = unknown
    stamped_records: Reading = unknown
    stamp_failures: Reading = unknown
    disclosure_waiting: Reading = unknown
    disclosure_age: Reading = unknown
    disclosure_submitted: Reading = unknown
    promises_waiting: Reading = unknown
    promises_age: Reading = unknown
    promises_overdue: Reading = unknown
    promises_cases: Reading = unknown
    promises_unjudged: Reading = unknown
    promises_kept: Reading = unknown
    promises_broken: Reading = unknown
    globalconf_age: Reading = unknown
    globalconf_left: Reading = unknown
    revoked: Reading = unknown
    revocation_unanswered: Reading = unknown
    chain_verifications: Reading = unknown
    ocsp_verifications: Reading = unknown
    certificates: Callable[[], Iterable[CertificateReading]] = _no_certificates
    connections: Mapping[str, Reading] = field(default_factory=dict)
    connections_refused: Mapping[str, Reading] = field(default_factory=dict)
    tls_handshakes: Mapping[str, Reading] = field(default_factory=dict)
    verdict_hits: Mapping[str, Reading] = field(default_factory=dict)
    verdict_misses: Mapping[str, Reading] = field(default_factory=dict)


class ReadingsCollector(Collector):
    """Register with the server's CollectorRegistry."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        self._failed = 0

    def describe(self) -> Iterable[Metric]:
        """Empty: registering must not call readings of rooms that are not started yet."""
        return ()

    def collect(self) -> Iterator[Metric]:
        r = self._readings
        self._failed = 0
        for name, text, read in (
            ("log_up", "1 while the message log's database answers and takes records.", r.log_up),
            ("log_queue_records", "Records waiting for the message log's next commit.", r.log_queue),
            ("log_lag_seconds", "How long the oldest waiting record has waited.", r.log_lag),
            ("log_last_commit_age_seconds", "Since the message log last committed.", r.last_commit_age),
            ("timestamp_waiting_records", "Records that wait for their time-stamp.", r.unstamped),
            ("timestamp_lag_seconds", "How long the oldest of them has waited.", r.stamp_lag),
            (
                "timestamp_last_success_age_seconds",
                "Since the last round of time-stamping succeeded.",
                r.last_stamp_age,
            ),
            ("disclosure_queue_records", "Access records the public log has not taken.", r.disclosure_waiting),
            ("disclosure_age_seconds", "How long the oldest of them has waited.", r.disclosure_age),
            ("promises_waiting", "Promised leaves without a verdict.", r.promises_waiting),
            ("promises_oldest_seconds", "How long the oldest of them has waited.", r.promises_age),
            ("promises_overdue", "Of them, beyond the longest delay.", r.promises_overdue),
            (
                "promises_open_cases",
                "Broken promises, and records dated wrongly, whose file lies in the folder.",
                r.promises_cases,
            ),
            ("promises_unjudged_logs", "Logs that cannot be judged now.", r.promises_unjudged),
            ("globalconf_age_seconds", "Since the global configuration was last refreshed.", r.globalconf_age),
            (
                "globalconf_expires_seconds",
                "Until the global configuration expires; below zero: it has.",
                r.globalconf_left,
            ),
            ("revoked_certificates", "Certificates of others that are refused because OCSP says revoked.", r.revoked),
            (
                "revocation_unanswered_certificates",
                "Certificates of others whose OCSP responder gave us no answer to be believed.",
                r.revocation_unanswered,
            ),
        ):
            yield self._gauge(name, text, read)
        yield from self._certificates()
        yield self._counters(
            "timestamped_records", "Records time-stamped by this server.", None, {"": r.stamped_records}
        )
        yield self._counters("timestamp_failures", "Rounds that no authority stamped.", None, {"": r.stamp_failures})
        yield self._counters("chain_verifications", "Certificate chains checked.", None, {"": r.chain_verifications})
        yield self._counters("ocsp_verifications", "OCSP answers checked.", None, {"": r.ocsp_verifications})
        submitted = {"": r.disclosure_submitted}
        yield self._counters("disclosure_submitted", "Access records the public log has taken.", None, submitted)
        verdicts = {"kept": r.promises_kept, "broken": r.promises_broken}
        yield self._counters("promises", "Verdicts on promised leaves.", "verdict", verdicts)

        yield self._gauges("connections", "Open connections.", "port", r.connections)
        refused = "Connections closed at once because the port had its most."
        yield self._counters("connections_refused", refused, "port", r.connections_refused)
        yield self._counters("tls_handshakes", "Full TLS handshakes with peers.", "side", r.tls_handshakes)
        yield self._counters("verdict_cache_hits", "Remembered verdicts used.", "of", r.verdict_hits)
        yield self._counters("verdict_cache_misses", "Verdicts worked out anew.", "of", r.verdict_misses)

        yield GaugeMetricFamily("gateway_readings_failed", "Readings of this scrape that failed.", self._failed)

    def _certificates(self) -> Iterator[Metric]:
        days = GaugeMetricFamily(
            "gateway_certificate_days_left", "Days until the certificate expires.", labels=("use", "member", "serial")
        )
        ages = GaugeMetricFamily(
            "gateway_ocsp_age_seconds", "Age of the OCSP answer in hand.", labels=("use", "member", "serial")
        )
        for certificate in self._read(lambda: tuple(self._readings.certificates())) or ():
            labels = (certificate.use, certificate.member, certificate.serial)
            days.add_metric(labels, certificate.days_left)
            if certificate.ocsp_age is not None:
                ages.add_metric(labels, certificate.ocsp_age)
        yield days
        yield ages

    def _gauge(self, name: str, text: str, read: Reading) -> Metric:
        family = GaugeMetricFamily(f"gateway_{name}", text, labels=())
        value = self._read(read)
        if value is not None:
            family.add_metric((), value)
        return family

    def _gauges(self, name: str, text: str, label: str, reads: Mapping[str, Reading]) -> Metric:
        family = GaugeMetricFamily(f"gateway_{name}", text, labels=(label,))
        for key, read in reads.items():
            value = self._read(read)
            if value is not None:
                family.add_metric((key,), value)
        return family

    def _counters(self, name: str, text: str, label: str | None, reads: Mapping[str, Reading]) -> Metric:
        family = CounterMetricFamily(f"gateway_{name}", text, labels=() if label is None else (label,))
        for key, read in reads.items():
            value = self._read(read)
            if value is not None:
                family.add_metric(() if label is None else (key,), value)
        return family

    def _read(self, read: Callable[[], T | None]) -> T | None:
        try:
            return read()
        except Exception:  # noqa: BLE001 - one room in trouble must not hide the figures of the others
            self._failed += 1
            return None
