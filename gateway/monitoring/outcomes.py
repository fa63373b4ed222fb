"""How an exchange ended, as a bounded set of words (reference 10).

A fault code of another server is its own choice of characters: taken as it is, it could carry a person's number into a log or
fill a metrics database with labels. Every piece of a code is therefore replaced by our spelling of a known one, or by `other`.
"""

from __future__ import annotations

from typing import Final

OK: Final = "ok"
OTHER: Final = "other"

_PREFIXES = ("server.clientproxy", "server.serverproxy", "client", "signer")

_CODES = """
    io_error network_error internal_error bad_request not_found http_error unknown_host database_error invalid_request
    invalid_response cryptography_error
    cannot_create_signature cert_validation incorrect_validation_info missing_validation_info cannot_create_cert_path
    cert_validity_time incorrect_certificate unsupported_algorithm invalid_signature_value malformed_signature invalid_xml
    invalid_reference invalid_cert_path signature_verification invalid_hash_chain malformed_hash_chain
    hashchain_unused_inputs invalid_hash_chain_ref
    ssl_authentication_failed logging_failed timestamping_failed invalid_content_type invalid_soap_action
    invalid_http_method invalid_message invalid_security_server mime_parsing_failed missing_header missing_header_field
    duplicate_header_field missing_body invalid_body inconsistent_headers inconsistent_response missing_soap invalid_soap
    missing_rest invalid_rest access_denied service_disabled service_failed missing_signature unknown_service
    invalid_protocol_version invalid_client_identifier service_type client_proxy_version_not_supported replayed_request
    unknown_member malformed_server_conf malformed_key_conf malformed_global_conf malformed_optional_parts_conf
    invalid_proof
    invalid_document unsigned altered wrapped untrusted expired signing_time weak form malformed too_large
    invalid_return_reason empty unknown legal_reference unreadable
    global_conf_outdated outdated_global_conf service_missing_url service_malformed_url hsm_non_operational maintenance_mode
    malformed_anchor anchor_file_not_found conf_download_failed
    global_conf_download_url_connection_failure global_conf_get_version_failed global_conf_header_field_missing
    global_conf_header_field_missing_parameter global_conf_header_field_wrong_value global_conf_missing_signed_data
    global_conf_missing_signed_data_expiration_date global_conf_missing_verification_cert
    global_conf_parsing_downloaded_conf_directory_failure global_conf_part_downloaded_file_integrity_failure
    global_conf_part_invalid_instance_identifier global_conf_signature_decode_failure
    global_conf_signature_verification_failure
    key_not_found key_not_available cert_not_found token_not_found token_not_active token_not_initialized
    token_not_available cannot_sign unsupported_sign_algorithm wrong_cert_usage login_failed pin_incorrect
    csr_failed csr_not_found
    timestamper_failed mlog timestamp_request_timed_out timestamping_non_ok_response no_timestamping_provider_found
    tsp_certificate_not_found timestamp_signer_verification_failed timestamp_non_granted_response
    ocsp_connection_error ocsp_response_parsing_failure ocsp_failed
    asic_mime_type_not_found asic_invalid_mime_type asic_message_not_found asic_signature_not_found asic_invalid_container
    asic_hash_chain_result_not_found asic_hash_chain_not_found asic_timestamp_not_found asic_manifest_not_found
    malformed_archive malformed_linking_info
    ocsp_response_verification_failure
    server client signer clientproxy serverproxy opmonitor
"""


def _plain(piece: str) -> str:
    """`AccessDenied` (servers up to 7.7) and `access_denied` (7.8) are one code."""
    return piece.replace("_", "").lower()


_KNOWN = {_plain(code): code for code in _CODES.split()}
_MOST_PIECES = 8


def bounded_code(code: str) -> str:
    """The whole code in known words, for a log line: `server.serverproxy.service_failed.other`."""
    pieces = code.split(".")
    words = [_KNOWN.get(_plain(piece), OTHER) for piece in pieces[:_MOST_PIECES]]
    return ".".join(words if len(pieces) <= _MOST_PIECES else (*words[:-1], OTHER))


def outcome_label(outcome: str) -> str:
    """The label of a metric: `ok`, or the blame prefix (when there is one) and the last piece. A few hundred values at most."""
    if outcome == OK:
        return OK
    code = bounded_code(outcome)
    leaf = code.rpartition(".")[2]
    for prefix in _PREFIXES:
        if code.startswith(f"{prefix}."):
            return f"{prefix}.{leaf}"
    return leaf
