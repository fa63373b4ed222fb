from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.core.errors import TrustOutdated, UnknownSubject
from gateway.core.globalconf.assembly import assemble, parse_part
from gateway.core.globalconf.directory import SHARED
from gateway.core.globalconf.model import GlobalConfiguration, SharedParameters
from gateway.core.globalconf.sharedparams import print_shared_parameters
from gateway.core.identifiers import GlobalGroupId, MemberId, SecurityServerId, SubsystemId
from tests.unit.core.globalconf.samples import (
    DANCU,
    DVC,
    LATER,
    NOW,
    POLICE,
    PORTAL,
    SS1,
    SS2,
    certificate,
    der,
    server_id,
    shared,
    subsystem,
)

SOON = LATER - timedelta(microseconds=1)


def configuration(
    *others: SharedParameters, own: SharedParameters | None = None, **expiries: object
) -> GlobalConfiguration:
    """`own` is VN; every instance expires at LATER unless said otherwise."""
    all_params = (own or shared(), *others)
    parts = [parse_part(SHARED, p.instance, p.version, print_shared_parameters(p, p.version)) for p in all_params]
    dates = {p.instance: expiries.get(p.instance, LATER) for p in all_params}
    return assemble("VN", parts, dates)  # type: ignore[arg-type]


CONF = configuration()
FI = replace(shared(version=2, instance="FI"), ocsp_freshness=timedelta(seconds=7))
FEDERATION = configuration(FI)


def test_servers_of_a_client() -> None:
    def names(client: MemberId | SubsystemId) -> list[SecurityServerId]:
        return [s.id for s in CONF.servers_of(client, NOW)]

    assert names(DANCU) == [SS1, SS2]
    assert names(POLICE) == [SS1]
    assert names(PORTAL) == [SS2, server_id(PORTAL, "bare")]
    assert names(subsystem(POLICE, "bare")) == []
    assert names(MemberId("VN", "GOV", "g01")) == []


def test_a_server_by_its_id() -> None:
    found = CONF.server(SS2, NOW)
    assert found is not None and (found.address, found.maintenance) == ("ss.portal.test", "đến 10 giờ")
    bare = CONF.server(server_id(PORTAL, "bare"), NOW)
    assert bare is not None and (bare.address, bare.maintenance) == (None, "")
    assert CONF.server(SecurityServerId("VN", "GOV", "G01", "ss9"), NOW) is None
    assert CONF.server(SecurityServerId("XX", "GOV", "G01", "ss1"), NOW) is None


@pytest.mark.parametrize("version", [2, 3, 6])
def test_authentication_certificates_by_the_hash_of_the_version(version: int) -> None:
    conf = configuration(own=shared(version))
    found = conf.server_with_auth_cert(der("auth1-next"), DANCU, NOW)
    assert found is not None and found.id == SS1
    assert conf.server_with_auth_cert(der("auth1"), DVC, NOW) is None  # a server, but not one of this client
    assert conf.server_with_auth_cert(der("other"), DANCU, NOW) is None
    assert conf.server_with_auth_cert(der("auth1"), SubsystemId("XX", "GOV", "G01", "dancu"), NOW) is None
    assert conf.is_registered_auth_cert(der("auth2"), NOW)
    assert not conf.is_registered_auth_cert(der("other"), NOW)


def test_a_hash_of_another_versions_algorithm_names_nobody() -> None:
    conf = configuration(own=replace(shared(version=6), servers=shared(version=2).servers))
    assert not conf.is_registered_auth_cert(der("auth1"), NOW)


def test_certificates_are_looked_for_in_the_clients_instance() -> None:
    foreign = SubsystemId("FI", "GOV", "G01", "dancu")
    found = FEDERATION.server_with_auth_cert(der("auth1"), foreign, NOW)
    assert found is not None and found.id.instance == "FI"


def test_registered_clients() -> None:
    assert CONF.is_registered_client(subsystem(POLICE, "bare"), NOW)  # served by nobody, and a client
    assert CONF.is_registered_client(POLICE, NOW)
    assert not CONF.is_registered_client(subsystem(POLICE, "other"), NOW)


def test_groups() -> None:
    assert CONF.groups_of(DVC, NOW) == {GlobalGroupId("VN", "readers")}
    assert CONF.groups_of(POLICE, NOW) == {GlobalGroupId("VN", "readers")}
    assert CONF.groups_of(DANCU, NOW) == frozenset()  # a member does not stand for its subsystems


def test_groups_of_other_instances_count_while_those_are_current() -> None:
    group = replace(FI.groups[0], members=frozenset({DVC}))
    conf = configuration(replace(FI, groups=(group,)), FI=SOON)
    assert conf.groups_of(DVC, NOW) == {GlobalGroupId("VN", "readers"), GlobalGroupId("FI", "readers")}
    assert conf.groups_of(DVC, SOON) == {GlobalGroupId("VN", "readers")}


def test_trust_has_the_own_instances_settings() -> None:
    trust = FEDERATION.trust("FI", NOW)
    assert trust.instance == "FI"
    assert trust.ocsp_freshness == timedelta(hours=1)
    assert trust.verify_next_update is True
    assert trust.approved_cas == shared().approved_cas
    assert trust.fingerprint != FEDERATION.trust("VN", NOW).fingerprint


def test_the_fingerprint_of_trust_changes_with_what_decides_and_with_nothing_else() -> None:
    def fingerprint(params: SharedParameters) -> bytes:
        return configuration(own=params).trust("VN", NOW).fingerprint

    base, ca = shared(), shared().approved_cas[0]
    assert fingerprint(replace(base, members=base.members, groups=())) == fingerprint(base)
    changes = (
        replace(base, approved_cas=base.approved_cas[:1]),
        replace(base, approved_cas=(replace(ca, profile="other"), *base.approved_cas[1:])),
        replace(base, approved_cas=(replace(ca, authentication_only=True), *base.approved_cas[1:])),
        replace(base, approved_cas=(replace(ca, intermediates=()), *base.approved_cas[1:])),
        replace(base, approved_cas=(replace(ca, top=replace(ca.top, ocsp_certificates=())), *base.approved_cas[1:])),
        replace(base, ocsp_freshness=timedelta(hours=2)),
    )
    assert len({fingerprint(base), *map(fingerprint, changes)}) == len(changes) + 1


def test_authorities() -> None:
    expected = [certificate(name) for name in ("ca", "intermediate", "other")]
    assert list(CONF.ca_certificates()) == expected
    assert len(FEDERATION.ca_certificates()) == 6
    assert [t.url for t in CONF.approved_tsas(NOW)] == ["http://tsa.test/"]


def test_the_own_instance_expired_answers_nothing() -> None:
    CONF.ensure_current(SOON)
    questions = (
        lambda: CONF.ensure_current(LATER),
        lambda: CONF.shared("VN", LATER),
        lambda: CONF.servers_of(DANCU, LATER),
        lambda: CONF.server(SS1, LATER),
        lambda: CONF.is_registered_client(DANCU, LATER),
        lambda: CONF.is_registered_auth_cert(der("auth1"), LATER),
        lambda: CONF.server_with_auth_cert(der("auth1"), DANCU, LATER),
        lambda: CONF.trust("VN", LATER),
        lambda: CONF.groups_of(DVC, LATER),
        lambda: CONF.approved_tsas(LATER),
    )
    for question in questions:
        with pytest.raises(TrustOutdated) as caught:
            question()
        assert caught.value.code == "global_conf_outdated"


def test_a_foreign_instance_expired_is_as_if_absent() -> None:
    conf = configuration(FI, FI=SOON)
    foreign, server = SubsystemId("FI", "GOV", "G01", "dancu"), SecurityServerId("FI", "GOV", "G01", "ss1")
    assert conf.servers_of(foreign, NOW) and conf.server(server, NOW)
    assert conf.server(server, SOON) is None
    assert conf.server_with_auth_cert(der("auth1"), foreign, SOON) is None
    assert len(conf.approved_tsas(NOW)) == 2 and len(conf.approved_tsas(SOON)) == 1
    for question in (
        lambda: conf.servers_of(foreign, SOON),
        lambda: conf.trust("FI", SOON),
        lambda: conf.shared("FI", SOON),
    ):
        with pytest.raises(UnknownSubject) as caught:
            question()
        assert caught.value.code == "internal_error"  # reference 3.2
    assert conf.shared("VN", SOON).instance == "VN"


def test_an_unknown_instance() -> None:
    with pytest.raises(UnknownSubject):
        CONF.shared("XX", NOW)


def test_no_expiry_means_never() -> None:
    conf = configuration(VN=None)
    conf.ensure_current(NOW + timedelta(days=40000))
    assert conf.expires is None


def test_renewing_keeps_the_tables() -> None:
    renewed = CONF.renewed({"VN": LATER + timedelta(minutes=1)})
    assert renewed.expires == LATER + timedelta(minutes=1)
    assert renewed.trust("VN", LATER) is CONF.trust("VN", NOW)
    assert renewed.fingerprint == CONF.fingerprint
