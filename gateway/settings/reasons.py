"""The controlled list of reasons for which a dossier may be sent back: `config/codes/return-reasons.yaml`.

A code keeps its meaning for ever; words may become better. A reason that demands a paper which another member can supply names that
supplier under `supplied_by`: such a demand is against the law named there, and is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from gateway.core.content.returns import ReturnReason
from gateway.settings.codes import Bilingual, Code, LegalBasisSettings
from gateway.settings.common import Strict
from gateway.settings.loader import Finding, load, nearest
from gateway.settings.names import ClientName
from gateway.settings.yaml12 import Place


class SupplySettings(Strict):
    """Why a paper is not to be demanded: who has it on the platform, and the law that says so."""

    client: ClientName
    law: Code


class ReasonSettings(Bilingual):
    legal_references: Annotated[tuple[Code, ...], Field(min_length=1)]
    supplied_by: SupplySettings | None = None


class ReasonsSettings(Strict):
    legal_references: Annotated[dict[Code, LegalBasisSettings], Field(min_length=1)]
    reasons: Annotated[dict[Code, ReasonSettings], Field(min_length=1)]


def reasons_findings(settings: ReasonsSettings) -> Iterator[Finding]:
    known = settings.legal_references
    for code, reason in settings.reasons.items():
        laws: list[tuple[Place, str]] = [
            (("legal_references", i), law) for i, law in enumerate(reason.legal_references)
        ]
        if reason.supplied_by is not None:
            laws.append((("supplied_by", "law"), reason.supplied_by.law))
        for place, law in laws:
            if law not in known:
                yield Finding(
                    ("reasons", code, *place), f"no legal reference {law!r} in this list{nearest(law, known)}"
                )


def load_reasons(path: Path) -> ReasonsSettings:
    """SettingsError holds every problem."""
    return load(path, ReasonsSettings, reasons_findings)


def build_reasons(settings: ReasonsSettings) -> Mapping[str, ReturnReason]:
    """What core decides by."""
    return {
        code: ReturnReason(reason.legal_references, unlawful=reason.supplied_by is not None)
        for code, reason in settings.reasons.items()
    }
