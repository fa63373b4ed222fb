"""The code lists that contracts and consumers choose from: `config/codes/<instance>.yaml`. Their words are what citizens read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from gateway.settings.common import Strict
from gateway.settings.loader import Finding, load, nearest

_MOST_WORDS = 120  # a citizen reads it in a table on a small phone

Words = Annotated[str, StringConstraints(min_length=1, max_length=_MOST_WORDS, strip_whitespace=True)]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9.\-]{0,62}$")]
CategoryCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_\-]{0,62}$")]


class Bilingual(Strict):
    """One meaning in Vietnamese and in English."""

    vi: Words
    en: Words


class LegalBasisSettings(Bilingual):
    document: Words


class PurposeSettings(Bilingual):
    legal_bases: Annotated[tuple[Code, ...], Field(min_length=1)]


class CodesSettings(Strict):
    legal_bases: Annotated[dict[Code, LegalBasisSettings], Field(min_length=1)]
    purposes: Annotated[dict[Code, PurposeSettings], Field(min_length=1)]
    categories: Annotated[dict[CategoryCode, Bilingual], Field(min_length=1)]


def codes_findings(settings: CodesSettings) -> Iterator[Finding]:
    for code, purpose in settings.purposes.items():
        for i, basis in enumerate(purpose.legal_bases):
            if basis not in settings.legal_bases:
                close = nearest(basis, settings.legal_bases)
                yield Finding(("purposes", code, "legal_bases", i), f"no legal basis {basis!r} in this list{close}")


def load_codes(path: Path) -> CodesSettings:
    """SettingsError holds every problem."""
    return load(path, CodesSettings, codes_findings)
