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
    leaves           bytea,                     -- of a batch: SHA-512 of each signature XML, in their order in the tree
    token            bytea NOT NULL,            -- DER, the authority's certificate inside
    CHECK ((chain_result IS NULL) = (leaves IS NULL))
);

-- One row a record, as small as can be: hash chains are written out from `leaves` when somebody asks.
CREATE TABLE stamped_record (
    record_number bigint PRIMARY KEY,
    time_stamp    bigint NOT NULL,
    position      integer NOT NULL
);
CREATE INDEX stamped_record_time_stamp ON stamped_record (time_stamp);
ALTER TABLE time_stamp ALTER COLUMN chain_result SET STORAGE EXTERNAL, ALTER COLUMN leaves SET STORAGE EXTERNAL,
    ALTER COLUMN token SET STORAGE EXTERNAL;

-- Records that wait for their time-stamp, one row a commit, put here in the transaction that writes them. No evidence: it only says
-- where to look, and the owner's maintenance puts back what is missing.
CREATE SEQUENCE unstamped_commit_number AS bigint;
CREATE TABLE unstamped_commit (
    number  bigint PRIMARY KEY DEFAULT nextval('unstamped_commit_number'),
    since   timestamptz NOT NULL DEFAULT clock_timestamp(),
    records bigint[] NOT NULL,                  -- their numbers
    times   timestamptz[] NOT NULL,             -- with `uids`: their keys
    uids    uuid[] NOT NULL,
    digests bytea NOT NULL                      -- SHA-512 of their signature XML, one after the other
);

INSERT INTO unstamped_commit (since, records, times, uids, digests)
SELECT min(written), array_agg(number ORDER BY number), array_agg(time ORDER BY number), array_agg(uid ORDER BY number),
       string_agg(sha512(signature), ''::bytea ORDER BY number)
FROM (SELECT *, (row_number() OVER (ORDER BY number) - 1) / 256 AS commit_like FROM message_record) AS r
GROUP BY commit_like ORDER BY commit_like;

-- Whoever has this row locked is the one who stamps; servers that share the database take turns.
CREATE TABLE time_stamp_turn (one boolean PRIMARY KEY DEFAULT true CHECK (one), taken timestamptz NOT NULL DEFAULT '-infinity');
INSERT INTO time_stamp_turn DEFAULT VALUES;

GRANT SELECT ON time_stamp, stamped_record, unstamped_commit, time_stamp_turn TO gateway_writer;
GRANT INSERT (time, authority, serial, conf_fingerprint, chain_result, leaves, token) ON time_stamp TO gateway_writer;
GRANT INSERT ON stamped_record TO gateway_writer;
GRANT INSERT (records, times, uids, digests), DELETE ON unstamped_commit TO gateway_writer;
GRANT UPDATE (taken) ON time_stamp_turn TO gateway_writer;
GRANT USAGE ON SEQUENCE time_stamp_number, unstamped_commit_number TO gateway_writer;
