"""`python -m adapters.sdk.contract adapters/<name>` prints the gateway's service contract of an adapter, made from its manifest."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from adapters.sdk.manifest import EndpointManifest, Manifest, Subject, load_manifest

_HEAD = """\
# yaml-language-server: $schema=../schema/contract.json
# {title}: what citizens are told, and who a message is about.
# Made from adapters/{name}/manifest.yaml by `python -m adapters.sdk.contract adapters/{name}`; change it there.
"""


class _Flow(dict[str, object]):
    """A mapping on one line."""


class _Dumper(yaml.SafeDumper):
    """Block style, lists of codes and small mappings on one line, as people write contracts."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


_Dumper.add_representer(
    _Flow, lambda dumper, value: dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)
)
_Dumper.add_representer(
    tuple, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)
)


def contract_text(manifest: Manifest) -> str:
    """The contract file, byte for byte the same for the same manifest."""
    contract = {
        "service": manifest.service,
        "codes": manifest.codes,
        "endpoints": [_endpoint(name, endpoint) for name, endpoint in manifest.endpoints.items()],
    }
    body = yaml.dump(contract, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=132)
    return _HEAD.format(title=manifest.title, name=manifest.name) + body


def _endpoint(name: str, endpoint: EndpointManifest) -> dict[str, object]:
    stated: dict[str, object] = {"match": name, "action": _Flow(endpoint.action.model_dump())}
    if endpoint.persons:
        stated |= {"categories": endpoint.categories, "purposes": endpoint.purposes}
    if endpoint.sensitivity != "ordinary":
        stated["sensitivity"] = endpoint.sensitivity
    stated["subjects"] = [_subject(s) for s in endpoint.persons] or "none"
    stated |= {k: v for k, v in (("document", endpoint.document), ("return_reason", endpoint.return_reason)) if v}
    return stated


def _subject(subject: Subject) -> _Flow:
    return _Flow(subject.model_dump(exclude_defaults=True))


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m adapters.sdk.contract adapters/<name>", file=sys.stderr)
        return 2
    print(contract_text(load_manifest(Path(arguments[0]))), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
