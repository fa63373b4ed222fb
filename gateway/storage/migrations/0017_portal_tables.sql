-- compat: 14
-- Only the portal's own role touches the portal's tables (0014): a security server that is broken into opens no session of a citizen,
-- reads no inquiry and makes none up. A program that would run the portal as the writer could not.

REVOKE ALL ON citizen_login, citizen_session, citizen_lookup, citizen_inquiry, citizen_outbox, citizen_delivery, citizen_answer,
    citizen_answers_read FROM gateway_writer;
REVOKE ALL (seen, acting_kind, acting_person, acting_name, acting_evidence) ON citizen_session FROM gateway_writer;
