"""The portal's lists: procedures that can be filed, and what each kind of notification says. A code keeps its meaning for ever."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Procedure:
    """`days`: until the result, by the published standard."""

    code: str
    title: tuple[str, str]
    agency: tuple[str, str]
    days: int


PROCEDURES = (
    Procedure("LT-KS", ("Liên thông khai sinh, thường trú, thẻ bảo hiểm y tế", "Linked birth registration"),
              ("Liên thông", "Several agencies"), 60),
    Procedure("LT-KT", ("Liên thông khai tử, xóa thường trú, mai táng phí", "Linked death registration"),
              ("Liên thông", "Several agencies"), 60),
    Procedure("HT-BS", ("Cấp bản sao trích lục hộ tịch", "Certified copy of a civil-status entry"),
              ("Bộ Tư pháp", "Ministry of Justice"), 1),
    Procedure("HT-KH", ("Đăng ký kết hôn", "Registration of a marriage"), ("Bộ Tư pháp", "Ministry of Justice"), 5),
    Procedure("BH-THE", ("Cấp lại thẻ bảo hiểm y tế", "Health-insurance card given again"),
              ("Bộ Tài chính", "Ministry of Finance"), 5),
    Procedure("CT-TT", ("Đăng ký thường trú", "Registration of residence"), ("Bộ Công an", "Ministry of Public Security"), 7),
    Procedure("CC-CD", ("Cấp đổi thẻ căn cước", "Identity card renewed"), ("Bộ Công an", "Ministry of Public Security"), 7),
)  # fmt: skip

CLOSED = ("finished", "withdrawn")

CONSENT_REQUEST, CONSENT_REMINDER, CONSENT_EXPIRED, RETURNED, RESULT, FINISHED = (
    "consent_request",
    "consent_reminder",
    "consent_expired",
    "returned",
    "result",
    "finished",
)
"""The first three, and the clock's, an agency sends by itself; the others follow from what it tells of the dossier."""

KINDS: Mapping[str, tuple[str, str]] = {
    CONSENT_REQUEST: (
        "Hồ sơ {dossier} cần sự đồng ý của bạn ({role}). Xin trả lời trên VNeID.",
        "Dossier {dossier} needs your consent ({role}). Please answer in VNeID.",
    ),
    CONSENT_REMINDER: (
        "Nhắc lần {count}: hồ sơ {dossier} vẫn chờ sự đồng ý của bạn ({role}). Im lặng không phải là đồng ý.",
        "Reminder {count}: dossier {dossier} still waits for your consent ({role}). Silence is no consent.",
    ),
    CONSENT_EXPIRED: (
        "Hồ sơ {dossier}: đã hết hạn xin sự đồng ý của bạn ({role}) mà chưa có câu trả lời. Im lặng không phải là đồng ý: hồ sơ"
        " được trả lại người nộp, và nếu được nộp lại, bạn sẽ được hỏi lại.",
        "Dossier {dossier}: the time to ask for your consent ({role}) is over without an answer. Silence is no consent: the dossier"
        " goes back to the applicant, and if it is submitted again you will be asked again.",
    ),
    "clock_near": (
        "Hồ sơ {dossier} sắp hết thời hạn theo luật.",
        "The legal time of dossier {dossier} is nearly over.",
    ),
    "clock_passed": (
        "Hồ sơ {dossier} đã quá thời hạn theo luật.",
        "The legal time of dossier {dossier} is over.",
    ),
    RETURNED: (
        "Hồ sơ {dossier} bị trả lại: {reference}. Xin bổ sung và nộp lại.",
        "Dossier {dossier} was returned: {reference}. Please correct and submit it again.",
    ),
    RESULT: (
        "Hồ sơ {dossier} có kết quả: {reference}.",
        "Dossier {dossier} has a result: {reference}.",
    ),
    FINISHED: (
        "Hồ sơ {dossier} đã giải quyết xong.",
        "Dossier {dossier} is finished.",
    ),
}
