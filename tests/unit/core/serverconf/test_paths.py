"""The parts of path matching that access decisions do not show."""

import pytest

from gateway.core.errors import MalformedMessage
from gateway.core.serverconf.paths import check_glob, glob_matches, path_segments, readings, template_glob


@pytest.mark.parametrize(
    ("path", "segments"),
    [("", ()), ("/", ("",)), ("/a", ("a",)), ("/a/", ("a", "")), ("/a%2Db//%C4%91", ("a-b", "", "đ"))],
)
def test_segments_are_split_before_decoding(path: str, segments: tuple[str, ...]) -> None:
    assert path_segments(path) == segments


def test_a_refused_path_has_the_code_of_a_refusal() -> None:
    with pytest.raises(MalformedMessage) as e:
        path_segments("/a/%2e%2e")
    assert e.value.code == "access_denied"


def test_readings_with_and_without_parameters() -> None:
    assert set(readings(("a;x", "b"))) == {"/a;x/b", "/a/b"}
    assert readings(()) == ("",)
    assert readings(("a", "")) == ("/a/",)
    assert readings(("", "a")) == ()


@pytest.mark.parametrize(
    ("template", "glob"),
    [
        ("/v1/persons/{id}", "/v1/persons/*"),
        ("/v1/{a}-{b}/x", "/v1/*-*/x"),
        ("/files/{name}.json", "/files/*.json"),
        ("/literal*star\\", r"/literal\*star\\"),
        ("/odd{/x}", "/odd{/x}"),
    ],
)
def test_templates(template: str, glob: str) -> None:
    assert template_glob(template) == glob


@pytest.mark.parametrize(
    "glob", ["**", "/", "/v1/persons/*", "/v1/**", "/*.json", r"/a\*b", r"/a\\", "/hộ-tịch/*", "/a/", "/a b"]
)
def test_globs_that_may_be_written(glob: str) -> None:
    assert check_glob(glob) == glob


@pytest.mark.parametrize(
    "glob",
    ["", "v1", "*", "/a//b", "/../x", "/a/./b", "/%2e", "/a%20b", "/a\\b", "/a\0", "/**/a/**/b/**", "/" + "*a" * 20],
)
def test_globs_that_match_nothing_or_cost_too_much_fail(glob: str) -> None:
    with pytest.raises(MalformedMessage):
        check_glob(glob)


def test_stars_in_one_segment_do_not_multiply() -> None:
    """Exponential or cubic matching would not end within the test's time-out."""
    path = "/" + "a" * 8000
    assert not glob_matches("/" + "*a" * 11 + "*b", path)
    assert glob_matches("/" + "*a" * 11 + "*", path)
