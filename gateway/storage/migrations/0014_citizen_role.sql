-- compat: 11
-- The citizens' portal has a role of its own: it reads what it shows in the providers' databases, and in its own it adds. Nothing of
-- exchanges: no message, no signature, no time-stamp. (What the writer may do to the portal's tables stays, for a portal of before.)

GRANT SELECT ON schema_migration TO gateway_citizen;
GRANT SELECT (record_id, time, leaf, fields, person_kind, person, seed, token, content, sealed_by) ON access_record TO gateway_citizen;
GRANT SELECT (id, day, member, kek, wrapped) ON data_key TO gateway_citizen;

-- Sign-ins are taken out when they are used, sessions when they end; everything else is only added to.
GRANT SELECT, INSERT, DELETE ON citizen_login TO gateway_citizen;
GRANT SELECT, INSERT, DELETE, UPDATE (seen, acting_kind, acting_person, acting_name, acting_evidence) ON citizen_session TO gateway_citizen;
GRANT SELECT, INSERT ON citizen_lookup, citizen_inquiry, citizen_outbox, citizen_delivery, citizen_answer, citizen_answers_read
    TO gateway_citizen;
