"""The four endpoints of an OpenID provider: description, keys, the page where a citizen is chosen, tokens.

Clients and where they may be sent back to are fixed: an open redirector would be an attack on whoever trusts this address.
A question that has expired is shown as such, with what happens next, and cannot be answered.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import yaml
from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from adapters.people import VIETNAM
from adapters.vneid.questions import parse_question
from adapters.vneid.tokens import Answer, Citizen, Issuer, Officer

_FOLDER = Path(__file__).parent
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def load_citizens() -> tuple[Citizen, ...]:
    return tuple(Citizen(**entry) for entry in yaml.safe_load((_FOLDER / "citizens.yaml").read_text("utf-8")))


def load_officers() -> tuple[Officer, ...]:
    return tuple(Officer(**entry) for entry in yaml.safe_load((_FOLDER / "officers.yaml").read_text("utf-8")))


def build_vneid(
    url: str,
    citizens: Sequence[Citizen],
    officers: Sequence[Officer] = (),
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> web.Application:
    """`url`: the issuer, without a slash at its end. Officers are offered to clients that ask for the scope `officer`."""
    issuer = Issuer(url)
    people: dict[str, Citizen | Officer] = {c.number: c for c in citizens} | {o.number: o for o in officers}
    templates = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"), autoescape=True, undefined=StrictUndefined, auto_reload=False
    )
    style = (_FOLDER / "templates" / "vneid.css").read_bytes()

    async def description(_: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": url,
                "authorization_endpoint": f"{url}/authorize",
                "token_endpoint": f"{url}/token",
                "jwks_uri": f"{url}/jwks",
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "code_challenge_methods_supported": ["S256"],
                "acr_values_supported": ["level-1", "level-2"],
                "scopes_supported": ["openid", "officer"],
                "authorization_details_types_supported": ["consent"],
            }
        )

    async def keys(_: web.Request) -> web.Response:
        return web.json_response(issuer.keys())

    def page(template: str, **values: object) -> web.Response:
        text = templates.get_template(template).render(**values)
        return web.Response(text=text, content_type="text/html", headers=_HEADERS)

    def back(asked: Mapping[str, str], **told: str) -> web.Response:
        told = {"state": asked["state"], "iss": url, **told}
        return web.Response(status=303, headers={"Location": f"{asked['redirect_uri']}?{urlencode(told)}", **_HEADERS})

    async def choose(request: web.Request) -> web.Response:
        asked = _asked(request.query)
        shown = officers if asked.get("scope") == "openid officer" else citizens
        return page("choose.html", citizens=shown, asked=asked, client=urlsplit(asked["redirect_uri"]).netloc)

    async def decide(request: web.Request) -> web.Response:
        form = {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
        asked = _asked(form)
        person, answer = people.get(form.get("citizen", "")), None
        if person is None:
            return back(asked, error="access_denied")
        if "authorization_details" in asked:
            question = parse_question(asked["authorization_details"])
            over, decision = question.expires <= clock(), form.get("decision")
            if decision not in (
                ("seen",) if over else ("granted", "refused")
            ):  # nothing is chosen beforehand, or assumed
                named = {**asked, "citizen": person.number}
                by = question.expires.astimezone(VIETNAM).strftime("%H:%M, %d/%m/%Y")
                shown = {"question": question, "asked": named, "name": getattr(person, "name", ""), "by": by}
                return page("expired.html" if over else "consent.html", **shown)
            if over:
                return back(asked, error="consent_expired")
            answer = Answer(question, decision == "granted")
        given = (asked["client_id"], asked["redirect_uri"], asked["nonce"], asked["code_challenge"])
        return back(asked, code=issuer.code(*given, person, answer))

    async def token(request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        named = [form.get(key, "") for key in ("code", "client_id", "redirect_uri", "code_verifier")]
        grant = issuer.redeem(*named) if form.get("grant_type") == "authorization_code" else None
        if grant is None:
            return web.json_response({"error": "invalid_grant"}, status=400, headers=_HEADERS)
        told = {"token_type": "Bearer", "access_token": "none", "id_token": issuer.id_token(grant), "expires_in": 300}
        return web.json_response(told, headers=_HEADERS)

    async def css(_: web.Request) -> web.Response:
        return web.Response(body=style, content_type="text/css")

    app = web.Application(client_max_size=16 * 1024)
    app.router.add_get("/.well-known/openid-configuration", description)
    app.router.add_get("/jwks", keys)
    app.router.add_get("/authorize", choose)
    app.router.add_post("/authorize", decide)
    app.router.add_post("/token", token)
    app.router.add_get("/vneid.css", css)
    return app


def _asked(given: Mapping[str, str]) -> dict[str, str]:
    """The request of a client; an error is shown here and not sent to an address that is not known (RFC 6749 4.1.2.1)."""
    keys = ("client_id", "redirect_uri", "state", "nonce", "code_challenge")
    asked = {key: given.get(key, "") for key in keys}
    asked |= {key: given[key] for key in ("scope", "authorization_details") if given.get(key)}
    address = urlsplit(asked["redirect_uri"])
    if not all(asked.values()) or given.get("response_type", "code") != "code":
        raise web.HTTPBadRequest(text="response_type=code with client_id, redirect_uri, state, nonce, code_challenge\n")
    if not _on_loopback(address.hostname or "") or address.path != "/callback" or address.query or address.fragment:
        raise web.HTTPBadRequest(text="this stand-in sends people back to /callback on the loopback only\n")
    return asked


def _on_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
