"""Every key of every settings file is explained in `config/reference.yaml`, and the committed schemas say the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from gateway.settings.check import check
from gateway.settings.schema import FIRST_LINE, KINDS, explanations, schema_text

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config"
EXPLAINED = explanations(CONFIG / "reference.yaml")


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models_in(field.annotation)
    for argument in get_args(annotation):
        yield from models_in(argument)


KEYS = sorted({(m.__name__, key) for kind in KINDS.values() for m in models_in(kind) for key in m.model_fields})


def test_there_are_keys() -> None:
    assert len(KEYS) > 80


def test_every_key_is_explained() -> None:
    """A comment stands above it in `config/reference.yaml`."""
    assert [f"{model}.{key}" for model, key in KEYS if len(EXPLAINED.get((model, key), "")) <= 10] == []


def test_absence_is_explained() -> None:
    """What happens without the key."""
    words = ("Required", "Default", "Absent", "absent", "Without")
    silent = [f"{model}.{key}" for model, key in KEYS if not any(w in EXPLAINED[model, key] for w in words)]
    assert silent == []


@pytest.mark.parametrize("kind", KINDS)
def test_committed_schema_is_the_generated_one(kind: str) -> None:
    committed = (CONFIG / "schema" / f"{kind}.json").read_text(encoding="utf-8")
    assert committed == schema_text(kind, EXPLAINED), "run: python -m gateway.settings.schema"


def test_no_stale_schema() -> None:
    assert {p.stem for p in (CONFIG / "schema").iterdir()} == set(KINDS)


@pytest.mark.parametrize("path", sorted(CONFIG.rglob("*.yaml")), ids=lambda p: p.name)
def test_first_line_names_a_schema_that_is_there(path: Path) -> None:
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    assert FIRST_LINE.fullmatch(first)
    assert (path.parent / first.partition("$schema=")[2].strip()).is_file()


def test_demonstration_is_well_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert check([CONFIG], files=False) == []
