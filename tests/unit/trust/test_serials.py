from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.core.errors import MalformedMessage
from gateway.trust.serials import SerialNumbers


def test_numbers_are_never_given_twice(tmp_path: Path) -> None:
    path = tmp_path / "serials"
    given = []
    for _ in range(3):  # each round as after a kill: the object is forgotten, the file stays
        numbers = SerialNumbers(path, block=5)
        given += [numbers.take() for _ in range(7)]
    assert len(set(given)) == 21
    assert given == sorted(given)


def test_two_processes_share_a_file(tmp_path: Path) -> None:
    a, b = SerialNumbers(tmp_path / "serials", block=3), SerialNumbers(tmp_path / "serials", block=3)
    given = [n.take() for _ in range(5) for n in (a, b)]
    assert len(set(given)) == 10


def test_a_block_is_durable_before_its_first_number(tmp_path: Path) -> None:
    assert SerialNumbers(tmp_path / "serials", block=10).take() == 1
    assert (tmp_path / "serials").read_bytes() == b"11\n"


@pytest.mark.parametrize("content", [b"", b"7", b"-7\n", b"0\n", b"7 \n", "٧\n".encode(), b"9" * 19 + b"\n"])
def test_a_damaged_file_gives_no_number(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "serials").write_bytes(content)
    with pytest.raises(MalformedMessage):
        SerialNumbers(tmp_path / "serials").take()


def test_no_number_when_the_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / ".serials.new").mkdir()
    numbers = SerialNumbers(tmp_path / "serials")
    for _ in range(2):
        with pytest.raises(OSError):
            numbers.take()
    (tmp_path / ".serials.new").rmdir()
    assert numbers.take() == 1


_TAKE_FOREVER = """
import sys
import subprocess
import sys
from pathlib import Path
from gateway.trust.serials import SerialNumbers
numbers = SerialNumbers(Path(sys.argv[1]), block=3)
while True:
    print(numbers.take(), flush=True)
"""


def test_a_killed_process_leaves_no_number_to_be_given_again(tmp_path: Path) -> None:
    given: list[int] = []
    for _ in range(2):
        with subprocess.Popen([sys.executable, "-c", _TAKE_FOREVER, tmp_path / "n"], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            given += [int(process.stdout.readline()) for _ in range(20)]
            process.kill()  # between any two of its instructions
            given += [int(line) for line in process.stdout if line.endswith(b"\n")]
    assert len(given) >= 40
    assert len(set(given)) == len(given)
