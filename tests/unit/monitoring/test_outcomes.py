from __future__ import annotations

import pytest

from gateway.monitoring.outcomes import bounded_code, outcome_label


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("access_denied", "access_denied"),
        ("signature_verification.malformed_signature.invalid_hash_chain",) * 2,
        ("server.serverproxy.access_denied", "server.serverproxy.access_denied"),
        ("Server.ServerProxy.AccessDenied", "server.serverproxy.access_denied"),  # servers up to 7.7
        ("Server.ClientProxy.IOError", "server.clientproxy.io_error"),
        ("server.serverproxy.001099012345", "server.serverproxy.other"),
        ("Nguyễn Văn A", "other"),
        ("", "other"),
        (".".join(["server"] * 9), ".".join(["server"] * 7 + ["other"])),
    ],
)
def test_a_code_is_spelt_in_known_words_only(code: str, expected: str) -> None:
    assert bounded_code(code) == expected


@pytest.mark.parametrize(
    ("outcome", "label"),
    [
        ("ok", "ok"),
        ("access_denied", "access_denied"),
        ("signature_verification.malformed_signature.invalid_hash_chain", "invalid_hash_chain"),
        ("server.serverproxy.service_failed.network_error", "server.serverproxy.network_error"),
        ("Server.ServerProxy.ServiceFailed.Surprise", "server.serverproxy.other"),
        ("client.invalid_xml", "client.invalid_xml"),
        ("ok.ok", "other"),
        ("server", "server"),
    ],
)
def test_a_label_is_the_prefix_and_the_last_piece(outcome: str, label: str) -> None:
    assert outcome_label(outcome) == label


def test_codes_of_a_hostile_peer_do_not_make_labels() -> None:
    labels = {outcome_label(f"server.serverproxy.{'.'.join(['x'] * n)}.{n}") for n in range(200)}
    assert labels == {"server.serverproxy.other"}
