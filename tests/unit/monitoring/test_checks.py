from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.monitoring import checks
from gateway.monitoring.health import Problem
from gateway.monitoring.readings import CertificateReading

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def severities(problems: object) -> list[str]:
    found: list[Problem] = list(problems)  # type: ignore[call-overload]
    assert all(p.what and p.vi and p.what != p.vi for p in found)
    return [p.severity for p in found]


@pytest.mark.parametrize(
    ("left", "expected"),
    [(None, ["fail"]), (-1, ["fail"]), (0, ["fail"]), (1, ["warn"]), (59, ["warn"]), (60, []), (900, [])],
)
def test_global_configuration(left: int | None, expected: list[str]) -> None:
    expires = None if left is None else NOW + timedelta(seconds=left)
    assert severities(checks.global_configuration(expires, NOW, warn=timedelta(seconds=60))) == expected


@pytest.mark.parametrize(("days", "expected"), [(-3, ["fail"]), (0, ["fail"]), (29.9, ["warn"]), (30, [])])
def test_certificates(days: float, expected: list[str]) -> None:
    assert severities(checks.certificates([CertificateReading("auth", "VN/GOV/G01", days)], warn_days=30)) == expected


@pytest.mark.parametrize(
    ("age", "expected"), [(None, ["fail"]), (3601, ["fail"]), (3600, ["warn"]), (1801, ["warn"]), (1800, [])]
)
def test_ocsp(age: float | None, expected: list[str]) -> None:
    reading = CertificateReading("sign", "VN/GOV/G01", 100, age)
    assert severities(checks.ocsp([reading], fresh_seconds=3600)) == expected


def test_nobody_answers_for_the_internal_certificate() -> None:
    assert severities(checks.ocsp([CertificateReading("tls", "VN/GOV/G01", 100)], fresh_seconds=3600)) == []


@pytest.mark.parametrize(("lag", "expected"), [(None, ["fail"]), (0, []), (2, []), (2.1, ["warn"]), (31, ["fail"])])
def test_message_log(lag: float | None, expected: list[str]) -> None:
    assert severities(checks.message_log(lag, None, warn=2, fail=30)) == expected


@pytest.mark.parametrize(
    ("refusal", "en", "vi"),
    [("DiskFullError", "its disk is full", "ổ đĩa đã đầy"), ("ReadOnlyError", "ReadOnlyError", "ReadOnlyError")],
)
def test_a_database_that_takes_no_records(refusal: str, en: str, vi: str) -> None:
    (problem,) = checks.message_log(0.0, refusal, warn=2, fail=30)
    assert (problem.severity, en in problem.what, vi in problem.vi) == ("fail", True, True)


def test_a_database_that_is_away() -> None:
    assert severities(checks.database_away()) == ["fail"]


def test_problems_of_several_certificates_have_keys_of_their_own() -> None:
    readings = [CertificateReading(use, m, -1) for use in ("sign", "auth") for m in ("VN/GOV/G01", "VN/GOV/G02")]
    assert (
        len({p.key for p in (*checks.certificates(readings, warn_days=1), *checks.ocsp(readings, fresh_seconds=1))})
        == 8
    )


@pytest.mark.parametrize(
    ("known", "certificate", "unserved", "keyless", "expected"),
    [
        (True, True, [], [], []),
        (False, False, ["VN/GOV/G01/x"], ["VN/GOV/G01"], ["fail"]),
        (True, False, [], [], ["fail"]),
        (True, True, ["VN/GOV/G01/x", "VN/GOV/G01/y"], [], ["warn", "warn"]),
        (True, True, [], ["VN/GOV/G01"], ["warn"]),
    ],
)
def test_registration(
    known: bool, certificate: bool, unserved: list[str], keyless: list[str], expected: list[str]
) -> None:
    found = checks.registration(
        "VN/GOV/G01/ss1", known=known, certificate=certificate, unserved=unserved, keyless=keyless
    )
    assert severities(found) == expected


@pytest.mark.parametrize(
    ("policy", "overdue", "immediate", "severity"),
    [
        ("stop", False, False, "warn"),
        ("stop", True, False, "fail"),
        ("stop", False, True, "fail"),
        ("alert", False, False, "warn"),
        ("alert", True, False, "fail"),
        ("degrade", True, False, "warn"),
        ("degrade", False, True, "warn"),
    ],
)
def test_time_stamps(policy: str, overdue: bool, immediate: bool, severity: str) -> None:
    (problem,) = checks.time_stamps(
        90.0, "Demo TSA: it cannot be reached", policy=policy, overdue=overdue, immediate=immediate
    )
    assert problem.severity == severity
    for words in (problem.what, problem.vi):
        assert "Demo TSA: it cannot be reached" in words
        assert "90" in words
    assert ("no exchange runs" in problem.what) == (policy == "stop" and severity == "fail")


def test_archiving() -> None:
    assert list(checks.archiving(())) == []
    (problem,) = checks.archiving(["no space left"])
    assert problem.severity == "warn"
    assert "no space left" in problem.what
    assert "no space left" in problem.vi


def test_where_it_is_not_learnt_who_was_revoked() -> None:
    assert list(checks.document_signers({})) == []
    (problem,) = checks.document_signers({"http://crl/": "it does not answer"})
    assert (problem.key, problem.severity) == ("document_signers.http://crl/", "warn")
