"""Any text gives settings or the one error; what is printed is read back as the same."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateway.core.errors import MalformedMessage, SettingsError
from gateway.core.serverconf.paths import check_glob, glob_matches, path_segments, readings, template_glob
from gateway.settings.common import ByteCount, print_duration
from gateway.settings.loader import Source, validate
from gateway.settings.names import GranteeName
from gateway.settings.registry import RegistrySettings
from gateway.settings.schema import KINDS
from gateway.settings.server import LimitSettings, PeerSettings, ServerSettings
from gateway.settings.yaml12 import parse_documents
from tests.unit.settings.support import SERVER
from tests.unit.settings.test_registry import REGISTRY

yamlish = st.text(st.sampled_from("abn:-#&*!|>'\"{}[],?%@~0.\n\t \u00e9\u2028\x85\x00\ufeff"), max_size=60)
segment = st.text(st.characters(codec="utf-8", exclude_characters="/"), max_size=12)
words = st.sampled_from([word for line in SERVER.split() for word in (line, "x", "[", "{", "&a", "*a", "\n  ", "- ")])


def load(text: str, model: type) -> None:
    for document in parse_documents(text, "x.yaml"):
        validate(Source("x.yaml", document), model, files=False)


def problems(act: Callable[..., object], *arguments: object) -> tuple[str, ...]:
    """None when `act` ends well; anything but a SettingsError fails the test."""
    try:
        act(*arguments)
    except SettingsError as e:
        return e.problems
    return ()


@given(yamlish)
def test_any_text_is_yaml_or_the_one_error(text: str) -> None:
    assert all(p.startswith("x.yaml:") for p in problems(parse_documents, text, "x.yaml"))


@given(st.integers(0, len(SERVER)), st.integers(0, 12), st.one_of(yamlish, words))
def test_a_damaged_server_file_gives_positions(at: int, cut: int, put: str) -> None:
    for problem in problems(load, SERVER[:at] + put + SERVER[at + cut :], ServerSettings):
        name, line, column, _ = problem.split(":", 3)
        assert name == "x.yaml"
        assert int(line) > 0
        assert int(column) > 0


@given(st.integers(0, len(REGISTRY)), st.integers(0, 12), yamlish)
def test_a_damaged_registry_gives_the_one_error(at: int, cut: int, put: str) -> None:
    text = REGISTRY[:at] + put + REGISTRY[at + cut :]
    assert all(p.startswith("x.yaml:") for p in problems(load, text, RegistrySettings))


json_like = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(
            st.sampled_from(["server", "keys", "signing", "token", "clients", "id", "x"]), inner, max_size=3
        ),
    ),
    max_leaves=12,
)


@given(st.sampled_from(sorted(KINDS)), json_like)
def test_any_value_is_refused_with_words(kind: str, value: object) -> None:
    (document,) = parse_documents("x", "x.yaml")
    document.value = value
    with pytest.raises(SettingsError):
        validate(Source("x.yaml", document), KINDS[kind], files=False)


@given(st.integers(1, 10**9), st.sampled_from([1, 1000, 60_000, 3_600_000, 86_400_000]))
def test_durations_are_read_back(number: int, unit: int) -> None:
    value = timedelta(milliseconds=min(number * unit, 10**12))
    text = print_duration(value)
    if len(text) <= 10:
        assert PeerSettings.model_validate({"connect_timeout": text}).connect_timeout == value


@given(st.integers(0, 10**6), st.integers(0, 4))
def test_sizes_are_read_back(number: int, power: int) -> None:
    value = ByteCount(number << 10 * power)
    if len(str(value)) < 10:
        assert LimitSettings.model_validate({"body": str(value)}).body == value


@given(st.lists(segment, max_size=5), st.sampled_from(["", "/", "group:", "local:"]))
def test_identifiers_print_as_written(pieces: list[str], front: str) -> None:
    text = front + "/".join(pieces)
    try:
        parsed = TypeAdapter(GranteeName).validate_python(text)
    except ValidationError:
        return
    assert TypeAdapter(GranteeName).validate_python(str(parsed)).resolve("VN") == parsed.resolve("VN")


# --- service paths ---------------------------------------------------------------------------------------------------


@given(st.text(max_size=40))
def test_any_path_has_segments_or_is_refused(path: str) -> None:
    try:
        segments = path_segments(path)
    except MalformedMessage:
        return
    for s in segments:
        assert not set(s) & set("/\\%\0")
        assert s.strip(". ") or not s


@given(st.lists(st.text(st.sampled_from("ab%2eEfF.;/c0"), max_size=6), max_size=6).map("/".join))
def test_no_accepted_path_climbs(path: str) -> None:
    """However often a provider decodes and whatever parameters it cuts, there is no dot segment."""
    try:
        path_segments("/" + path)
    except MalformedMessage:
        return
    text = path
    for _ in range(4):
        text = unquote(text)
        assert not {"..", "."} & {s.partition(";")[0] for s in text.split("/")}


@given(st.text(st.sampled_from("/ab*\\?{}.é"), max_size=14), st.text(st.sampled_from("/ab"), max_size=14))
def test_globs_never_fail_and_literals_match_themselves(glob: str, path: str) -> None:
    glob_matches(glob, path)
    escaped = path.replace("\\", "\\\\").replace("*", "\\*")
    assert glob_matches(escaped, path)
    assert glob_matches("**", path)


@given(st.lists(st.sampled_from(["a", "b*c", "{x}", "{x}-{y}", "d\\"]), min_size=1, max_size=4))
def test_templates_match_their_own_paths(pieces: list[str]) -> None:
    filled = "".join("/" + p.replace("{x}", "1").replace("{y}", "2") for p in pieces)
    assert glob_matches(template_glob("".join("/" + p for p in pieces)), filled)


@given(st.text(max_size=30))
def test_any_glob_is_taken_or_refused(glob: str) -> None:
    try:
        assert check_glob(glob) == glob
    except MalformedMessage:
        return
    glob_matches(glob, "/a/b")


@given(st.lists(segment, max_size=4).map(tuple))
def test_readings_are_paths(segments: tuple[str, ...]) -> None:
    assert all(p == "" or p[0] == "/" for p in readings(segments))


def test_the_files_that_are_broken_here_are_right() -> None:
    load(SERVER, ServerSettings)
    load(REGISTRY, RegistrySettings)
