from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from gateway.monitoring.readings import CertificateReading, Readings, ReadingsCollector


def registry(readings: Readings) -> CollectorRegistry:
    made = CollectorRegistry()
    made.register(ReadingsCollector(readings))
    return made


def test_readings_are_taken_at_each_scrape() -> None:
    values = iter([3.0, 5.0])
    asked = registry(Readings(log_queue=lambda: next(values)))
    assert asked.get_sample_value("gateway_log_queue_records") == 3.0
    assert asked.get_sample_value("gateway_log_queue_records") == 5.0


def test_registering_asks_nothing() -> None:
    def broken() -> float:
        raise AssertionError("asked before a scrape")

    registry(Readings(log_queue=broken))


def test_what_is_unknown_is_absent_not_zero() -> None:
    samples = [s for family in registry(Readings()).collect() for s in family.samples]
    assert [(s.name, s.value) for s in samples] == [("gateway_readings_failed", 0.0)]


def test_one_room_in_trouble_does_not_hide_the_others() -> None:
    def broken() -> float:
        raise RuntimeError("not started")

    def no_certificates() -> list[CertificateReading]:
        raise RuntimeError("not started")

    asked = registry(Readings(log_queue=broken, log_lag=lambda: 1.0, certificates=no_certificates))
    assert asked.get_sample_value("gateway_log_queue_records") is None
    assert asked.get_sample_value("gateway_log_lag_seconds") == 1.0
    assert asked.get_sample_value("gateway_readings_failed") == 2.0
    assert asked.get_sample_value("gateway_readings_failed") == 2.0


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("gateway_log_lag_seconds", {}, 1.0),
        ("gateway_log_last_commit_age_seconds", {}, 2.0),
        ("gateway_globalconf_age_seconds", {}, 3.0),
        ("gateway_globalconf_expires_seconds", {}, -4.0),
        ("gateway_chain_verifications_total", {}, 6.0),
        ("gateway_ocsp_verifications_total", {}, 7.0),
        ("gateway_tls_handshakes_total", {"side": "server"}, 8.0),
        ("gateway_verdict_cache_hits_total", {"of": "signer"}, 9.0),
        ("gateway_verdict_cache_misses_total", {"of": "peer"}, 10.0),
        ("gateway_certificate_days_left", {"use": "sign", "member": "VN/GOV/G01", "serial": "5f"}, 30.5),
        ("gateway_ocsp_age_seconds", {"use": "sign", "member": "VN/GOV/G01", "serial": "5f"}, 61.0),
    ],
)
def test_each_reading_has_its_metric(name: str, labels: dict[str, str], value: float) -> None:
    readings = Readings(
        log_lag=lambda: 1.0,
        last_commit_age=lambda: 2.0,
        globalconf_age=lambda: 3.0,
        globalconf_left=lambda: -4.0,
        chain_verifications=lambda: 6.0,
        ocsp_verifications=lambda: 7.0,
        tls_handshakes={"server": lambda: 8.0},
        verdict_hits={"signer": lambda: 9.0},
        verdict_misses={"peer": lambda: 10.0},
        certificates=lambda: (
            CertificateReading("sign", "VN/GOV/G01", 30.5, 61.0, "5f"),
            CertificateReading("tls", "VN/GOV/G01", 400.0, serial="60"),
        ),
    )
    assert registry(readings).get_sample_value(name, labels) == value
    unknown = {"use": "tls", "member": "VN/GOV/G01", "serial": "60"}
    assert registry(readings).get_sample_value("gateway_ocsp_age_seconds", unknown) is None
