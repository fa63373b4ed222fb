"""The words of the usual checks. Pure: numbers in, problems out; `app/` binds them to the rooms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from gateway.monitoring.health import Problem
from gateway.monitoring.readings import CertificateReading

_USES = {
    "sign": ("signing", "ký số"),
    "auth": ("authentication", "xác thực máy chủ"),
    "tls": ("internal TLS", "TLS nội bộ"),
}


def global_configuration(expires: datetime | None, now: datetime, *, warn: timedelta) -> Iterator[Problem]:
    """`expires`: None = there is none."""
    if expires is None:
        yield Problem(
            "globalconf", "fail", "There is no global configuration; no exchange can run.",
            "Chưa có cấu hình toàn cục; không giao dịch nào thực hiện được.",
        )  # fmt: skip
    elif expires <= now:
        at = expires.isoformat(timespec="seconds")
        yield Problem(
            "globalconf", "fail", f"The global configuration expired at {at}; no exchange can run.",
            f"Cấu hình toàn cục đã hết hạn lúc {at}; không giao dịch nào thực hiện được.",
        )  # fmt: skip
    elif expires - now < warn:
        seconds = int((expires - now).total_seconds())
        yield Problem(
            "globalconf", "warn", f"The global configuration expires in {seconds} s and has not been renewed.",
            f"Cấu hình toàn cục sẽ hết hạn sau {seconds} giây và chưa được làm mới.",
        )  # fmt: skip


def certificates(readings: Iterable[CertificateReading], *, warn_days: float) -> Iterator[Problem]:
    for r in readings:
        use, vi = _USES[r.use]
        key = ".".join(filter(None, ("certificate", r.use, r.member, r.serial)))
        if r.days_left <= 0:
            yield Problem(
                key,
                "fail",
                f"The {use} certificate of {r.member} has expired.",
                f"Chứng thư {vi} của {r.member} đã hết hạn.",
            )
        elif r.days_left < warn_days:
            days = int(r.days_left)
            yield Problem(
                key, "warn", f"The {use} certificate of {r.member} expires in {days} days.",
                f"Chứng thư {vi} của {r.member} sẽ hết hạn sau {days} ngày.",
            )  # fmt: skip


def ocsp(readings: Iterable[CertificateReading], *, fresh_seconds: float) -> Iterator[Problem]:
    """`fresh_seconds`: the global configuration's `ocspFreshnessSeconds`; peers refuse older answers (reference 4.6)."""
    for r in readings:
        if r.use == "tls":
            continue  # the internal certificate is self-signed: nobody answers for it
        use, vi = _USES[r.use]
        key = f"ocsp.{r.use}.{r.member}"
        if r.ocsp_age is None or r.ocsp_age > fresh_seconds:
            yield Problem(
                key, "fail", f"There is no fresh OCSP answer for the {use} certificate of {r.member}; peers will refuse it.",
                f"Không có phản hồi OCSP còn mới cho chứng thư {vi} của {r.member}; các máy chủ khác sẽ từ chối.",
            )  # fmt: skip
        elif r.ocsp_age > fresh_seconds / 2:
            yield Problem(
                key, "warn", f"The OCSP answer for the {use} certificate of {r.member} is {int(r.ocsp_age)} s old.",
                f"Phản hồi OCSP cho chứng thư {vi} của {r.member} đã cũ {int(r.ocsp_age)} giây.",
            )  # fmt: skip


def document_signers(problems: Mapping[str, str]) -> Iterator[Problem]:
    """`problems`: by URL, why it was not learnt there who was revoked."""
    for url, why in sorted(problems.items()):
        yield Problem(
            f"document_signers.{url}", "warn", f"Revocations of document signers are not learnt from {url}: {why}",
            f"Không lấy được thông tin thu hồi chứng thư của người ký tài liệu từ {url}: {why}",
        )  # fmt: skip


_REFUSALS = {"DiskFullError": ("its disk is full", "ổ đĩa đã đầy")}


def message_log(lag: float | None, refusal: str | None, *, warn: float, fail: float) -> Iterator[Problem]:
    """`lag`: seconds the oldest waiting record has waited; None = the log cannot be reached. `refusal`: the kind of error with
    which its database refused the last records."""
    if refusal is not None:
        why, vi = _REFUSALS.get(refusal, (refusal, refusal))
        yield Problem(
            "messagelog.refused", "fail",
            f"The message log's database took no record the last time ({why}); exchanges fail until it does.",
            f"Cơ sở dữ liệu của nhật ký không nhận bản ghi ở lần ghi gần nhất ({vi}); giao dịch thất bại cho đến khi ghi được.",
        )  # fmt: skip
    if lag is None:
        yield Problem(
            "messagelog", "fail", "The message log cannot be reached; no exchange can run.",
            "Không kết nối được nhật ký thông điệp; không giao dịch nào thực hiện được.",
        )  # fmt: skip
    elif lag > warn:
        yield Problem(
            "messagelog", "fail" if lag > fail else "warn", f"The message log is {lag:.1f} s behind.",
            f"Nhật ký thông điệp đang chậm {lag:.1f} giây.",
        )  # fmt: skip


def registration(
    server: str, *, known: bool, certificate: bool, unserved: Iterable[str], keyless: Iterable[str]
) -> Iterator[Problem]:
    """What the global configuration says of us. `known`: this security server stands in it; `certificate`: with our authentication
    certificate; `unserved`: clients of ours that it does not list for this server; `keyless`: members of clients without a
    signing certificate of theirs here."""
    if not known:
        yield Problem(
            "registration.server", "fail", f"The global configuration has no security server {server}; peers will refuse it.",
            f"Cấu hình toàn cục không có máy chủ bảo mật {server}; các máy chủ khác sẽ từ chối.",
        )  # fmt: skip
        return
    if not certificate:
        yield Problem(
            "registration.certificate", "fail",
            f"Our authentication certificate is not registered for {server}; peers will refuse it.",
            f"Chứng thư xác thực chưa được đăng ký cho {server}; các máy chủ khác sẽ từ chối.",
        )  # fmt: skip
    for client in unserved:
        yield Problem(
            f"registration.client.{client}", "warn", f"{client} is not registered for this server: nobody can call it here.",
            f"{client} chưa được đăng ký trên máy chủ này: không ai gọi được qua đây.",
        )  # fmt: skip
    for member in keyless:
        yield Problem(
            f"registration.key.{member}", "warn",
            f"There is no signing certificate of {member} here: it can neither ask nor serve.",
            f"Không có chứng thư ký số của {member}; thông điệp của đơn vị này không ký được.",
        )  # fmt: skip


def database_away() -> Iterator[Problem]:
    """Of a role whose work is to write there."""
    yield Problem(
        "database", "fail", "The database does not answer; nothing is taken and nothing is written.",
        "Cơ sở dữ liệu không trả lời; không nhận và không ghi được gì.",
    )  # fmt: skip


def time_stamps(lag: float, problem: str, *, policy: str, overdue: bool, immediate: bool) -> Iterator[Problem]:
    """While time-stamping fails. `lag`: seconds the oldest record has waited for its stamp; `problem`: why, in words; `policy`:
    what the operator chose, as in `evidence.timestamps.when_unavailable`; `overdue`: `lag` is over the age chosen with it."""
    since, vi_since = f"The oldest record has waited for {int(lag)} s", f"bản ghi cũ nhất đã chờ {int(lag)} giây"
    if policy == "stop" and (overdue or immediate):
        yield Problem(
            "timestamps", "fail", f"No time-stamps, and no exchange runs without: {problem}. {since}.",
            f"Không có dấu thời gian nên không giao dịch nào được thực hiện: {problem}; {vi_since}.",
        )  # fmt: skip
    elif policy == "alert" and overdue:
        yield Problem(
            "timestamps", "fail", f"No time-stamps for too long; exchanges go on, their evidence weakens: {problem}. {since}.",
            f"Không có dấu thời gian quá lâu; giao dịch vẫn tiếp tục nhưng giá trị bằng chứng giảm: {problem}; {vi_since}.",
        )  # fmt: skip
    else:
        yield Problem(
            "timestamps", "warn", f"Records are not time-stamped at present: {problem}. {since}.",
            f"Hiện chưa đóng được dấu thời gian cho bản ghi: {problem}; {vi_since}.",
        )  # fmt: skip


def archiving(problems: Iterable[str]) -> Iterator[Problem]:
    """`problems`: of the last round of archiving, in words. Nothing is lost by them; the database grows."""
    for what in problems:
        yield Problem(
            "archiving", "warn", f"Records stay in the database, they could not be archived or removed: {what}.",
            f"Bản ghi vẫn nằm trong cơ sở dữ liệu vì chưa lưu trữ hoặc xóa được: {what}.",
        )  # fmt: skip


def no_public_log() -> Iterator[Problem]:
    yield Problem(
        "transparency", "warn", "Declared 'transparency: off': citizens are not told who asked for their data here.",
        "Đã khai báo 'transparency: off': người dân không biết ai đã tra cứu dữ liệu của họ tại đây.",
    )  # fmt: skip


_AT_LIMIT = {
    "stop": ("no call about persons is served", "không phục vụ yêu cầu nào về cá nhân"),
    "degrade": ("no sensitive call is served", "không phục vụ yêu cầu về dữ liệu nhạy cảm"),
    "alert": ("calls go on, as configured", "vẫn tiếp tục phục vụ, theo cấu hình"),
}


def public_log(waiting: int, seconds: float, *, alert: bool, at_limit: str | None) -> Iterator[Problem]:
    """`seconds`: age of the oldest access record that the public log has not taken; `at_limit`: what the policy does now, None
    below the limit."""
    if at_limit is not None:
        en, vi = _AT_LIMIT[at_limit]
        yield Problem(
            "transparency", "fail", f"{waiting} access records wait for the public log, the oldest for {int(seconds)} s: {en}.",
            f"{waiting} bản ghi truy cập đang chờ nhật ký công khai, lâu nhất {int(seconds)} giây: {vi}.",
        )  # fmt: skip
    elif alert:
        yield Problem(
            "transparency", "warn", f"{waiting} access records wait for the public log, the oldest for {int(seconds)} s.",
            f"{waiting} bản ghi truy cập đang chờ nhật ký công khai, lâu nhất {int(seconds)} giây.",
        )  # fmt: skip
