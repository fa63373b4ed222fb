"""The catalogue: every text of the pages, Vietnamese and English, under a key that names its meaning; dates as each writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path

from markupsafe import Markup

from gateway.citizen.views import LOCAL, Language
from gateway.settings.loader import read_text
from gateway.settings.yaml12 import parse_documents

_FOLDER = Path(__file__).parent / "words"
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS = {
    "vi": ("Thứ Hai", "Thứ Ba", "Thứ Tư", "Thứ Năm", "Thứ Sáu", "Thứ Bảy", "Chủ Nhật"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Called with a key: its text with the values put in. The texts are ours and may hold markup; values are escaped."""

    language: Language
    texts: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> Markup:
        return Markup(self.texts[key]).format(**values)  # noqa: S704 - texts of our own files; format escapes the values

    def under(self, *prefixes: str) -> dict[str, str]:
        """All texts whose key begins so, for scripts."""
        return {key: text for key, text in self.texts.items() if key.startswith(prefixes)}

    def day(self, day: date) -> str:
        return f"{day.day}/{day.month}/{day.year}" if self.language == "vi" else _english(day)

    def weekday(self, day: date) -> str:
        return f"{_DAYS[self.language][day.weekday()]}, {self.day(day)}"

    def month(self, day: date) -> str:
        return f"{day.month}/{day.year}" if self.language == "vi" else f"{_MONTHS[day.month - 1][:3]} {day.year}"

    def short_month(self, day: date) -> str:
        """Under a column: the year only with January."""
        if self.language == "vi":
            return f"{day.month}/{day.year % 100}" if day.month == 1 else str(day.month)
        return _MONTHS[day.month - 1][:3]

    def moment(self, moment: datetime) -> str:
        """Date and time of day, local."""
        local = moment.astimezone(LOCAL)
        return self("at", time=local.strftime("%H:%M"), day=self.day(local.date()))

    def local(self, moment: datetime) -> date:
        """The day that a moment falls on here."""
        return moment.astimezone(LOCAL).date()

    def number(self, value: int) -> str:
        grouped = f"{value:,}"
        return grouped.replace(",", ".") if self.language == "vi" else grouped


def _english(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def load_catalogues() -> dict[Language, Catalogue]:
    languages: tuple[Language, ...] = ("vi", "en")
    return {language: Catalogue(language, _texts(language)) for language in languages}


@cache
def _texts(language: Language) -> Mapping[str, str]:
    path = _FOLDER / f"{language}.yaml"
    (document,) = parse_documents(read_text(path), str(path))
    texts: Mapping[str, str] = document.value
    return texts
