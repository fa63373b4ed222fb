from __future__ import annotations

import json
from datetime import timedelta

import pytest

from gateway.core.errors import MalformedMessage, TrustOutdated
from gateway.core.globalconf.saved import load_saved
from gateway.core.globalconf.sharedparams import print_shared_parameters
from tests.unit.core.globalconf.samples import LATER, NOW, own_parts, private, shared


def metadata(version: int = 6, minutes: int = 10) -> bytes:
    expires = (NOW + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"configurationVersion": str(version), "expirationDate": expires, "other": 1}).encode()


FOREIGN = print_shared_parameters(shared(5, "Đà Nẵng"), 5)
FILES = {
    "instance-identifier": b"VN\n",
    "VN/shared-params.xml": own_parts()[0][1],
    "VN/shared-params.xml.metadata": metadata(),
    "VN/private-params.xml": own_parts()[1][1],
    "VN/private-params.xml.metadata": metadata(minutes=5),
    "%C4%90%C3%A0+N%E1%BA%B5ng/shared-params.xml": FOREIGN,
    "%C4%90%C3%A0+N%E1%BA%B5ng/shared-params.xml.metadata": metadata(5, minutes=2),
    "%C4%90%C3%A0+N%E1%BA%B5ng/private-params.xml": b"not looked at",
    "VN/notes.txt": b"neither",
}


def test_a_saved_directory() -> None:
    conf = load_saved(FILES)
    assert conf.shared("VN", NOW) == shared()
    assert conf.shared("Đà Nẵng", NOW).version == 5
    assert conf.private == private()
    assert conf.expires == NOW + timedelta(minutes=5)  # the earlier of the two files
    assert conf.expiries["Đà Nẵng"] == NOW + timedelta(minutes=2)
    with pytest.raises(TrustOutdated):
        conf.ensure_current(LATER)


def test_it_can_be_built_again_from_its_files_alone() -> None:
    conf = load_saved(FILES)
    again = load_saved(conf.files)
    assert again.expires is None and again.private is None
    assert again.files == conf.files
    for instance in conf.instances:
        assert again.shared(instance, NOW) == conf.shared(instance, NOW)
        assert again.trust(instance, NOW).fingerprint == conf.trust(instance, NOW).fingerprint


def test_without_metadata_it_is_version_2_for_ever() -> None:
    files = {"instance-identifier": b"VN", "VN/shared-params.xml": print_shared_parameters(shared(2), 2)}
    conf = load_saved(files)
    assert conf.shared("VN", NOW).version == 2 and conf.expires is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("instance-identifier", None),
        ("instance-identifier", b""),
        ("instance-identifier", b"\xff"),
        ("instance-identifier", b"XX"),
        ("VN/shared-params.xml", None),
        ("VN/shared-params.xml", b"xxx"),
        ("VN/shared-params.xml", FOREIGN),
        ("VN/private-params.xml", b"yyy"),
        ("VN/shared-params.xml.metadata", b"no JSON"),
        ("VN/shared-params.xml.metadata", b"[" * 60000),
        ("VN/shared-params.xml.metadata", b"[]"),
        ("VN/shared-params.xml.metadata", b'{"configurationVersion":"7"}'),
        ("VN/shared-params.xml.metadata", b'{"configurationVersion":6}'),
        ("VN/shared-params.xml.metadata", b'{"expirationDate":1}'),
        ("VN/shared-params.xml.metadata", b'{"expirationDate":"soon"}'),
    ],
)
def test_malformed(name: str, content: bytes | None) -> None:
    files = {**FILES, name: content} if content is not None else {k: v for k, v in FILES.items() if k != name}
    with pytest.raises(MalformedMessage) as caught:
        load_saved(files)
    expected = "global_conf_part_invalid_instance_identifier" if content is FOREIGN else "malformed_global_conf"
    assert caught.value.code == expected
