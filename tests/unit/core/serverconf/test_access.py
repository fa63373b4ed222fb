"""Who may call what. Every row of the tricks is a path that some server behind us would read differently from how it looks."""

import dataclasses

import pytest

from gateway.core.identifiers import (
    ClientId,
    GlobalGroupId,
    LocalGroupId,
    MemberId,
    SecurityServerId,
    ServiceId,
    SubsystemId,
)
from gateway.core.serverconf.access import Denial, Grant, allowed_endpoints, decide_access
from gateway.core.serverconf.model import (
    BASE_ENDPOINT,
    AccessRight,
    Client,
    ClientStatus,
    Endpoint,
    ServerConf,
    Service,
    ServiceKind,
)

PROVIDER = SubsystemId("VN", "GOV", "G01", "dancu")
DVC = SubsystemId("VN", "GOV", "G22", "dvc")
BHXH = SubsystemId("VN", "GOV", "G12", "bhxh")
HOTICH = SubsystemId("VN", "GOV", "G15", "hotich")
READERS = GlobalGroupId("VN", "readers")
STAFF = LocalGroupId("staff")
PERSON = ServiceId(PROVIDER, "person")


def conf(*rights: AccessRight, status: ClientStatus = ClientStatus.REGISTERED, notice: str | None = None) -> ServerConf:
    services = {
        "person": Service(
            "person",
            ServiceKind.OPENAPI3,
            "http://x",
            endpoints=(Endpoint("GET", "/v1/persons/*"), Endpoint("POST", "/v1/verify"), Endpoint("*", "**")),
            disabled_notice=notice,
        ),
        "other": Service("other", ServiceKind.REST, "http://y"),
    }
    client = Client(
        PROVIDER, status=status, services=services, local_groups={STAFF: frozenset({HOTICH})}, rights=tuple(rights)
    )
    return ServerConf(SecurityServerId("VN", "GOV", "G01", "ss1"), {PROVIDER: client})


def right(
    subject: object = DVC, method: str = "GET", path: str = "/v1/persons/*", service: str = "person"
) -> AccessRight:
    return AccessRight(subject, service, Endpoint(method, path))  # type: ignore[arg-type]


def whole(subject: object = DVC) -> AccessRight:
    return AccessRight(subject, "person", BASE_ENDPOINT)  # type: ignore[arg-type]


def decide(
    server: ServerConf,
    path: str = "/v1/persons/1",
    verb: str = "GET",
    client: ClientId = DVC,
    service: ServiceId = PERSON,
    groups: frozenset[GlobalGroupId] = frozenset(),
) -> str:
    """The rule that granted, or the code of the refusal."""
    decision = decide_access(server, groups, client, service, verb, path)
    if isinstance(decision, Denial):
        return decision.code
    assert isinstance(decision[1], Grant)
    assert decision[0].code == service.service_code
    return decision[1].rule


class TestOrderOfRefusals:
    def test_unknown_provider(self) -> None:
        stranger = ServiceId(SubsystemId("VN", "GOV", "G01", "khac"), "person")
        assert decide(conf(whole()), service=stranger) == "unknown_member"

    @pytest.mark.parametrize("status", [ClientStatus.SAVED, ClientStatus.DISABLED])
    def test_only_registered_clients_serve(self, status: ClientStatus) -> None:
        assert decide(conf(whole(), status=status)) == "unknown_member"

    def test_unknown_service_comes_before_rights(self) -> None:
        assert decide(conf(), service=ServiceId(PROVIDER, "khac")) == "unknown_service"

    def test_rest_services_have_no_version(self) -> None:
        assert decide(conf(whole()), service=ServiceId(PROVIDER, "person", "v1")) == "unknown_service"

    def test_access_is_denied_before_the_notice_is_told(self) -> None:
        assert decide(conf(notice="bảo trì")) == "access_denied"

    def test_disabled(self) -> None:
        decision = decide_access(conf(whole(), notice="bảo trì"), frozenset(), DVC, PERSON, "GET", "")
        assert decision == Denial("service_disabled", "Service VN/GOV/G01/dancu/person is disabled: bảo trì")


class TestSubjects:
    def test_exact_client(self) -> None:
        assert decide(conf(right())) == "VN/GOV/G22/dvc: GET /v1/persons/*"

    def test_whole_service(self) -> None:
        assert decide(conf(whole()), verb="DELETE", path="/any/thing") == "VN/GOV/G22/dvc: the whole service"

    def test_global_group(self) -> None:
        assert decide(conf(whole(READERS)), groups=frozenset({READERS})) == "group VN/readers: the whole service"

    def test_local_group_of_the_owner(self) -> None:
        assert decide(conf(whole(STAFF)), client=HOTICH) == "local group staff: the whole service"

    @pytest.mark.parametrize(
        "subject",
        [
            BHXH,
            MemberId("VN", "GOV", "G22"),  # a member does not stand for its subsystems
            SubsystemId("VN", "GOV", "G22", "DVC"),
            SubsystemId("EE", "GOV", "G22", "dvc"),
            READERS,
            GlobalGroupId("VN", "staff"),  # a global group of the name of a local one
            STAFF,
        ],
    )
    def test_nobody_else(self, subject: object) -> None:
        assert decide(conf(whole(subject))) == "access_denied"

    def test_a_subsystem_does_not_stand_for_its_member(self) -> None:
        assert decide(conf(whole(DVC)), client=MemberId("VN", "GOV", "G22")) == "access_denied"

    def test_a_group_of_another_instance(self) -> None:
        assert decide(conf(whole(READERS)), groups=frozenset({GlobalGroupId("EE", "readers")})) == "access_denied"

    def test_a_right_to_another_service(self) -> None:
        assert decide(conf(right(path="**", service="other"))) == "access_denied"

    def test_local_groups_of_other_clients_do_not_count(self) -> None:
        server = conf(whole(STAFF))
        other = Client(BHXH, local_groups={STAFF: frozenset({DVC})})
        assert decide(dataclasses.replace(server, clients={**server.clients, BHXH: other})) == "access_denied"


class TestMethods:
    @pytest.mark.parametrize(("method", "verb"), [("GET", "GET"), ("get", "GET"), ("GET", "get"), ("*", "PATCH")])
    def test_match(self, method: str, verb: str) -> None:
        assert decide(conf(right(method=method)), verb=verb) != "access_denied"

    @pytest.mark.parametrize(("method", "verb"), [("GET", "HEAD"), ("GET", "POST"), ("POST", "GET"), ("GET", "*")])
    def test_differ(self, method: str, verb: str) -> None:
        assert decide(conf(right(method=method)), verb=verb) == "access_denied"


MATCHES = [
    ("/v1/persons/*", "/v1/persons/001099000001"),
    ("/v1/persons/*", "/v1/persons/%C4%91%E1%BB%97"),
    ("/v1/persons/*", "/v1/persons/a;b=c"),
    ("/v1/persons/*", "/v1/persons/..a"),
    ("/v1/persons/*", "/v1/persons/a%3Fb"),
    ("/v1/hà", "/v1/h%C3%A0"),
    ("/v1/a-b", "/v1/a%2Db"),
    ("/v1/a-b", "/v1/a%2db"),
    ("/files/*.json", "/files/a.json"),
    ("/v*x", "/v12x"),
    ("/v*x", "/vx"),
    ("/*a*b*a", "/xaxbxa"),
    ("/a/*/c", "/a/b/c"),
    ("/a/**", "/a/"),
    ("/a/**", "/a/b/c/"),
    ("/**/z", "/a/b/z"),
    ("/a**z", "/a/b/z"),
    ("/***", "/a/b"),
    ("**", ""),
    ("**", "/"),
    ("/", "/"),
    ("/a/", "/a/"),
    (r"/a/\*", "/a/*"),
    (r"/a/\*", "/a/%2A"),
    ("/a.b", "/a.b"),
    ("/(a+b)", "/(a+b)"),
    ("/q?", "/q%3F"),
]
DIFFER = [
    ("/v1/persons/*", "/v1/persons"),
    ("/v1/persons/*", "/v1/persons/"),  # the list of all persons, where servers have one
    ("/v1/persons/*", "/v1/persons/1/photo"),
    ("/v1/persons/*", "/V1/persons/1"),
    ("/v1/persons/*", "v1/persons/1"),
    ("/a/*/c", "/a//c"),
    ("/a/**", "/a"),
    ("/a", "/a/"),
    ("/a/", "/a"),
    ("/", ""),
    ("", "/"),
    (r"/a/\*", "/a/b"),
    ("/a.b", "/axb"),
    ("/q?", "/q"),
    ("/v1/h%C3%A0", "/v1/h%C3%A0"),  # globs are written decoded
    ("/files/*.json", "/files/a/b.json"),
    ("/files/*.json", "/files/secret;.json"),  # servers that cut path parameters serve /files/secret
    ("/files/*.json", "/files/secret%3B.json"),
    ("/v1/persons/*", "/v1/persons/;x"),
    ("/v1/persons/*", "/v1/persons/%3Bx"),
    ("/v1/**", "/v1/;/admin"),
    ("/v1/**", "/v1//admin"),
    ("/v1/**", "//v1/admin"),
    ("/**", "//admin"),
]


class TestGlobs:
    @pytest.mark.parametrize(("glob", "path"), MATCHES)
    def test_match(self, glob: str, path: str) -> None:
        assert decide(conf(right(path=glob)), path) == f"VN/GOV/G22/dvc: GET {glob}"

    @pytest.mark.parametrize(("glob", "path"), DIFFER)
    def test_differ(self, glob: str, path: str) -> None:
        assert decide(conf(right(path=glob)), path) == "access_denied"

    def test_repeated_slashes_pass_with_a_right_to_the_whole_service(self) -> None:
        assert decide(conf(whole()), "/a//b/;x") == "VN/GOV/G22/dvc: the whole service"


TRICKS = {
    "dot": "/v1/persons/.",
    "dot-dot": "/v1/persons/../admin",
    "escaped dots": "/v1/persons/%2e%2e/admin",
    "half escaped dots": "/v1/persons/.%2E/admin",
    "dots with a parameter": "/v1/persons/..;/admin",
    "dots with a named parameter": "/v1/persons/..;a=b/admin",
    "escaped dots with an escaped parameter": "/v1/persons/%2e%2e%3Bx/admin",
    "dots and a blank": "/v1/persons/..%20/admin",
    "three dots": "/v1/persons/.../admin",
    "double encoding": "/v1/persons/%252e%252e/admin",
    "double encoded slash": "/v1/persons/1%252Fadmin",
    "triple encoding": "/v1/persons/%25252e",
    "a lone percent sign": "/v1/persons/100%25",
    "windows-style unicode escape": "/v1/persons/%u002e%u002e",
    "escaped slash": "/v1/persons/1%2Fadmin",
    "escaped slash, lower case": "/v1/persons/1%2fadmin",
    "backslash": "/v1/persons/..\\admin",
    "escaped backslash": "/v1/persons/..%5Cadmin",
    "overlong slash": "/v1/persons/..%c0%afadmin",
    "overlong dot": "/v1/persons/%c0%ae%c0%ae/admin",
    "three byte overlong slash": "/v1/persons/%e0%80%af",
    "surrogate": "/v1/persons/%ed%a0%80",
    "not UTF-8": "/v1/persons/%ff",
    "NUL": "/v1/persons/1%00.json",
    "line break": "/v1/persons/1%0d%0aX:y",
    "tab": "/v1/persons/%09",
    "delete": "/v1/persons/%7f",
    "C1 control": "/v1/persons/%c2%85",
    "zero width space": "/v1/persons/.%e2%80%8b.",
    "byte order mark": "/v1/persons/%ef%bb%bf..",
    "full-width dots": "/v1/persons/%ef%bc%8e%ef%bc%8e/admin",
    "full-width slash": "/v1/persons/1%ef%bc%8fadmin",
    "full-width backslash": "/v1/persons/1%ef%bc%bcadmin",
    "full-width percent": "/v1/persons/%ef%bc%852e",
    "two dot leader": "/v1/persons/%e2%80%a5/admin",
    "one dot leader": "/v1/persons/%e2%80%a4%e2%80%a4/admin",
    "account of": "/v1/persons/%e2%84%80",
    "broken escape": "/v1/persons/%2",
    "escape without digits": "/v1/persons/%zz",
    "raw blank": "/v1/persons/a b",
    "fragment": "/v1/persons/1#x",
    "query": "/v1/persons/1?x",
    "raw letter outside ASCII": "/v1/persons/đ",
    "braces": "/v1/persons/{id}",
    "no slash": "v1/persons/1",
    "trailing line break": "/v1/persons/1\n",
}


@pytest.mark.parametrize("path", TRICKS.values(), ids=TRICKS.keys())
@pytest.mark.parametrize(
    "given", [right(path="/v1/persons/*"), right(path="/v1/**"), whole()], ids=["*", "**", "whole"]
)
def test_ambiguous_paths_are_refused_whatever_the_right(path: str, given: AccessRight) -> None:
    assert decide(conf(given), path) == "access_denied"


def test_a_refusal_says_nothing_of_the_path() -> None:
    decision = decide_access(conf(whole()), frozenset(), DVC, PERSON, "GET", "/001099000001/..")
    assert isinstance(decision, Denial)
    assert "001099000001" not in decision.reason


def test_grants_name_the_first_right_that_matches() -> None:
    assert decide(conf(right(method="POST"), right(READERS), right())) == "VN/GOV/G22/dvc: GET /v1/persons/*"


class TestAllowedEndpoints:
    def allowed(
        self, *rights: AccessRight, client: ClientId = DVC, groups: frozenset[GlobalGroupId] = frozenset()
    ) -> object:
        provider = conf(*rights).clients[PROVIDER]
        return allowed_endpoints(provider, groups, client, provider.services["person"])

    def test_no_right_is_not_an_empty_list(self) -> None:
        assert self.allowed() is None

    def test_base_right_gives_all_but_the_base_endpoint(self) -> None:
        assert self.allowed(whole()) == (Endpoint("GET", "/v1/persons/*"), Endpoint("POST", "/v1/verify"))

    def test_configured_endpoints_that_a_right_matches(self) -> None:
        assert self.allowed(right(method="*", path="/v1/ver*")) == (Endpoint("POST", "/v1/verify"),)

    def test_a_narrower_right_matches_none(self) -> None:
        assert self.allowed(right(path="/v1/persons/0*")) == ()
