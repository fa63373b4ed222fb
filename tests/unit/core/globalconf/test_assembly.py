from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.core.errors import MalformedMessage
from gateway.core.globalconf.assembly import ConfigurationPart, assemble, directory_name, parse_part
from gateway.core.globalconf.directory import PRIVATE, SHARED
from gateway.core.globalconf.sharedparams import print_shared_parameters
from tests.unit.core.globalconf.samples import LATER, NOW, own_parts, private, shared

NEXT_UPDATE = b'<c:conf xmlns:c="http://x-road.eu/xsd/xroad.xsd"><verifyNextUpdate>false</verifyNextUpdate></c:conf>'


def parts(version: int = 6) -> list[ConfigurationPart]:
    return [parse_part(i, "VN", version, data) for i, data in own_parts(version)]


def test_own_parts() -> None:
    conf = assemble("VN", [*parts(), parse_part("NEXTUPDATE", "VN", 6, NEXT_UPDATE)], {"VN": LATER})
    assert conf.shared("VN", NOW) == shared()
    assert conf.private == private()
    assert conf.options.verify_next_update is False
    assert conf.trust("VN", NOW).verify_next_update is False


def test_files_are_what_is_served_to_anybody() -> None:
    conf = assemble("VN", parts(), {"VN": LATER})
    assert conf.files == {
        "instance-identifier": b"VN",
        "VN/shared-params.xml": own_parts()[0][1],
        "VN/shared-params.xml.metadata": b'{"configurationVersion":"6"}',
    }


def test_the_fingerprint_changes_exactly_with_the_content() -> None:
    base = assemble("VN", parts(), {"VN": LATER})
    again = assemble("VN", list(reversed(parts())), {"VN": LATER + timedelta(minutes=1)})
    assert again.fingerprint == base.fingerprint
    others = (
        assemble("VN", parts()[:1], {"VN": LATER}),
        assemble("VN", [*parts(), parse_part("NEXTUPDATE", "VN", 6, NEXT_UPDATE)], {"VN": LATER}),
        assemble("VN", [replace(p, version=5) for p in parts()], {"VN": LATER}),
        assemble("VN", [*parts(), other_instance()], {"VN": LATER, "FI": LATER}),
    )
    assert len({base.fingerprint, *(o.fingerprint for o in others)}) == 5


def other_instance(name: str = "FI") -> ConfigurationPart:
    return parse_part(SHARED, name, 6, print_shared_parameters(shared(instance=name), 6))


def test_the_same_content_keeps_the_tables_of_before() -> None:
    before = assemble("VN", parts(), {"VN": LATER})
    after = assemble("VN", parts(), {"VN": LATER + timedelta(minutes=1)}, before)
    assert after.expires == LATER + timedelta(minutes=1)
    assert after.trust("VN", NOW) is before.trust("VN", NOW)
    changed = assemble("VN", parts()[:1], {"VN": LATER}, before)
    assert changed.private is None


@pytest.mark.parametrize("identifier", [SHARED, PRIVATE])
def test_a_file_of_another_instance(identifier: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse_part(identifier, "XX", 6, dict(own_parts())[identifier])
    assert caught.value.code == "global_conf_part_invalid_instance_identifier"


def test_broken_optional_parts_have_their_own_code() -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse_part("NEXTUPDATE", "VN", 6, b"<x/>")
    assert caught.value.code == "malformed_optional_parts_conf"


@pytest.mark.parametrize("case", ["own missing", "twice", "folder"])
def test_what_does_not_go_together(case: str) -> None:
    dots = {
        "folder": [*parts(), other_instance("..")],
        "twice": [*parts(), parts()[0]],
        "own missing": [other_instance()],
    }
    with pytest.raises(MalformedMessage) as caught:
        assemble("VN", dots[case], {"VN": LATER, "FI": LATER, "..": LATER})
    assert caught.value.code == "malformed_global_conf"


def test_folder_names() -> None:
    assert [directory_name(i) for i in ("VN", "Việt Nam", "a&b")] == ["VN", "Vi%E1%BB%87t+Nam", "a%26b"]
