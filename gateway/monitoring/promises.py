"""What operators are told of promises: broken ones, and why others cannot be judged. A log that is away, one that does not verify
and one with two histories are three different things, and none of them is a missing entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from gateway.monitoring.health import Problem

_WHY = {
    "unknown": ("the policy does not name this log", "chính sách tin cậy không có nhật ký này"),
    "unreachable": ("the log does not answer", "nhật ký không trả lời"),
    "unverified": ("what the log shows does not verify", "dữ liệu của nhật ký không xác minh được"),
}


@dataclass(frozen=True, slots=True)
class PromiseReading:
    """`cases`: broken promises by provider whose proof lies in `folder`; `forks`, `misdated`: files about two histories and
    wrong times there; `trouble`: by origin what keeps its promises from being judged; `overdue`: promises without a verdict after
    `max_delay`."""

    cases: Mapping[str, int]
    forks: int
    misdated: int
    trouble: Mapping[str, Literal["unknown", "unreachable", "unverified", "two-histories"]]
    overdue: int
    max_delay: timedelta
    folder: str


def promises(reading: PromiseReading) -> Iterator[Problem]:
    for provider, count in sorted(reading.cases.items()):
        yield Problem(
            f"promises.broken.{provider}", "fail",
            f"{provider} promised {count} access record(s) that are not in the public log after {reading.max_delay}. "
            f"Proof: {reading.folder}. Move it to whoever deals with it.",
            f"{provider} đã cam kết {count} bản ghi truy cập nhưng không có trong nhật ký công khai sau {reading.max_delay}. "
            f"Bằng chứng: {reading.folder}. Hãy chuyển cho người xử lý.",
        )  # fmt: skip
    if reading.forks or "two-histories" in reading.trouble.values():
        yield Problem(
            "promises.fork", "fail", f"A public log shows two histories. Both are kept in {reading.folder}.",
            f"Một nhật ký công khai đưa ra hai lịch sử khác nhau. Cả hai được lưu tại {reading.folder}.",
        )  # fmt: skip
    if reading.misdated:
        yield Problem(
            "promises.time", "fail",
            f"{reading.misdated} access record(s) in the public log are dated before the request or after the answer that they are "
            f"of. See {reading.folder}, and ask the provider; move the files away when that is done.",
            f"{reading.misdated} bản ghi truy cập trong nhật ký công khai ghi thời điểm trước khi hỏi hoặc sau khi trả lời. "
            f"Xem {reading.folder} và hỏi nơi giữ dữ liệu; xong thì chuyển các tệp đi.",
        )  # fmt: skip
    for origin, kind in sorted(reading.trouble.items()):
        if kind in _WHY:
            en, vi = _WHY[kind]
            yield Problem(
                f"promises.log.{origin}", "warn", f"Promises in {origin} cannot be judged: {en}.",
                f"Chưa kiểm tra được các cam kết trong {origin}: {vi}.",
            )  # fmt: skip
    if reading.overdue:
        yield Problem(
            "promises.overdue", "fail",
            f"{reading.overdue} promised access record(s) were not seen in the public log after {reading.max_delay}, "
            "and nothing proves yet that they are missing.",
            f"{reading.overdue} bản ghi truy cập đã cam kết chưa thấy trong nhật ký công khai sau {reading.max_delay}, "
            "nhưng chưa đủ bằng chứng là bị thiếu.",
        )  # fmt: skip
