"""CPU and memory of running processes, from the kernel's own accounting (Linux)."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_EVERY = 0.2  # seconds between two looks at the memory of processes


def cpu_seconds(pids: Iterable[int]) -> float:
    """Time on a processor of all threads of these processes."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            total += int(task.read_text().split()[0])
    return total / 1e9


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            found += family(int(child))
    return found


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Where the median lies with a confidence of at least 95 %, whatever the distribution: the two values between which so many of
    tosses of a coin fall. Fewer than six values say nothing but their ends."""
    ordered, n = sorted(values), len(values)
    outside, cut = 0.5**n, 0
    while (outside := outside + math.comb(n, cut + 1) * 0.5**n) <= 0.025:
        cut += 1
    return ordered[cut], ordered[n - 1 - cut]


def rss_mb(pid: int) -> float:
    """Resident memory of one process."""
    return _kilobytes(Path(f"/proc/{pid}/status"), "VmRSS") / 1024


def family_mb(pid: int) -> float:
    """Resident memory of a process and its descendants, pages that they share counted once."""
    total = 0
    for member in family(pid):
        with contextlib.suppress(OSError):  # it has just ended
            total += _kilobytes(Path(f"/proc/{member}/smaps_rollup"), "Pss:")
    return total / 1024


def fdatasync_ms(folder: Path, times: int = 200) -> float:
    """Median time until 8 kB are on the disk of `folder`: what a commit cannot be faster than."""
    taken = []
    file = os.open(folder / "fdatasync", os.O_CREAT | os.O_WRONLY)
    try:
        for _ in range(times):
            began = time.perf_counter()
            os.write(file, bytes(8192))
            os.fdatasync(file)
            taken.append(time.perf_counter() - began)
    finally:
        os.close(file)
    return 1000 * statistics.median(taken)


def _kilobytes(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise ValueError(name)


class Peaks:
    """The most memory (MB) seen of servers and of PostgreSQL."""

    def __init__(self, servers: Mapping[str, int], postgres: int) -> None:
        self._pids, self._postgres_pid = dict(servers), postgres
        self.servers = dict.fromkeys(servers, 0.0)
        self.postgres = self.postgres_before = family_mb(postgres)

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_EVERY)

    def look(self) -> None:
        for name, pid in self._pids.items():
            self.servers[name] = max(self.servers[name], rss_mb(pid))
        self.postgres = max(self.postgres, family_mb(self._postgres_pid))
