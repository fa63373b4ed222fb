"""A whole country in which one provider's administrator takes a record back: the consumer's promise keeper names the provider, and
its proof holds for a stranger with nothing but public files."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.country import new_network
from tests.support.demo import Demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CALL = (
    "curl -s -o /dev/null -w '%{http_code}' -H 'X-Road-Client: VN/GOV/G22/dvc' "
    "http://127.0.10.4:8080/r1/VN/GOV/G01/dancu/person/v1/persons/999300000017"
)
TAKE_BACK = """
CREATE FUNCTION take_back() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN DELETE FROM access_record WHERE record_id = NEW.record_id; RETURN NULL; END $$;
"""


@pytest.fixture
def demo() -> Iterator[Demo]:
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    made = Demo(folder, new_network())
    _change(folder / "config/servers/G22.yaml", "max_delay: 24h", "max_delay: 10s, every: 1s")
    _change(folder / "config/servers/G22.yaml", "evidence: {", "evidence: {timestamps: {interval: 1s}, ")
    with (folder / "config/transparency.yaml").open("a") as file:
        file.write("sequencing: {republish: 2s}\n")
    try:
        yield made
    finally:
        made.clean_up()
        shutil.rmtree(folder, ignore_errors=True)


def _change(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def _states(demo: Demo) -> dict[str, int]:
    rows = asyncio.run(demo.sql("g22_ss1", "SELECT state, count(*) AS n FROM promise GROUP BY state"))
    return {row["state"]: row["n"] for row in rows}


def _until(demo: Demo, expected: dict[str, int], seconds: float = 90.0) -> None:
    began = time.monotonic()
    while (found := _states(demo)) != expected:
        assert time.monotonic() - began < seconds, found
        time.sleep(0.5)


def _health(demo: Demo) -> Any:
    address = f"{demo.network.rpartition('.')[0]}.0.1"
    try:
        with urllib.request.urlopen(f"http://{address}:9104/health") as answer:
            return json.load(answer)
    except urllib.error.HTTPError as e:
        return json.load(e)


def test_a_record_taken_back_is_proven(demo: Demo) -> None:
    demo.start(patience=180.0)
    call = CALL.replace("127.0.10", demo.network)
    assert demo.shell(call).stdout == "200"
    _until(demo, {"kept": 1})
    asyncio.run(demo.sql("g01_ss1", TAKE_BACK))
    trigger = "CREATE TRIGGER take_back AFTER INSERT ON access_record FOR EACH ROW EXECUTE FUNCTION take_back()"
    asyncio.run(demo.sql("g01_ss1", trigger))
    assert demo.shell(call).stdout == "200"
    _until(demo, {"kept": 1, "broken": 1})

    (proof,) = (demo.folder / "var/servers/VN-GOV-G22-ss1/promises").iterdir()  # and no wrong time
    assert b"999300000017" not in proof.read_bytes()
    told = [line for log in demo.logs().values() for line in log.splitlines() if "promise_broken" in line]
    assert [json.loads(line)["provider"] for line in told] == ["VN/GOV/G01"]
    while not (said := [p["what"] for p in _health(demo)["problems"] if "promised" in p["what"]]):
        time.sleep(0.2)  # told at the end of the keeper's round; the test's own time is bounded
    assert [what.split()[0] for what in said] == ["VN/GOV/G01"]

    shell = f"curl -s -o conf.zip http://{demo.network}.3:8080/verificationconf && .venv/bin/python -m gateway verify promise"
    given = f"{proof} --conf conf.zip --policy certs/out/log-policy.txt --json"
    accepted = demo.shell(f"{shell} {given} --max-delay 0.002")
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr
    assert json.loads(accepted.stdout)["verified"][0]["provider"] == "VN/GOV/G01/dancu"
    refused = demo.shell(f"{shell} {given}")  # 24 hours have not passed
    assert refused.returncode == 1
    assert [s["step"] for s in json.loads(refused.stdout)["verified"][0]["steps"] if not s["ok"]] == [6]
