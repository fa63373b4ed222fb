"""A PKCS#11 token in software (SoftHSM), for the whole test session: PKCS#11 libraries read their configuration once a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pkcs11 import Attribute, KeyType, ObjectClass

from gateway.settings.pkcs11uri import parse_pkcs11_uri
from gateway.signer.tokens.cryptoki import library
from gateway.trust.authority import Identity

LABEL, PIN = "gateway-test", "1234"
_LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


@dataclass(frozen=True)
class SoftHsm:
    """`configuration`: what SOFTHSM2_CONF must say in every process that uses the token."""

    library: str
    folder: Path
    configuration: Path

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens"

    def keep(self, name: str, identity: Identity) -> str:
        """Import a key under this name; its URI."""
        key = self.folder / f"{name}.key"
        key.write_bytes(identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        number = f"{len(list(self.folder.glob('*.key'))):04x}"
        self._util("--import", str(key), "--token", LABEL, "--label", name, "--id", number, "--pin", PIN)
        return self.uri(name)

    def keep_secret(self, name: str, value: bytes) -> str:
        """Put an AES key on the token under this name; its URI. A real one would be made there."""
        uri = parse_pkcs11_uri(self.uri(name))
        template = {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: KeyType.AES,
            Attribute.LABEL: name,
            Attribute.VALUE: value,
            Attribute.TOKEN: True,
            Attribute.PRIVATE: True,
            Attribute.SENSITIVE: True,
            Attribute.ENCRYPT: True,
            Attribute.DECRYPT: True,
        }
        opened = library(uri.module)

        def put() -> None:
            with opened.writing(uri, PIN) as session:
                session.create_object(template)

        opened.call(put)
        return self.uri(name)

    def uri(self, name: str) -> str:
        return f"pkcs11:token={LABEL};object={name}?module-path={self.library}"

    def _util(self, *arguments: str) -> None:
        environment = {**os.environ, "SOFTHSM2_CONF": str(self.configuration)}
        subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True, env=environment)


@cache
def softhsm() -> SoftHsm:
    """The session's token; the test is skipped, with the reason, where SoftHSM is not installed."""
    library = next((path for path in _LIBRARIES if Path(path).exists()), None)
    if library is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed")
    folder = Path(tempfile.mkdtemp(prefix="softhsm-"))
    hsm = SoftHsm(library, folder, folder / "softhsm2.conf")
    hsm.tokens.mkdir()
    hsm.configuration.write_text(
        f"directories.tokendir = {hsm.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    os.environ["SOFTHSM2_CONF"] = str(hsm.configuration)
    hsm._util("--init-token", "--free", "--label", LABEL, "--so-pin", "567890", "--pin", PIN)
    return hsm
