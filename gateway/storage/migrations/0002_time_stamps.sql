-- compat: 1
-- Time-stamps of records (reference 6.2): each record gets one, alone or in a batch under one token.

CREATE SEQUENCE time_stamp_number AS bigint;

CREATE TABLE time_stamp (
    number           bigint PRIMARY KEY DEFAULT nextval('time_stamp_number'),
    written          timestamptz NOT NULL DEFAULT clock_timestamp(),
    time             timestamptz NOT NULL,      -- what the token says
    authority        text NOT NULL,             -- its name in the global configuration
    serial           numeric NOT NULL,          -- of the token
    conf_fingerprint text NOT NULL,             -- the global configuration that approved the authority
    chain_result     bytea,                     -- of a batch: what was stamped; a single one stamps the signature value
    token            bytea NOT NULL             -- DER, the authority's certificate inside
);

-- The way from a batch's root to this record's signature is kept short; `stamps.py` writes it out as X-Road's hash chain.
CREATE TABLE stamped_record (
    record_number bigint PRIMARY KEY,
    time_stamp    bigint NOT NULL REFERENCES time_stamp,
    path          bytea
);
CREATE INDEX stamped_record_time_stamp ON stamped_record (time_stamp);
ALTER TABLE time_stamp ALTER COLUMN chain_result SET STORAGE EXTERNAL, ALTER COLUMN token SET STORAGE EXTERNAL;
ALTER TABLE stamped_record ALTER COLUMN path SET STORAGE EXTERNAL;

-- Records that wait for their time-stamp, put here in the transaction that writes them. No evidence: it only says where to look,
-- and the owner's maintenance puts back what is missing.
CREATE TABLE unstamped_record (
    record_number bigint PRIMARY KEY,
    time          timestamptz NOT NULL,
    uid           uuid NOT NULL,
    since         timestamptz NOT NULL DEFAULT clock_timestamp()
);

INSERT INTO unstamped_record (record_number, time, uid, since) SELECT number, time, uid, written FROM message_record;

-- Whoever has this row locked is the one who stamps; servers that share the database take turns.
CREATE TABLE time_stamp_turn (one boolean PRIMARY KEY DEFAULT true CHECK (one), taken timestamptz NOT NULL DEFAULT '-infinity');
INSERT INTO time_stamp_turn DEFAULT VALUES;

GRANT SELECT ON time_stamp, stamped_record, unstamped_record, time_stamp_turn TO gateway_writer;
GRANT INSERT (time, authority, serial, conf_fingerprint, chain_result, token) ON time_stamp TO gateway_writer;
GRANT INSERT ON stamped_record TO gateway_writer;
GRANT INSERT (record_number, time, uid), DELETE ON unstamped_record TO gateway_writer;
GRANT UPDATE (taken) ON time_stamp_turn TO gateway_writer;
GRANT USAGE ON SEQUENCE time_stamp_number TO gateway_writer;
