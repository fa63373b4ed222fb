"""Times the stages of an exchange and reports it, finished, to the Observer port. Nothing here decides anything."""

from __future__ import annotations

import time
from itertools import pairwise

from gateway.core.content.finding import Finding
from gateway.core.errors import GatewayError
from gateway.core.messages.rest import RestRequest
from gateway.exchange.ports import ExchangeSummary, Observer, Side


class Watch:
    """Observes one exchange. What is known of the message is told to it as it becomes known."""

    __slots__ = (
        "_begun",
        "_observer",
        "_side",
        "_started",
        "findings",
        "request",
        "request_bytes",
        "response_bytes",
        "status",
    )

    def __init__(self, observer: Observer, side: Side) -> None:
        self._observer = observer
        self._side = side
        self.request: RestRequest | None = None
        self.request_bytes = 0
        self.response_bytes = 0
        self.status: int | None = None
        self.findings: tuple[Finding, ...] = ()
        self._begun: list[tuple[str, float]] = []
        self._started = time.perf_counter()

    def stage(self, name: str) -> None:
        """The stage `name` begins here, and the one before it ends."""
        self._begun.append((name, time.perf_counter()))

    def finished(self, error: BaseException | None) -> None:
        request, ended = self.request, time.perf_counter()
        failed = error.code if isinstance(error, GatewayError) else "internal_error"
        self._observer.finished(
            ExchangeSummary(
                side=self._side,
                outcome="ok" if error is None else failed,
                client=str(request.client) if request else "-",
                service=str(request.service) if request else "-",
                message_id=request.message_id if request else "-",
                request_id=request.request_id if request else "-",
                status=self.status,
                request_bytes=self.request_bytes,
                response_bytes=self.response_bytes,
                seconds=ended - self._started,
                stages=tuple((name, end - begin) for (name, begin), (_, end) in pairwise((*self._begun, ("", ended)))),
                findings=self.findings,
            )
        )
