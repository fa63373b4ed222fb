"""The catalogue: every text of a site, Vietnamese and English, under a key that names its meaning; dates as each writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Literal, Self, TypeAlias

import yaml
from markupsafe import Markup

Language: TypeAlias = Literal["vi", "en"]
LANGUAGES: tuple[Language, ...] = ("vi", "en")
PREFIX: Mapping[Language, str] = {"vi": "", "en": "/en"}
"""Of the addresses of a site's pages."""

LOCAL = timezone(timedelta(hours=7))  # Indochina time, without summer time
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DAYS = {
    "vi": ("Thứ Hai", "Thứ Ba", "Thứ Tư", "Thứ Năm", "Thứ Sáu", "Thứ Bảy", "Chủ Nhật"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Called with a key: its text with the values put in. The texts are ours and may hold markup; values are escaped."""

    language: Language
    texts: Mapping[str, str]

    @classmethod
    def load(cls, folder: Path) -> dict[Language, Self]:
        """`vi.yaml` and `en.yaml` of the folder: a mapping of keys to texts, and every scalar is a text."""
        return {language: cls(language, _texts(folder / f"{language}.yaml")) for language in LANGUAGES}

    def __call__(self, key: str, **values: object) -> Markup:
        return Markup(self.texts[key]).format(**values)  # noqa: S704 - texts of our own files; format escapes the values

    def under(self, *prefixes: str) -> dict[str, str]:
        """All texts whose key begins so, for scripts."""
        return {key: text for key, text in self.texts.items() if key.startswith(prefixes)}

    def day(self, day: date) -> str:
        if self.language == "vi":
            return f"{day.day}/{day.month}/{day.year}"
        return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"

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
        """Date and time of day, local; the text `at` says how they stand together."""
        local = moment.astimezone(LOCAL)
        return self("at", time=local.strftime("%H:%M"), day=self.day(local.date()))

    def local(self, moment: datetime) -> date:
        """The day that a moment falls on here."""
        return moment.astimezone(LOCAL).date()

    def number(self, value: int) -> str:
        grouped = f"{value:,}"
        return grouped.replace(",", ".") if self.language == "vi" else grouped


@cache
def _texts(path: Path) -> Mapping[str, str]:
    """Read once in a process."""
    texts: Mapping[str, str] = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - makes nothing but texts
    return texts
