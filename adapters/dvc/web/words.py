"""The catalogue of these pages, with what it says of words that agencies give in two languages."""

from __future__ import annotations

from datetime import datetime

from adapters.dvc.web.records import Words
from gateway.pages.words import Catalogue


class PortalWords(Catalogue):
    __slots__ = ()

    def of(self, words: Words) -> str:
        return words[self.language]

    def all(self, words: tuple[Words, ...]) -> str:
        return ", ".join(self.of(one) for one in words)

    def local_day(self, moment: datetime) -> str:
        return self.day(self.local(moment))
