"""Certificates over ACME (RFC 8555): the request of a waiting key is ordered, the server's host is proved, the chain comes back.

    1  the account: its key stands in a file, made at the first order; bound to the authority's books when it asks for that (EAB)
    2  the order: for the host name in the request, whatever else its subject says
    3  the proof: `http-01`, answered here for as long as the order takes
    4  the certificate, for the request as it is

What comes back is imported like any other certificate (`importing.py`): the authority of an order is not believed by that. A crash
anywhere leaves an order that nobody finishes; the next one is new. The `acme` package is only for those who have such an authority.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
from acme import challenges, client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from gateway.app.keyring.files import WaitingKey
from gateway.app.listeners import clock
from gateway.app.newfiles import write_new
from gateway.core.errors import ServiceUnavailable, SettingsError
from gateway.settings.acme import AcmeSettings
from gateway.settings.common import ListenAddress

_ERRORS = (errors.Error, messages.Error, JoseError, requests.RequestException, ValueError)
_FRESH_NONCES = 3
_NETWORK_SECONDS = 20


def order_certificate(settings: AcmeSettings, key: WaitingKey) -> bytes:
    """PEM: the certificate and its intermediates. ServiceUnavailable says what the authority, or the network, says; SettingsError
    when the request names no host, or the place for proofs cannot be listened at."""
    account, names = _account_key(settings.account), _host_names(key)
    try:
        return _order(settings, account, names, key)
    except _ERRORS as e:
        raise ServiceUnavailable(f"The ACME server {settings.directory}: {_words(e)}") from e


class _Network(client.ClientNetwork):
    """Asks again when the server wants a fresh nonce (RFC 8555, 6.5), more often than the library, which does so once."""

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        for _ in range(_FRESH_NONCES):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as e:
                if e.code != "badNonce":
                    raise
        return super().post(*args, **kwargs)


def _order(settings: AcmeSettings, account: JWKEC, names: list[x509.GeneralName], key: WaitingKey) -> bytes:
    trust: Any = (
        str(settings.ca) if settings.ca is not None else True
    )  # whom its TLS is believed: this file's, or the web's
    network = _Network(account, None, ES256, trust, "", _NETWORK_SECONDS)
    found = client.ClientV2(client.ClientV2.get_directory(settings.directory, network), network)
    # 1. the account
    _register(found, settings, account)
    # 2. the order: the library reads the names out of a request, so it is shown one that has nothing else
    profile = settings.profiles.get(key.record.use)
    order = found.new_order(_names_only(names), profile)
    # 3. the proof
    proofs = [_proof(authorization) for authorization in order.authorizations if _is_open(authorization)]
    answers = [(proof, *proof.chall.response_and_validation(account)) for proof in proofs]
    deadline = (
        clock().astimezone().replace(tzinfo=None) + settings.timeout
    )  # the library's clock is local and knows no zone
    with _answering(settings.listen, {proof.chall.path: text for proof, _, text in answers}):
        for proof, response, _ in answers:
            found.answer_challenge(proof, response)
        order = found.poll_authorizations(order, deadline)
    # 4. the certificate
    wanted = order.update(csr_pem=key.place.with_suffix(".csr").read_bytes())
    return found.finalize_order(wanted, deadline).fullchain_pem.encode()


def _register(found: client.ClientV2, settings: AcmeSettings, account: JWKEC) -> None:
    binding = None
    if settings.binding is not None:
        public, secret = account.public_key(), settings.binding.secret.read()
        binding = messages.ExternalAccountBinding.from_data(public, settings.binding.key_id, secret, found.directory)
    new = messages.NewRegistration.from_data(
        email=settings.contact, terms_of_service_agreed=True, external_account_binding=binding
    )
    try:
        found.new_account(new)
    except errors.ConflictError as known:  # from an earlier order
        found.query_registration(messages.RegistrationResource(body=messages.Registration(), uri=known.location))


def _account_key(path: Path) -> JWKEC:
    """Made when missing. SettingsError when the file holds another."""
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_new(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as e:
        raise SettingsError([f"acme.account: {path} is no key of an account"]) from e
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SettingsError([f"acme.account: {path} is not a P-256 key"])
    return JWKEC(key=key)


def _host_names(key: WaitingKey) -> list[x509.GeneralName]:
    request = x509.load_pem_x509_csr(key.place.with_suffix(".csr").read_bytes())
    try:
        return list(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound as e:
        raise SettingsError([f"{key.name}: its request names no host: make it with --dns"]) from e


def _names_only(names: list[x509.GeneralName]) -> bytes:
    """A request that is never sent: neither its key nor its signature mean anything."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), SHA256()).public_bytes(Encoding.PEM)


def _is_open(authorization: messages.AuthorizationResource) -> bool:
    return bool(authorization.body.status != messages.STATUS_VALID)


def _proof(authorization: messages.AuthorizationResource) -> Any:
    for offered in authorization.body.challenges:
        if isinstance(offered.chall, challenges.HTTP01):
            return offered
    raise errors.ClientError("it offers no http-01 challenge")


@contextmanager
def _answering(listen: ListenAddress, answers: dict[str, str]) -> Iterator[None]:
    """GET of these paths is answered with these texts, and of no other."""

    class Handler(BaseHTTPRequestHandler):
        timeout = _NETWORK_SECONDS

        def do_GET(self) -> None:
            text = answers.get(self.path)
            self.send_response_only(404 if text is None else 200)
            self.send_header("Content-Type", "application/octet-stream")
            self.end_headers()
            self.wfile.write((text or "").encode())

        def log_message(self, *_: object) -> None:
            """The command says what came of it."""

    try:
        server = ThreadingHTTPServer((listen.host, listen.port), Handler)
    except OSError as e:
        raise SettingsError([f"acme.listen: cannot listen on {listen}: {e.strerror}"]) from e
    with server:
        thread = threading.Thread(target=server.serve_forever, name="acme-proof", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def _words(error: Exception) -> str:
    if isinstance(error, errors.ValidationError):
        problems = [c.error for a in error.failed_authzrs for c in a.body.challenges if c.error is not None]
        return "; ".join(str(p.detail) for p in problems) or "the host was not proved"
    if isinstance(error, requests.RequestException):
        return type(error).__name__  # the text may be long and repeats the address
    return str(getattr(error, "detail", None) or error or type(error).__name__)[:500]
