"""What a manifest says of persons stands in the document, and becomes the gateway's contract."""

from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from adapters.sdk import DefinitionError
from adapters.sdk.contract import contract_text, main
from adapters.sdk.manifest import load_manifest

OPENAPI = """
    openapi: 3.0.3
    info: {title: toy, version: 1.0.0}
    paths:
      /v1/people/{id}:
        post:
          parameters:
            - {name: id, in: path, required: true, schema: {$ref: '#/components/schemas/Number'}}
            - {name: as, in: query, schema: {$ref: '#/components/schemas/Number'}}
          requestBody:
            content: {application/json: {schema: {$ref: '#/components/schemas/Asked'}}}
          responses:
            '201': {description: d, content: {application/json: {schema: {$ref: '#/components/schemas/Told'}}}}
            '404': {description: none}
    components:
      schemas:
        Number: {type: string, format: vn-personal-number}
        Asked:
          type: object
          required: [parents, name]
          properties:
            name: {type: string}
            parents: {type: array, items: {type: object, required: [id], properties: {id: {$ref: '#/components/schemas/Number'}}}}
        Told:
          type: object
          required: [child, other]
          properties:
            child: {$ref: '#/components/schemas/Number'}
            other: {type: string, format: vn-personal-number, nullable: true}
"""
GOOD = [
    "{at: path, name: id, kind: vn-personal-number}",
    "{at: query, name: as, kind: vn-personal-number, optional: true}",
    "{at: request, pointer: /parents/*/id, kind: vn-personal-number}",
    "{at: response, pointer: /child, kind: vn-personal-number}",
    "{at: response, pointer: /other, kind: vn-personal-number, optional: true}",
]


def written(folder: Path, subjects: str, about: str = "categories: [identity], purposes: [ONE, TWO]") -> Path:
    (folder / "openapi.yaml").write_text(dedent(OPENAPI), "utf-8")
    (folder / "manifest.yaml").write_text(
        "{name: toy, title: Toy, owner: GOV/T01, service: VN/GOV/T01/toy/people, synthetic: true, endpoints: "
        "{'POST /v1/people/{id}': {action: {vi: ghi, en: write}, " + about + f", subjects: {subjects}}}}}}}",
        "utf-8",
    )
    return folder


def test_the_contract_says_what_the_manifest_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path, f"[{', '.join(GOOD)}]")
    text = contract_text(load_manifest(folder))
    (endpoint,) = yaml.safe_load(text)["endpoints"]
    assert endpoint == {
        "match": "POST /v1/people/{id}",
        "action": {"vi": "ghi", "en": "write"},
        "categories": ["identity"],
        "purposes": ["ONE", "TWO"],
        "subjects": [yaml.safe_load(subject) for subject in GOOD],
    }
    assert main([str(folder)]) == 0
    assert capsys.readouterr().out == text
    assert main([]) == 2


def test_nobody_is_said_openly(tmp_path: Path) -> None:
    text = contract_text(load_manifest(written(tmp_path, "none", "categories: []")))
    assert yaml.safe_load(text)["endpoints"][0]["subjects"] == "none"


BAD = {
    "no such parameter": "{at: path, name: code, kind: vn-personal-number}",
    "in another place": "{at: query, name: id, kind: vn-personal-number}",
    "no such member": "{at: request, pointer: /mother, kind: vn-personal-number}",
    "list without a star": "{at: request, pointer: /parents/id, kind: vn-personal-number}",
    "another kind": "{at: response, pointer: /child, kind: vn-social-insurance-number}",
    "no number": "{at: request, pointer: /name, kind: vn-personal-number}",
    "not always there": "{at: response, pointer: /other, kind: vn-personal-number}",
    "always there": "{at: path, name: id, kind: vn-personal-number, optional: true}",
    "unknown kind": "{at: path, name: id, kind: passport}",
    "name and pointer": "{at: path, name: id, pointer: /id, kind: vn-personal-number}",
    "name of a body": "{at: request, name: id, kind: vn-personal-number}",
}


@pytest.mark.parametrize("subject", BAD.values(), ids=BAD.keys())
def test_a_place_where_nobody_stands_fail(tmp_path: Path, subject: str) -> None:
    with pytest.raises(DefinitionError):
        load_manifest(written(tmp_path, f"[{subject}]"))


@pytest.mark.parametrize(
    ("subjects", "about"),
    [
        (f"[{GOOD[0]}]", "categories: [identity]"),
        ("none", "categories: [identity], purposes: [ONE]"),
        ("[]", "purposes: [ONE]"),
    ],
)
def test_persons_without_purpose_fail(tmp_path: Path, subjects: str, about: str) -> None:
    with pytest.raises(DefinitionError):
        load_manifest(written(tmp_path, subjects, about))
