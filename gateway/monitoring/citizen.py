"""The citizens' portal in figures and words: requests by kind and outcome, sign-ins, what it needs and does not reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram

from gateway.monitoring.health import Problem

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # seconds; a first page is to take a tenth


class PortalMetrics:
    """What the portal counts, with labels from closed sets only."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "gateway_citizen_requests", "Requests by kind and class of status.", ("kind", "status"), registry=registry
        )
        self._seconds = Histogram(
            "gateway_citizen_request_seconds", "Until the answer.", ("kind",), buckets=_BUCKETS, registry=registry
        )
        self._sign_ins = Counter("gateway_citizen_sign_ins", "Sign-ins by outcome.", ("outcome",), registry=registry)

    def answered(self, kind: str, status: int, seconds: float) -> None:
        self._requests.labels(kind, f"{status // 100}xx").inc()
        self._seconds.labels(kind).observe(seconds)

    def signed_in(self, outcome: str) -> None:
        self._sign_ins.labels(outcome).inc()


OWN_DATABASE, PUBLIC_LOG, IDENTITY = "own database", "public log", "identity provider"
_WORDS = {
    OWN_DATABASE: (
        "fail", "The portal's own database does not answer: nobody can sign in or read.",
        "Cơ sở dữ liệu của cổng không trả lời: không ai đăng nhập hay xem được.",
    ),
    PUBLIC_LOG: (
        "warn", "The public log does not answer: lists are shown, but no entry can be verified.",
        "Nhật ký công khai không trả lời: vẫn xem được danh sách nhưng không kiểm chứng được.",
    ),
    IDENTITY: (
        "fail", "The identity provider does not answer: nobody can sign in.",
        "Dịch vụ định danh không trả lời: không ai đăng nhập được.",
    ),
}  # fmt: skip


def reach(away: Iterable[str]) -> Iterator[Problem]:
    """`away`: what does not answer; other names are security servers, whose databases are read."""
    for name in sorted(away):
        severity, what, vi = _WORDS.get(
            name,
            (
                "fail",
                f"The database of {name} does not answer: no list is shown, as it would not be whole.",
                f"Cơ sở dữ liệu của {name} không trả lời: không hiển thị danh sách vì sẽ không đầy đủ.",
            ),
        )
        yield Problem(f"reach.{name}", "fail" if severity == "fail" else "warn", what, vi)


def undelivered() -> Iterator[Problem]:
    """Nobody configured how inquiries reach agencies."""
    yield Problem(
        "inquiries.kept", "warn", "Inquiries of citizens are not delivered: the section 'inquiries' is missing.",
        "Yêu cầu của người dân không được chuyển đi: thiếu mục 'inquiries' trong cấu hình.",
    )  # fmt: skip
