from pathlib import Path

import pytest

from adapters.sdk import DefinitionError, build_app
from adapters.sdk.document import load_operations
from adapters.sdk.manifest import load_manifest
from tests.unit.adapters.sdk.toy import MANIFEST, OPENAPI, HealthyPool, toy


def test_operations(tmp_path: Path) -> None:
    operations = load_operations(toy(tmp_path).folder, {})
    assert list(operations) == ["GET /v1/things/{name}", "POST /v1/things"]
    assert operations["GET /v1/things/{name}"].body is None
    assert operations["GET /v1/things/{name}"].query.check({"most": "3"}, strict=False) == {"most": 3}


def test_manifest(tmp_path: Path) -> None:
    manifest = load_manifest(toy(tmp_path).folder)
    assert (manifest.name, manifest.owner, manifest.synthetic) == ("toy", "GOV/T01", True)


DISAGREEMENTS = {
    "endpoint only in the manifest": {"manifest": MANIFEST.replace("POST /v1/things:", "POST /v1/other:")},
    "endpoint only in the document": {"openapi": OPENAPI.replace("/v1/things:", "/v1/others:")},
    "other method": {"openapi": OPENAPI.replace("post:", "put:")},
    "other version": {"openapi": OPENAPI.replace("3.0.3", "3.1.0")},
    "keyword that is not checked": {"openapi": OPENAPI.replace("maxLength: 20", "format: email")},
    "unknown manifest key": {"manifest": MANIFEST + "    secret: true\n"},
    "not a mapping": {"manifest": "[]"},
}


@pytest.mark.parametrize("files", DISAGREEMENTS.values(), ids=DISAGREEMENTS.keys())
def test_disagreement_fail(tmp_path: Path, files: dict[str, str]) -> None:
    with pytest.raises(DefinitionError):
        build_app(toy(tmp_path, **files), HealthyPool())


def test_agreement(tmp_path: Path) -> None:
    paths = [resource.canonical for resource in build_app(toy(tmp_path), HealthyPool()).router.resources()]
    assert paths == ["/v1/things/{name}", "/v1/things", "/health"]
