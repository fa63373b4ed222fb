-- compat: 1
-- The citizens' portal: sign-ins under way, sessions, what citizens looked at, what they asked. In a database of its own.

-- `state_hash`, `browser_hash`: SHA-256 of what the browser was given; a row is taken out by the answer that uses it.
CREATE TABLE citizen_login (
    state_hash   bytea PRIMARY KEY CHECK (octet_length(state_hash) = 32),
    browser_hash bytea NOT NULL CHECK (octet_length(browser_hash) = 32),
    nonce        text NOT NULL,
    verifier     text NOT NULL,
    language     text NOT NULL,
    made         timestamptz NOT NULL
);

-- `acting_*`: whose ledger is read instead of the own one, and the evidence that this is allowed.
CREATE TABLE citizen_session (
    token_hash      bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    person_kind     text NOT NULL,
    person          text NOT NULL,
    name            text NOT NULL,
    started         timestamptz NOT NULL,
    seen            timestamptz NOT NULL,
    acting_kind     text,
    acting_person   text,
    acting_name     text,
    acting_evidence text,
    CHECK (num_nulls(acting_kind, acting_person, acting_name, acting_evidence) IN (0, 4))
);
CREATE INDEX citizen_session_seen ON citizen_session (seen);

-- Told to the person whose ledger was read, and to nobody else. `by_*`: who read it.
CREATE TABLE citizen_lookup (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_kind text NOT NULL,
    person      text NOT NULL,
    time        timestamptz NOT NULL,
    by_kind     text NOT NULL,
    by_person   text NOT NULL,
    by_name     text NOT NULL,
    action      text NOT NULL,
    evidence    text
);
CREATE INDEX citizen_lookup_person ON citizen_lookup (person, person_kind, number DESC);
CREATE INDEX citizen_lookup_by ON citizen_lookup (by_person, by_kind, time DESC);

-- `due`: when an answer must be there by law.
CREATE TABLE citizen_inquiry (
    id          uuid PRIMARY KEY,
    record_id   uuid NOT NULL,
    person_kind text NOT NULL,
    person      text NOT NULL,
    by_kind     text NOT NULL,
    by_person   text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('why', 'complain', 'correct')),
    reason      text NOT NULL,
    words       text NOT NULL,
    receiver    text NOT NULL,
    filed       timestamptz NOT NULL,
    due         timestamptz NOT NULL
);
CREATE INDEX citizen_inquiry_record ON citizen_inquiry (record_id, filed);

GRANT SELECT, INSERT, DELETE ON citizen_login TO gateway_writer;
GRANT SELECT, INSERT, DELETE, UPDATE (seen, acting_kind, acting_person, acting_name, acting_evidence) ON citizen_session TO gateway_writer;
GRANT SELECT, INSERT ON citizen_lookup, citizen_inquiry TO gateway_writer;
