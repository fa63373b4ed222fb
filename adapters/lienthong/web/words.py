"""The catalogue: every text of the pages in both languages, under a key that names its meaning; dates as each writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import yaml
from markupsafe import Markup

from adapters.lienthong.definition import Words

Language = Literal["vi", "en"]
LANGUAGES: tuple[Language, ...] = ("vi", "en")
LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
_FOLDER = Path(__file__).parent / "words"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Called with a key: its text with the values put in, escaped. The texts are ours and may hold markup."""

    language: Language
    texts: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> Markup:
        return Markup(self.texts[key]).format(**values)  # noqa: S704 - texts of our own files; format escapes the values

    def of(self, words: Words) -> str:
        return words.vi if self.language == "vi" else words.en

    def day(self, day: date) -> str:
        return f"{day.day}/{day.month}/{day.year}" if self.language == "vi" else f"{day:%d %b %Y}"

    def moment(self, moment: datetime) -> str:
        local = moment.astimezone(LOCAL)
        return self("at", time=local.strftime("%H:%M"), day=self.day(local.date()))

    def local_day(self, moment: datetime) -> str:
        return self.day(moment.astimezone(LOCAL).date())

    def span(self, span: timedelta | float) -> Markup:
        """The largest unit only."""
        seconds = span.total_seconds() if isinstance(span, timedelta) else span
        for key, size in (("days", 86400), ("hours", 3600)):
            if seconds >= size:
                return self(key, n=self.number(int(seconds // size)))
        return self("minutes", n=int(max(0.0, seconds) // 60))

    def number(self, value: int) -> str:
        grouped = f"{value:,}"
        return grouped.replace(",", ".") if self.language == "vi" else grouped

    def percent(self, share: float) -> Markup:
        text = f"{share * 100:.1f}"
        return self("percent", n=text.replace(".", ",") if self.language == "vi" else text)


def load_catalogues() -> dict[Language, Catalogue]:
    return {language: Catalogue(language, _texts(language)) for language in LANGUAGES}


@cache
def _texts(language: Language) -> Mapping[str, str]:
    texts: Mapping[str, str] = yaml.safe_load((_FOLDER / f"{language}.yaml").read_text("utf-8"))
    return texts


def iso(moment: datetime | None) -> str:
    """For CSV: UTC to the second, empty for none."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
