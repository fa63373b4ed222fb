"""Every fault has its line, its column, its path and, where there is one, the nearest right thing. Exact texts: they are the
interface that administrators see."""

from pathlib import Path

import pytest

from gateway.core.errors import SettingsError
from gateway.settings.trust import load_trust
from tests.unit.settings.support import SERVER, changed, problems_of, server_from

CASES = {
    "unknown key": (
        changed("        timeout: 10s", "        timout: 10s"),
        ["server.yaml:16:9: clients[0].services[0].timout: unknown key; did you mean 'timeout'?"],
    ),
    "unknown key, nothing near": (SERVER + "xyz: 1\n", ["server.yaml:21:1: xyz: unknown key"]),
    "unknown key inside one-or-list": (
        changed("{token:", "{tokken: 1, token:"),
        ["server.yaml:5:13: keys.signing.tokken: unknown key; did you mean 'token'?"],
    ),
    "unknown key inside database": (
        changed("name: g01}", "nam: g01}"),
        ["server.yaml:3:36: database.nam: unknown key; did you mean 'name'?"],
    ),
    "duplicate key": (SERVER + "server: VN/GOV/G02/ss1\n", ["server.yaml:21:1: duplicate key 'server'"]),
    "missing key": (changed("server: VN/GOV/G01/ss1\n", ""), ["server.yaml:1:1: server: is required"]),
    "missing key, deep": (
        changed("      - code: person\n        url", "      - url"),
        ["server.yaml:14:9: clients[0].services[0].code: is required"],
    ),
    "number for text": (
        changed("code: person", "code: 123"),
        ["server.yaml:14:15: clients[0].services[0].code: must be text, not a number: put it in quotes"],
    ),
    "text for true or false": (
        changed("        timeout: 10s", "        verify_tls: no"),
        ["server.yaml:16:21: clients[0].services[0].verify_tls: must be true or false"],
    ),
    "text for a number": (
        SERVER + 'peers: {port: "5500"}\n',
        ["server.yaml:21:15: peers.port: must be a whole number"],
    ),
    "true for a number": (SERVER + "peers: {port: true}\n", ["server.yaml:21:15: peers.port: must be a whole number"]),
    "port out of range": (
        SERVER + "peers: {port: 65536}\n",
        ["server.yaml:21:15: peers.port: input should be less than or equal to 65535"],
    ),
    "list for a mapping": (SERVER + "peers: [1]\n", ["server.yaml:21:8: peers: must be a mapping"]),
    "text for a list": (SERVER.split("clients:")[0] + "clients: none\n", ["server.yaml:9:10: clients: must be a list"]),
    "mapping for text": (
        changed("url: http://127.0.10.1:9000", "url: {}"),
        ["server.yaml:15:14: clients[0].services[0].url: must be text, not a mapping"],
    ),
    "empty list": (
        changed('allow: ["GET /v1/persons/*"]', "allow: []"),
        ["server.yaml:19:38: clients[0].services[0].rights[0].allow: must not be empty"],
    ),
    "a key without a value is not an absent key": (
        changed('allow: ["GET /v1/persons/*"]', "allow: "),
        ["server.yaml:19:38: clients[0].services[0].rights[0].allow: has no value"],
    ),
    "one of some words": (
        changed("authentication: https", "authentication: mutual-tls"),
        [
            "server.yaml:11:43: clients[0].information_systems.authentication: must be 'http', 'https' or 'mutual_tls'; "
            "did you mean 'mutual_tls'?"
        ],
    ),
    "a tag": (SERVER + "state: !!binary aGVsbG8=\n", None),
    "python tag": (SERVER + "state: !!python/object/apply:os.system [id]\n", None),
    "merge key": (SERVER + "<<: {state: x}\n", ["server.yaml:21:1: <<: unknown key"]),
    "key that is no text": (SERVER + "? [a, b]\n: 1\n", ["server.yaml:21:3: a key must be text"]),
    "syntax": (SERVER + "x: [1,\n", ["server.yaml:22:1: did not find expected node content"]),
    "tabulator": (SERVER + "peers:\n\tport: 1\n", ["server.yaml:22:1: found character that cannot start any token"]),
    "empty": ("", ["server.yaml:1:1: the file is empty"]),
    "only a comment": ("# nothing\n", ["server.yaml:1:1: the file is empty"]),
    "empty document": ("---\n...\n", ["server.yaml:1:1: the file is empty"]),
    "two documents": (SERVER + "---\n" + SERVER, ["server.yaml:1:1: more than one document (---) in the file"]),
    "a list": ("- 1\n", ["server.yaml:1:1: (whole file): must be a mapping"]),
    "not UTF-8": (b"server: x\nlisten: \xff\n", ["server.yaml:2:9: not UTF-8"]),
    "control character": ("server: a\n# \x01\n", ["server.yaml:2:3: a character that YAML does not allow (U+0001)"]),
    "huge": (b" " * (16 * 1024 * 1024 + 1), ["server.yaml:1:1: larger than 16 MiB"]),
    "deep": ("[" * 500, ["server.yaml:1:1: nested deeper than 40 levels"]),
    "alias bomb": (
        "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)),
        ["server.yaml:1:1: more than 500000 values, repeated by aliases"],
    ),
    "alias inside itself": ("a: &a [*a]\n", ["server.yaml:1:1: an alias that contains itself"]),
    "unknown alias": ("a: *b\n", ["server.yaml:1:4: found undefined alias"]),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_fault(tmp_path: Path, text: str | bytes, expected: list[str] | None) -> None:
    problems = problems_of(tmp_path, text)
    if expected is None:
        assert problems[0].startswith("server.yaml:21:8: a value of unknown type (tag:yaml.org,2002:")
    else:
        assert problems == expected


def test_all_faults_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        changed("timeout: 10s", "timeout: 10").replace("name: g01", "name: G01").replace("clients_http", "client_http")
    )
    text = text.replace("VN/GOV/G01/ss1", "GOV/G01/ss1") + "server: x\n"
    assert [p.split(": ")[0] for p in problems_of(tmp_path, text)] == [
        "server.yaml:1:9",
        "server.yaml:3:42",
        "server.yaml:7:10",
        "server.yaml:16:18",
        "server.yaml:21:1",
    ]


def test_scalars_of_yaml_1_2(tmp_path: Path) -> None:
    text = changed("code: person", "code: NO").replace("id: GOV/G01/dancu", "id: GOV/G01/00123")
    client = server_from(tmp_path, text).clients[0]
    assert client.services[0].code == "NO"
    assert str(client.id) == "GOV/G01/00123"


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    assert server_from(tmp_path, "\ufeff" + SERVER).clients


def test_aliases_may_be_used(tmp_path: Path) -> None:
    text = changed("clients_http: 127.0.10.1:8080", "clients_http: &a 127.0.10.1:8080")
    assert problems_of(tmp_path, text.replace("servers: 127.0.10.1:5500", "servers: *a")) == [
        "server.yaml:7:44: listen.servers: address '127.0.10.1:8080' stands here for the second time"
    ]


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as e:
        load_trust(tmp_path / "trust.yaml")
    assert e.value.problems == (f"{tmp_path}/trust.yaml:1:1: cannot read the file: No such file or directory",)


SECRET = "hunter2-geheim"


@pytest.mark.parametrize(
    "text",
    [
        changed('pin: "file:sign.pin"', f'pin: "{SECRET}"'),
        changed('pin: "file:sign.pin"', f"pin: [{SECRET}]"),
        changed('pin: "file:sign.pin"', f"pin: {{x: {SECRET}}}"),
        changed('pin: "file:sign.pin"', "pin: 7355608").replace("g01}", "g01}"),
        changed('pin: "file:sign.pin"', f"pni: {SECRET}"),
        changed("{token:", f"{{password: {SECRET}, token:"),
        changed('signing: {token: "file:sign.p12", pin: "file:sign.pin"}', f"signing: {SECRET}"),
        changed("database: {embedded: var/postgres, name: g01}", f"database: {SECRET}"),
        changed("database: {embedded: var/postgres, name: g01}", f"database: postgresql://u:{SECRET}@h/d"),
        changed("database: {embedded: var/postgres, name: g01}", f"database: postgresql://h/d?password={SECRET}"),
        changed("database: {embedded: var/postgres, name: g01}", f"database: postgresql://[u:{SECRET}@h/d"),
        changed("http://127.0.10.100", f"http://u:{SECRET}@127.0.10.100"),
        changed("keys:", f"keys: {SECRET}\nx:"),
    ],
)
def test_what_could_be_a_secret_is_never_repeated(tmp_path: Path, text: str) -> None:
    told = "\n".join(problems_of(tmp_path, text))
    assert SECRET not in told
    assert "7355608" not in told
