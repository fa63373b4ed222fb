"""The small types: what they take, what they print."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.core.errors import SettingsError
from gateway.settings import common


def parse(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).validate_python(value, context={"files": False})


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (common.Duration, "500ms", timedelta(milliseconds=500)),
        (common.Duration, "10s", timedelta(seconds=10)),
        (common.Duration, "90m", timedelta(minutes=90)),
        (common.Duration, "24h", timedelta(days=1)),
        (common.Duration, "30d", timedelta(days=30)),
        (common.DurationOrZero, "0s", timedelta()),
        (common.Size, "0B", 0),
        (common.Size, "64KiB", 65536),
        (common.Size, "10MiB", 10 << 20),
        (common.Size, "1TiB", 1 << 40),
        (common.Day, "2025-03-01", date(2025, 3, 1)),
        (common.Listen, "127.0.0.1:8080", common.ListenAddress("127.0.0.1", 8080)),
        (common.Listen, "[::1]:1", common.ListenAddress("::1", 1)),
        (common.Listen, "localhost:65535", common.ListenAddress("localhost", 65535)),
        (common.Host, "gw.example", "gw.example"),
        (common.Host, "2001:db8::1", "2001:db8::1"),
        (common.HttpUrl, "https://h:1/p?q", "https://h:1/p?q"),
        (common.UrlOrFile, "file:var/anchor.xml", "file:var/anchor.xml"),
        (common.FilePath, "a/b", Path("a/b")),
        (common.ExistingFile, "file:a/b", Path("a/b")),
        (common.FileReference, "file:a/b", Path("a/b")),
        (common.Secret, "file:a b", common.SecretReference("file", "a b")),
        (common.Secret, "env:PIN_1", common.SecretReference("env", "PIN_1")),
        (common.Secret, "credential:g01-sign", common.SecretReference("credential", "g01-sign")),
    ],
)
def test_taken(kind: Any, text: str, value: object) -> None:
    assert parse(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((common.Duration, v) for v in ("0s", "10", "10 s", "-1s", "1.5s", "1w", "10S", "", "９s", "1s\n", 10, None)),
        *((common.Size, v) for v in ("64", "64KB", "64 KiB", "1kiB", "-1B", "1.5MiB", 64)),
        *((common.Day, v) for v in ("2025-3-1", "2025-02-30", "20250301", "2025-W01-1", 2025)),
        *((common.Listen, v) for v in ("8080", ":8080", "h", "h:", "h:0", "h:65536", "::1:80", "h:8 0", "h/x:1", 8080)),
        *((common.Host, v) for v in ("", "h:1", "http://h", "h/", "a b")),
        *(
            (common.HttpUrl, v)
            for v in ("h", "ftp://h", "http://", "http://u@h", "http://h#f", "http://h/ ", "http://h/đ")
        ),
        *((common.HttpUrl, v) for v in ("http://h:99999", "http://[h", "http://h:0", "HTTP", 1)),
        *((common.UrlOrFile, v) for v in ("file:", "var/anchor.xml")),
        *((common.FilePath, v) for v in ("", "a\0b", 1)),
        *((common.FileReference, v) for v in ("a/b", "file:", "pkcs11:x", 1)),
        *(
            (common.Secret, v)
            for v in ("secret", "file:", "env:1A", "env:A B", "credential:../x", "credential:..", 1, ("a",))
        ),
    ],
)
def test_refused(kind: Any, value: object) -> None:
    with pytest.raises(ValidationError):
        parse(kind, value)


@pytest.mark.parametrize("text", ["500ms", "10s", "5m", "1h", "30d", "1500ms"])
def test_durations_print_as_written(text: str) -> None:
    assert common.print_duration(parse(common.Duration, text)) == text


@pytest.mark.parametrize("text", ["0B", "512B", "64KiB", "10MiB", "1GiB", "3TiB"])
def test_sizes_print_as_written(text: str) -> None:
    assert str(parse(common.Size, text)) == text


@pytest.mark.parametrize("text", ["127.0.0.1:8080", "[::1]:80"])
def test_addresses_print_as_written(text: str) -> None:
    assert str(parse(common.Listen, text)) == text


class TestSecrets:
    def test_file(self, tmp_path: Path) -> None:
        (tmp_path / "pin").write_text("m\u1eadt kh\u1ea9u \n")
        assert common.SecretReference("file", str(tmp_path / "pin")).read() == "m\u1eadt kh\u1ea9u "

    def test_only_one_line_break_goes(self, tmp_path: Path) -> None:
        (tmp_path / "pin").write_bytes(b"x\n\r\n")
        assert common.SecretReference("file", str(tmp_path / "pin")).read() == "x\n"

    def test_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PIN", "x")
        assert common.SecretReference("env", "PIN").read() == "x"

    def test_credential(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "pin").write_text("x")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        assert common.SecretReference("credential", "pin").read() == "x"

    @pytest.mark.parametrize("kind", ["file", "env", "credential"])
    def test_nothing_there(self, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
        with pytest.raises(SettingsError, match=f"cannot read the secret {kind}:NO_SUCH_THING"):
            common.SecretReference(kind, "NO_SUCH_THING").read()

    def test_not_utf8(self, tmp_path: Path) -> None:
        (tmp_path / "pin").write_bytes(b"abc\xff")
        with pytest.raises(SettingsError) as e:
            common.SecretReference("file", str(tmp_path / "pin")).read()
        assert "abc" not in str(e.value)


class TestFiles:
    def test_a_file_must_be_there(self, tmp_path: Path) -> None:
        with pytest.raises(ValidationError, match="No such file"):
            TypeAdapter(common.ExistingFile).validate_python(str(tmp_path / "x"))

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(ValidationError, match="Is a directory"):
            TypeAdapter(common.ExistingFile).validate_python(str(tmp_path))

    def test_a_certificate_file_holds_one(self, tmp_path: Path) -> None:
        (tmp_path / "x.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        with pytest.raises(ValidationError, match="holds no certificate"):
            TypeAdapter(common.CertificateFile).validate_python(str(tmp_path / "x.pem"))
