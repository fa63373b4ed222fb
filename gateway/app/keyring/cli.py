"""`gateway keys …`: what an operator does with keys, from the first request to a renewal by a timer."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer

from gateway.app import process
from gateway.core.errors import SettingsError
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.signing.requests import KeyType
from gateway.settings.common import SecretReference, secret_reference
from gateway.settings.pkcs11uri import parse_pkcs11_uri
from gateway.settings.server import ServerSettings, load_server
from gateway.settings.trust import load_trust

keys = typer.Typer(
    no_args_is_help=True, help="Keys and certificates of a security server: see, request, import, renew."
)

Config = Annotated[Path, typer.Option("--config", help="YAML file of the security server")]
Folder = Annotated[Path, typer.Option("--folder", "--out", help="folder in which new keys wait; made when missing")]
Kind = Annotated[Literal["ec-p256", "ec-p384", "rsa-2048", "rsa-3072"], typer.Option("--type", help="of the new key")]
AsJson = Annotated[bool, typer.Option("--json", help="say it in JSON")]
Ca = Annotated[str | None, typer.Option(help="approved authority that will be asked, by its name")]
Dns = Annotated[str | None, typer.Option(help="host name of the server, where the certificate is to have one")]
Country = Annotated[str, typer.Option(help="two letters, where the profile has a country")]
Within = Annotated[str, typer.Option(help="how soon is soon: 30d, 12h")]
_DURATION = re.compile(r"([0-9]{1,5})([hd])")


@keys.command("list")
def list_(config: Config, as_json_: AsJson = False) -> None:
    """Every key of the server: use, holder, subject, days left, OCSP, registered, active. Answers are asked for now."""
    from gateway.app.keyring.states import as_json, as_line, key_states
    from gateway.app.listeners import clock

    states, now = process.run(key_states(load_server(config))), clock()
    if as_json_:
        _print_json([as_json(state, now) for state in states])
        return
    for state in states:
        typer.echo(as_line(state, now))


@keys.command("due")
def due_(config: Config, within: Within = "30d", as_json_: AsJson = False) -> None:
    """Keys that end soon and have no successor in the settings; exit 1 when there are any."""
    from gateway.app.keyring.states import as_json, as_line, due, key_states
    from gateway.app.listeners import clock

    horizon = _horizon(within)
    states, now = process.run(key_states(load_server(config))), clock()
    ending = due(states, horizon, now)
    if as_json_:
        _print_json([as_json(state, now) for state in ending])
    else:
        for state in ending:
            typer.echo(as_line(state, now))
    if ending:
        raise typer.Exit(1)


@keys.command()
def request(
    config: Config,
    use: Annotated[Literal["sign", "auth", "tls"], typer.Option("--for", help="what the key is for")],
    out: Folder,
    kind: Kind = "ec-p256",
    member: Annotated[str | None, typer.Option(help="GOV/G01: whose signing key; default: the server's owner")] = None,
    ca: Ca = None,
    dns: Dns = None,
    country: Country = "VN",
    token: Annotated[str | None, typer.Option(help="pkcs11:…;object=NAME?module-path=…: make the key there")] = None,
    pin: Annotated[str | None, typer.Option(help="of that token: file:…, env:… or credential:…")] = None,
) -> None:
    """Make a key and the request for its certificate, with the subject that the global configuration asks for."""
    from gateway.app.keyring.requests import Wanted, request_key
    from gateway.app.listeners import clock

    try:
        uri = None if token is None else parse_pkcs11_uri(token)
    except ValueError as e:
        raise SettingsError([f"--token: {e}"]) from e
    wanted = Wanted(use, KeyType(kind), member, ca, dns, country, uri, None if pin is None else _secret(pin))
    settings = load_server(config)
    path, named = request_key(settings, _conf(settings), wanted, out, clock())
    typer.echo(f"{path}: {named.subject.rfc4514_string()}, for {named.holder}")


@keys.command("import")
def import_(
    certificate: Annotated[Path, typer.Argument(help="certificate, PEM, its intermediates with it")],
    config: Config,
    out: Folder,
) -> None:
    """Join a certificate with its waiting key, if all other servers will accept it; says what the settings need then."""
    from gateway.app.keyring.importing import import_certificate, what_to_do
    from gateway.app.listeners import clock

    settings = load_server(config)
    typer.echo(what_to_do(import_certificate(settings, _conf(settings), certificate, out, clock())))


@keys.command()
def renew(
    config: Config,
    out: Folder,
    within: Within = "30d",
    authority: Annotated[
        Path | None, typer.Option(help="YAML file of the trust role, when its authority is ours: it answers at once")
    ] = None,
    acme: Annotated[bool, typer.Option("--acme", help="order the certificates over ACME, as the settings say")] = False,
    years: Annotated[float, typer.Option(min=0.01, max=30, help="that authority's certificates last so long")] = 2,
    kind: Kind = "ec-p256",
    ca: Ca = None,
    dns: Dns = None,
    country: Country = "VN",
) -> None:
    """A successor for every key that ends soon: made, requested and, where an authority answers at once, issued and imported."""
    from gateway.app.keyring.renewal import acme_authority, our_authority
    from gateway.app.keyring.renewal import renew as successors
    from gateway.app.keyring.requests import Wanted
    from gateway.app.keyring.states import due, key_states
    from gateway.app.listeners import clock

    horizon, settings = _horizon(within), load_server(config)
    if acme and authority is not None:
        raise SettingsError(["--acme and --authority: who is to issue?"])
    states, now = process.run(key_states(settings)), clock()
    issuer = None if authority is None else our_authority(load_trust(authority), now, years)
    texts = successors(
        settings,
        _conf(settings),
        due(states, horizon, now),
        Wanted("sign", KeyType(kind), None, ca, dns, country),
        out,
        now,
        within=horizon,
        issuer=acme_authority(settings) if acme else issuer,
    )
    for text in texts:
        typer.echo(text + "\n")


@keys.command()
def order(config: Config, out: Folder) -> None:
    """Certificates over ACME for all keys that wait for one, imported; says what the settings need then."""
    from gateway.app.keyring.renewal import acme_authority, certify_waiting

    settings = load_server(config)
    texts = list(certify_waiting(settings, _conf(settings), out, acme_authority(settings)))
    typer.echo("\n\n".join(texts) if texts else "no key waits for a certificate")


def _conf(settings: ServerSettings) -> GlobalConfiguration:
    from gateway.app.keyring.states import configuration

    async def load() -> GlobalConfiguration:
        async with configuration(settings) as client:
            return client.current()

    return process.run(load())


def _horizon(text: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise SettingsError([f"--within: {text!r} is not a time such as 30d or 12h"])
    return timedelta(**{{"h": "hours", "d": "days"}[found[2]]: int(found[1])})


def _secret(text: str) -> SecretReference:
    try:
        return secret_reference(text)
    except ValueError as e:
        raise SettingsError([f"--pin: {e}"]) from e


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
