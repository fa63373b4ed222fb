"""Reports each stage and each finished exchange to the Observer port. Nothing here decides anything."""

from __future__ import annotations

import time
from types import TracebackType

from gateway.core.content.finding import Finding
from gateway.core.errors import GatewayError
from gateway.core.messages.rest import RestRequest
from gateway.exchange.ports import ExchangeSummary, Observer, Side


class _Stage:
    __slots__ = ("_name", "_started", "_watch")

    def __init__(self, watch: Watch, name: str) -> None:
        self._watch = watch
        self._name = name

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._watch.observer.stage(
            self._watch.side, self._name, "ok" if kind is None else "error", time.perf_counter() - self._started
        )


class Watch:
    """Observes one exchange. What is known of the message is told to it as it becomes known."""

    __slots__ = ("_started", "findings", "observer", "request", "request_bytes", "response_bytes", "side", "status")

    def __init__(self, observer: Observer, side: Side) -> None:
        self.observer = observer
        self.side = side
        self.request: RestRequest | None = None
        self.request_bytes = 0
        self.response_bytes = 0
        self.status: int | None = None
        self.findings: tuple[Finding, ...] = ()
        self._started = time.perf_counter()

    def stage(self, name: str) -> _Stage:
        return _Stage(self, name)

    def finished(self, error: BaseException | None) -> None:
        request = self.request
        failed = error.code if isinstance(error, GatewayError) else "internal_error"
        outcome = "ok" if error is None else failed
        self.observer.finished(
            ExchangeSummary(
                side=self.side,
                outcome=outcome,
                client=str(request.client) if request else "-",
                service=str(request.service) if request else "-",
                message_id=request.message_id if request else "-",
                request_id=request.request_id if request else "-",
                status=self.status,
                request_bytes=self.request_bytes,
                response_bytes=self.response_bytes,
                seconds=time.perf_counter() - self._started,
                findings=self.findings,
            )
        )
