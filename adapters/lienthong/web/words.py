"""The catalogue of these pages, with what they say of definitions and of time that passes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from adapters.lienthong.definition import Words
from adapters.lienthong.reasons import ListedReason
from gateway.pages.words import Catalogue


class BoardWords(Catalogue):
    __slots__ = ()

    def of(self, words: Words | ListedReason) -> str:
        return words.vi if self.language == "vi" else words.en

    def local_day(self, moment: datetime) -> str:
        return self.day(self.local(moment))

    def span(self, span: timedelta | float) -> Markup:
        """The largest unit only."""
        seconds = span.total_seconds() if isinstance(span, timedelta) else span
        for key, size in (("days", 86400), ("hours", 3600)):
            if seconds >= size:
                return self(key, n=self.number(int(seconds // size)))
        return self("minutes", n=int(max(0.0, seconds) // 60))

    def percent(self, share: float) -> Markup:
        text = f"{share * 100:.1f}"
        return self("percent", n=text.replace(".", ",") if self.language == "vi" else text)


def iso(moment: datetime | None) -> str:
    """For CSV: UTC to the second, empty for none."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
