from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

from gateway.storage.uuids import new_uuid


def test_is_a_random_uuid_as_any_other() -> None:
    made = [new_uuid() for _ in range(200)]
    assert len(set(made)) == 200
    assert all(isinstance(u, UUID) and (u.version, u.variant) == (4, RFC_4122) for u in made)
    assert all(UUID(str(u)) == u and hash(UUID(str(u))) == hash(u) for u in made)
    changing = [{u.bytes[n] for u in made} for n in range(16)]
    assert all(len(values) > 8 for values in changing)  # no octet is constant but for version and variant


def test_threads_never_get_the_same() -> None:
    with ThreadPoolExecutor(4) as threads:
        made = [u for some in threads.map(lambda _: [new_uuid() for _ in range(300)], range(8)) for u in some]
    assert len(set(made)) == 2400


def test_nor_does_a_forked_process() -> None:
    program = (
        "import os; from gateway.storage.uuids import new_uuid; new_uuid()\n"
        "child = os.fork(); print(new_uuid(), flush=True)\n"
        "child and os.waitpid(child, 0)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout
    assert len(set(told.split())) == 2
