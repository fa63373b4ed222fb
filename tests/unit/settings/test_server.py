"""What a server's file may say, and which well-formed things are still wrong together."""

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.core.identifiers import SecurityServerId
from gateway.settings.common import SecretReference
from gateway.settings.server import _promise_findings
from gateway.settings.transparency import TransparencySettings
from tests.support.logkeys import LOG, WITNESS
from tests.unit.settings.support import SERVER, changed, problems_of, server_from

DATABASE = "database: {embedded: var/postgres, name: g01}"
ANCHOR = '{anchor: "http://127.0.10.100:8600/anchor.xml"}'
SIGNING = '{token: "file:sign.p12", pin: "file:sign.pin"}'


def test_values_and_defaults(tmp_path: Path) -> None:
    settings = server_from(tmp_path, SERVER)
    assert settings.server == SecurityServerId("VN", "GOV", "G01", "ss1")
    assert settings.state_directory == Path("var/servers/VN-GOV-G01-ss1")
    assert settings.database_name == "g01"
    assert settings.database.dsn() is None
    assert len(settings.keys.signing) == 1
    assert settings.keys.signing[0].token == Path("sign.p12")
    assert settings.keys.signing[0].pin == SecretReference("file", "sign.pin")
    assert settings.keys.authentication[0].certificate == Path("auth.pem")
    assert settings.listen.clients_https is None
    assert (settings.peers.port, settings.peers.ocsp_port, settings.peers.tls) == (5500, 5577, "strict")
    assert settings.limits.header == 8192
    assert settings.global_configuration.refresh == timedelta(seconds=60)
    assert settings.clients[0].services[0].verify_tls is True


def test_settings_are_frozen(tmp_path: Path) -> None:
    settings = server_from(tmp_path, SERVER)
    with pytest.raises(Exception, match="frozen"):
        settings.state = Path("x")  # type: ignore[misc]


class TestDatabase:
    def test_embedded(self, tmp_path: Path) -> None:
        settings = server_from(tmp_path, changed(DATABASE, "database: embedded"))
        assert (settings.database.embedded, settings.database_name) == (Path("var/postgres"), "gateway_vn_gov_g01_ss1")

    def test_url(self, tmp_path: Path) -> None:
        url = "postgresql://gateway@db1,db2/g01?target_session_attrs=primary"
        assert server_from(tmp_path, changed(DATABASE, f"database: {url}")).database.dsn() == url

    def test_secret_url(self, tmp_path: Path) -> None:
        (tmp_path / "dsn").write_text("postgresql://u:p@h/d\n")
        settings = server_from(tmp_path, changed(DATABASE, f"database: file:{tmp_path}/dsn"))
        assert settings.database.dsn() == "postgresql://u:p@h/d"
        assert "u:p" not in repr(settings)

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("{}", "needs either 'embedded' or 'url'"),
            ("{embedded: a, url: postgresql://h/d}", "needs either 'embedded' or 'url'"),
            ("{url: postgresql://h/d, name: x}", "'name' belongs to 'embedded'"),
            ("{name: x}", "needs either 'embedded' or 'url'"),
            ("sqlite", "must be a reference to a secret"),
            ("postgresql://u:p@h/d", "must not hold a password"),
        ],
    )
    def test_refused(self, tmp_path: Path, value: str, text: str) -> None:
        (problem,) = problems_of(tmp_path, changed(DATABASE, f"database: {value}"))
        assert problem.startswith("server.yaml:3:")
        assert text in problem


class TestGlobalConfiguration:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("{}", "needs either 'anchor' or 'directory'"),
            ("{anchor: file:a, directory: b}", "needs either 'anchor' or 'directory'"),
            ("{directory: b, anchor_sha256: file:x}", "'anchor_sha256' belongs to 'anchor'"),
            ("{anchor: file:a, anchor_sha256: abcd}", "64 hexadecimal digits"),
        ],
    )
    def test_refused(self, tmp_path: Path, value: str, text: str) -> None:
        (problem,) = problems_of(tmp_path, changed(ANCHOR, value))
        assert text in problem

    def test_digest(self, tmp_path: Path) -> None:
        (tmp_path / "digest").write_text("AB" * 32 + "  anchor.xml\n")
        for value in ("ab" * 32, f"file:{tmp_path}/digest"):
            settings = server_from(tmp_path, changed(ANCHOR, f"{{anchor: file:a, anchor_sha256: {value}}}"))
            assert settings.global_configuration.anchor_digest() == b"\xab" * 32
        assert server_from(tmp_path, SERVER).global_configuration.anchor_digest() is None


class TestKeys:
    def test_on_hardware(self, tmp_path: Path) -> None:
        uri = "pkcs11:token=gw;object=sign?module-path=/opt/hsm.so"
        for value in (f'{{token: "{uri}", pin: "env:PIN"}}', f'{{token: "{uri}", certificate: "file:c"}}'):
            (key,) = server_from(tmp_path, changed(SIGNING, value)).keys.signing
            assert key.in_hardware
            assert key.reference == uri

    def test_tls_keys_are_files(self, tmp_path: Path) -> None:
        uri = "pkcs11:token=gw;object=auth?module-path=/opt/hsm.so"
        text = changed('{key: "file:auth.key", certificate: auth.pem}', f'{{token: "{uri}"}}')
        (problem,) = problems_of(tmp_path, text)
        assert "keys.authentication[0].token: must be a file" in problem

    def test_several(self, tmp_path: Path) -> None:
        text = changed(SIGNING, '[{token: "file:a"}, {key: "file:b", certificate: "file:c", algorithm: pss}]')
        first, second = server_from(tmp_path, text).keys.signing
        assert (first.token, first.pin, first.algorithm) == (Path("a"), None, "default")
        assert (second.key, second.certificate, second.algorithm) == (Path("b"), Path("c"), "pss")

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("[]", "must not be empty"),
            ("{}", "needs either 'token'"),
            ('{token: "file:a", key: "file:b", certificate: c}', "needs either 'token'"),
            ('{key: "file:b"}', "belong together"),
            ('{token: "file:a", certificate: c}', "belong together"),
            ("{token: a}", "beginning with file:"),
            ('{token: "pkcs11:x"}', "attributes name=value"),
            ('{token: "pkcs11:token=a;object=b?module-path=c&pin-value=9876"}', "must not hold a PIN"),
            ('{token: "file:a", algorithm: rsa}', "must be 'default' or 'pss'"),
        ],
    )
    def test_refused(self, tmp_path: Path, value: str, text: str) -> None:
        (problem,) = problems_of(tmp_path, changed(SIGNING, value))
        assert text in problem

    def test_https_needs_a_key(self, tmp_path: Path) -> None:
        text = changed("clients_http: 127.0.10.1:8080", "clients_https: 127.0.10.1:8443")
        assert problems_of(tmp_path, text) == ["server.yaml:7:25: listen.clients_https: needs keys.internal_tls"]


SERVICE = "clients[0].services[0]"
TOGETHER = {
    "mutual TLS with nobody": (
        changed("authentication: https", "authentication: mutual_tls"),
        ["11:26: clients[0].information_systems: 'mutual_tls' without 'certificates' lets nobody connect"],
    ),
    "mutual TLS with an empty list": (
        changed("authentication: https", "certificates: []"),
        ["11:26: clients[0].information_systems: 'mutual_tls' without 'certificates' lets nobody connect"],
    ),
    "instance in front of a member": (
        changed("to: GOV/G22/dvc", "to: VN/GOV/G22"),
        [
            f"19:18: {SERVICE}.rights[0].to: three pieces are CLASS/CODE/SUBSYSTEM, but 'VN' is the instance: "
            "write 'GOV/G22'"
        ],
    ),
    "instance in front of a group's member": (
        changed("GOV/G15/hotich", "VN/GOV/G15"),
        [
            "12:28: clients[0].local_groups.staff[0]: three pieces are CLASS/CODE/SUBSYSTEM, but 'VN' is the instance: "
            "write 'GOV/G15'"
        ],
    ),
    "client of another instance": (
        changed("id: GOV/G01/dancu", "id: EE/GOV/G01/dancu"),
        ["10:9: clients[0].id: a client of this server belongs to instance 'VN'"],
    ),
    "unknown local group": (
        changed("local:staff", "local:staf"),
        [f"20:18: {SERVICE}.rights[1].to: this client has no local group 'staf'; did you mean 'staff'?"],
    ),
    "right that matches no endpoint": (
        changed('allow: ["GET /v1/persons/*"]', 'allow: ["GET /v1/person/*"]'),
        [
            f"19:39: {SERVICE}.rights[0].allow[0]: 'GET /v1/person/*' matches no endpoint of the service; "
            "did you mean 'GET /v1/persons/*'?"
        ],
    ),
    "right with another method": (
        changed('allow: ["GET /v1/persons/*"]', 'allow: ["POST /v1/persons/*"]'),
        [
            f"19:39: {SERVICE}.rights[0].allow[0]: 'POST /v1/persons/*' matches no endpoint of the service; "
            "did you mean 'GET /v1/persons/*'?"
        ],
    ),
    "client twice": (
        SERVER + "  - id: VN/GOV/G01/dancu\n",
        ["21:9: clients[1].id: client 'VN/GOV/G01/dancu' stands here for the second time"],
    ),
    "service twice": (
        SERVER + "      - {code: person, url: http://h}\n",
        ["21:16: clients[0].services[1].code: service 'person' stands here for the second time"],
    ),
    "metaservice": (
        changed("code: person", "code: listMethods"),
        [f"14:15: {SERVICE}.code: 'listMethods' is a metaservice of the server itself"],
    ),
    "endpoints and description": (
        changed("        timeout: 10s", "        openapi: x.yaml"),
        [f"14:9: {SERVICE}: 'endpoints' come from 'openapi': give only one of them"],
    ),
    "unknown method": (
        changed('"POST /v1/verify"', '"FETCH /v1/verify"'),
        [f"17:42: {SERVICE}.endpoints[1]: 'FETCH /v1/verify' is not an endpoint such as 'GET /v1/persons/*': "
         "method, one blank, path"],
    ),
    "escape in a path": (
        changed('"POST /v1/verify"', '"POST /v1/%2e"'),
        [f"17:42: {SERVICE}.endpoints[1]: a path is written decoded, without escapes and control characters"],
    ),
    "spool above the limit": (
        SERVER + "limits: {spool_above: 2MiB, body: 1MiB}\n",
        ["21:23: limits.spool_above: is above limits.body"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TOGETHER.values(), ids=TOGETHER.keys())
def test_wrong_together(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert problems_of(tmp_path, text) == [f"server.yaml:{problem}" for problem in expected]


@pytest.mark.parametrize("allow", ["* /v1/persons/*", "GET /**", "GET /v1/persons/0*", "GET **"])
def test_wider_and_narrower_rights_meet_an_endpoint(tmp_path: Path, allow: str) -> None:
    assert server_from(tmp_path, changed('allow: ["GET /v1/persons/*"]', f'allow: ["{allow}"]'))


def test_files_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert problems_of(tmp_path, SERVER, files=True) == [
        "server.yaml:5:20: keys.signing.token: cannot read the file 'sign.p12': No such file or directory",
        "server.yaml:6:25: keys.authentication.key: cannot read the file 'auth.key': No such file or directory",
        "server.yaml:6:55: keys.authentication.certificate: cannot read the file 'auth.pem': No such file or directory",
    ]


KEY = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"


class TestArchiveEncryption:
    def text(self, encryption: str, group_by: str = "member") -> str:
        archive = f"{{directory: a, group_by: {group_by}, encryption: {encryption}}}"
        return f"{SERVER}evidence:\n  archive: {archive}\n"

    def test_values(self, tmp_path: Path) -> None:
        text = self.text(f"{{recipients: [{KEY}], groups: {{GOV/G01: [{KEY}]}}}}")
        archive = server_from(tmp_path, text).evidence.archive
        assert archive is not None and archive.encryption is not None
        assert archive.encryption.recipients == (KEY,)
        assert [str(group) for group in archive.encryption.groups] == ["GOV/G01"]

    @pytest.mark.parametrize(
        ("encryption", "group_by", "text"),
        [
            ("{}", "none", "is required"),
            ("{recipients: []}", "none", "must not be empty"),
            ("{recipients: [age1abc]}", "none", "is not a recipient"),
            ("{recipients: [AGE-SECRET-KEY-1ABC]}", "none", "is an identity"),
            (f"{{recipients: [{KEY}], groups: {{GOV/G01: [{KEY}]}}}}", "none", "archives are not grouped"),
            (f"{{recipients: [{KEY}], groups: {{GOV/G02: [{KEY}]}}}}", "member", "no archive is of it"),
            (f"{{recipients: [{KEY}], groups: {{GOV/G01/dancu: [{KEY}]}}}}", "member", "no archive is of it"),
            (f"{{recipients: [{KEY}], groups: {{GOV/G01: []}}}}", "subsystem", "must not be empty"),
        ],
    )
    def test_refused(self, tmp_path: Path, encryption: str, group_by: str, text: str) -> None:
        (problem,) = problems_of(tmp_path, self.text(encryption, group_by))
        assert problem.startswith("server.yaml:22:")
        assert text in problem
        assert "1ABC" not in problem


class TestPromises:
    def problems(self, tmp_path: Path, policy: str, more: str = "") -> list[str]:
        (tmp_path / "policy.txt").write_text(policy)
        text = f"{SERVER}promises: {{policy: {tmp_path}/policy.txt}}\n"
        if more:
            return problems_of(tmp_path, text + more)
        settings = server_from(tmp_path, text)
        assert settings.promises is not None
        return [finding.text for finding in _promise_findings(settings, settings.promises, files=True)]

    def test_what_a_keeper_needs(self, tmp_path: Path) -> None:
        log, witness = f"log {LOG.verifier} http://log.example/2026", f"witness w {WITNESS.verifier}"
        archive = "evidence: {archive: {directory: a, keep_records: 47h}}\n"
        assert self.problems(tmp_path, f"{log}\n{witness}\nquorum w\n") == []
        assert "asks for no witnesses" in self.problems(tmp_path, f"{log}\nquorum none\n")[0]
        assert "where it is" in self.problems(tmp_path, f"log {LOG.verifier}\n{witness}\nquorum w\n")[0]
        assert "policy line 1" in self.problems(tmp_path, "x\n")[0]
        assert "keep_records" in self.problems(tmp_path, f"{log}\n{witness}\nquorum w\n", archive)[0]

    def test_where_proofs_lie(self, tmp_path: Path) -> None:
        text = f"{SERVER}promises: {{policy: p}}\n"
        assert server_from(tmp_path, SERVER).proof_folder is None
        assert server_from(tmp_path, text).proof_folder == Path("var/servers/VN-GOV-G01-ss1/promises")
        assert server_from(tmp_path, text.replace("policy: p", "policy: p, proofs: x")).proof_folder == Path("x")


_TOLD = "{origin: tlog.gov.example/access, provider: 1, log: "
_SHOWN = '  internal_tls: {key: "file:tls.key", certificate: tls.pem}\nlisten:'


class TestSubmission:
    """How a server's leaves may go to the public log."""

    def told(self, log: str, *, shown: bool) -> str:
        text = SERVER[: SERVER.index("    services:")].replace("transparency: off", f"transparency: {_TOLD}{log}}}")
        return text.replace("listen:", _SHOWN, 1) if shown else text

    @pytest.mark.parametrize("log", ["http://127.0.10.105:8611", "http://localhost:8611", "http://[::1]:8611"])
    def test_plain_http_on_loopback(self, tmp_path: Path, log: str) -> None:
        told = server_from(tmp_path, self.told(f'"{log}"', shown=False)).transparency
        assert isinstance(told, TransparencySettings)
        assert told.certificates == ()

    def test_https_with_both_certificates(self, tmp_path: Path) -> None:
        told = server_from(tmp_path, self.told("https://log.example, certificates: [log.pem]", shown=True)).transparency
        assert isinstance(told, TransparencySettings)
        assert told.certificates == (Path("log.pem"),)

    @pytest.mark.parametrize(
        ("log", "shown", "where", "what"),
        [
            ("http://log.example:8611", True, "transparency.log", "'log.example' is not on loopback"),
            ("http://10.1.2.3:8611", True, "transparency.log", "'10.1.2.3' is not on loopback"),
            ("http://127.0.0.1, certificates: [log.pem]", True, "transparency.certificates", "https://"),
            ("https://log.example", True, "transparency.certificates", "is required"),
            ("https://log.example, certificates: [log.pem]", False, "transparency.log", "keys.internal_tls"),
        ],
    )
    def test_refused(self, tmp_path: Path, log: str, shown: bool, where: str, what: str) -> None:
        (problem,) = problems_of(tmp_path, self.told(log, shown=shown))
        assert f"{where}: " in problem
        assert what in problem
