"""`python -m tests.bench.accounted server …`: the gateway, with a stopwatch on what seals its log.

Processor time of the thread that does it, in the running server, with its cold caches. At its end it writes to the file that
`ACCOUNT` names how many records were sealed, and the seconds. What the stopwatch itself takes is not in them.
"""

from __future__ import annotations

import atexit
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gateway.app.cli import main
from gateway.core.sealing.access import seal_access
from gateway.core.sealing.records import seal_content
from gateway.messagelog import access, records, writer

ACCOUNT = "GATEWAY_BENCH_ACCOUNT"
_TRIES = 10_000


class Stopwatch:
    def __init__(self) -> None:
        self.nanoseconds = self.calls = 0

    def on(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            began = time.thread_time_ns()
            try:
                return work(*arguments)
            finally:
                self.nanoseconds += time.thread_time_ns() - began
                self.calls += 1

        return timed


def _write(path: Path, sealing: Stopwatch, others: Stopwatch) -> None:
    empty = Stopwatch()
    nothing = empty.on(lambda: None)
    for _ in range(_TRIES):
        nothing()
    calls = sealing.calls + others.calls
    spent = sealing.nanoseconds + others.nanoseconds - calls * empty.nanoseconds / empty.calls
    path.write_text(json.dumps({"records": sealing.calls, "seconds": spent / 1e9}))


if __name__ == "__main__":
    sealing, others = Stopwatch(), Stopwatch()
    vars(records)["seal_content"] = sealing.on(seal_content)
    vars(access)["seal_access"] = others.on(seal_access)
    for module in (access, writer):
        vars(module)["os"] = SimpleNamespace(urandom=others.on(os.urandom))
    atexit.register(_write, Path(os.environ[ACCOUNT]), sealing, others)
    main()
