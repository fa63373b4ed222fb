"""Templates of endpoints and the order in which they are asked."""

from __future__ import annotations

import pytest

from gateway.core.disclosure.contract import EndpointContract, path_template, service_contract


def endpoint(method: str, template: str) -> EndpointContract:
    return EndpointContract(method, path_template(template), (), (), ())


CONTRACT = service_contract(
    tuple(
        endpoint(*text.split(" "))
        for text in (
            "GET /v1/**",
            "GET /v1/{kind}/{id}",
            "GET /v1/persons/{id}",
            "GET /v1/persons/all",
            "POST /v1/verify",
        )
    )
)


@pytest.mark.parametrize(
    ("method", "segments", "template", "parameters"),
    [
        ("GET", ("v1", "persons", "all"), "/v1/persons/all", {}),
        ("GET", ("v1", "persons", "999300000017"), "/v1/persons/{id}", {"id": "999300000017"}),
        ("GET", ("v1", "cards", "7"), "/v1/{kind}/{id}", {"kind": "cards", "id": "7"}),
        ("GET", ("v1", "persons"), "/v1/**", {}),
        ("GET", ("v1", "persons", "", "x"), "/v1/**", {}),
        ("GET", ("v1", "persons", ""), "/v1/**", {}),  # a parameter is never empty
        ("POST", ("v1", "verify"), "/v1/verify", {}),
    ],
)
def test_the_template_that_says_most(
    method: str, segments: tuple[str, ...], template: str, parameters: dict[str, str]
) -> None:
    found = CONTRACT.find(method, segments)
    assert found is not None
    assert (found[0].template.text, found[1]) == (template, parameters)


@pytest.mark.parametrize(
    ("method", "segments"),
    [("HEAD", ("v1", "persons", "1")), ("POST", ("v1", "verify", "")), ("GET", ("v2", "persons")), ("GET", ())],
)
def test_what_is_not_declared(method: str, segments: tuple[str, ...]) -> None:
    assert CONTRACT.find(method, segments) is None


@pytest.mark.parametrize("text", ["v1", "/v1/{a}{b}", "/v1/p{id}", "/v1/*", "/**/v1", "/{a}/{a}", "/v1/{1}", "/a**"])
def test_no_template(text: str) -> None:
    with pytest.raises(ValueError):
        path_template(text)


@pytest.mark.parametrize(("text", "glob"), [("/v1/{a}/b/**", "/v1/*/b/**"), ("", ""), ("/", "/")])
def test_as_a_glob(text: str, glob: str) -> None:
    assert path_template(text).glob == glob
