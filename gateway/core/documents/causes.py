"""Why a document is not good: a closed list. Each word stands in fault codes, tables, metrics and reports, for good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from gateway.core.errors import GatewayError


class Cause(Enum):
    GOOD = "good"
    UNSIGNED = "unsigned"
    ALTERED = "altered"
    WRAPPED = "wrapped"
    UNTRUSTED = "untrusted"
    EXPIRED = "expired"
    REVOKED = "revoked"
    STATUS_UNKNOWN = "status_unknown"
    SIGNING_TIME = "signing_time"
    WEAK = "weak"
    FORM = "form"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class Words:
    vi: str
    en: str


WORDS: Mapping[Cause, Words] = {
    Cause.GOOD: Words("ký đúng", "signed as it should be"),
    Cause.UNSIGNED: Words("không ký số", "not signed"),
    Cause.ALTERED: Words("nội dung bị sửa sau khi ký", "altered after it was signed"),
    Cause.WRAPPED: Words("chữ ký không bao trùm tài liệu đã gửi", "signature that does not cover the document sent"),
    Cause.UNTRUSTED: Words("chứng thư số không được công nhận", "certificate that is not trusted"),
    Cause.EXPIRED: Words("chứng thư số hết hạn", "certificate that is not valid"),
    Cause.REVOKED: Words("chứng thư số đã bị thu hồi", "certificate that was revoked"),
    Cause.STATUS_UNKNOWN: Words(
        "chưa biết chứng thư số có bị thu hồi hay không", "certificate of which it is not known whether it was revoked"
    ),
    Cause.SIGNING_TIME: Words("thiếu hoặc sai thời điểm ký", "signing time missing or impossible"),
    Cause.WEAK: Words("thuật toán hoặc khóa yếu", "weak algorithm or key"),
    Cause.FORM: Words("chữ ký sai định dạng", "signature of a form that is not accepted"),
    Cause.MALFORMED: Words("không phải XML hợp lệ", "not XML as it is accepted"),
    Cause.TOO_LARGE: Words("quá lớn", "too large"),
}


class DocumentRejected(GatewayError):
    """A document that is not what its service contract demands. The sentence repeats nothing that stood in it."""

    default_code = "invalid_document"

    def __init__(self, cause: Cause, safe_detail: str) -> None:
        self.cause = cause
        super().__init__(safe_detail, code=f"{self.default_code}.{cause.value}")
