-- compat: 1
-- What citizens are told of accesses: one row a person and exchange, written in the transaction of the message record it belongs to.

-- Numbers of a server's access records, without gaps. Whoever takes numbers holds the row until his transaction ends, so numbers
-- become visible in order, and a rollback gives them back.
CREATE TABLE access_series (
    server text PRIMARY KEY,
    last   bigint NOT NULL CHECK (last >= 0)
);

CREATE FUNCTION access_numbers(of_server text, wanted bigint) RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE before bigint;
BEGIN
    IF wanted <= 0 THEN
        RETURN NULL;
    END IF;
    INSERT INTO access_series AS s (server, last) VALUES (of_server, wanted)
    ON CONFLICT (server) DO UPDATE SET last = s.last + wanted RETURNING last - wanted INTO before;
    RETURN before;
END $$;
COMMENT ON FUNCTION access_numbers IS 'the number before the first of those taken; the writer cannot set the series otherwise';

CREATE TABLE access_record (
    server         text NOT NULL,
    number         bigint NOT NULL CHECK (number > 0),
    record_id      uuid NOT NULL UNIQUE,         -- known to the public log: it makes a second submission harmless
    time           timestamptz NOT NULL,
    written        timestamptz NOT NULL DEFAULT clock_timestamp(),
    message_number bigint NOT NULL,              -- of the request's message record
    person_kind    text NOT NULL,
    person         text NOT NULL,
    fields         jsonb NOT NULL CHECK (jsonb_array_length(fields) = 16),
    seed           bytea NOT NULL CHECK (octet_length(seed) = 32),    -- opens the leaf; destroying it makes the leaf mean nothing
    leaf           bytea NOT NULL CHECK (octet_length(leaf) = 108),
    PRIMARY KEY (server, number)
);
CREATE INDEX access_record_person ON access_record (person, person_kind, time DESC, number DESC);

-- The outbox: what the public log has taken. Records after the last row's number are still to be submitted.
CREATE TABLE access_submission (
    server    text NOT NULL,
    upto      bigint NOT NULL,
    submitted timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (server, upto)
);

-- Makes pseudonyms of officials, one key a server for ever.
CREATE TABLE official_key (
    server text PRIMARY KEY,
    key    bytea NOT NULL CHECK (octet_length(key) = 32)
);

REVOKE EXECUTE ON FUNCTION access_numbers FROM PUBLIC;
GRANT EXECUTE ON FUNCTION access_numbers TO gateway_writer;
GRANT SELECT ON access_series, access_record, access_submission, official_key TO gateway_writer;
GRANT INSERT (server, number, record_id, time, message_number, person_kind, person, fields, seed, leaf) ON access_record TO gateway_writer;
GRANT INSERT (server, upto) ON access_submission TO gateway_writer;
GRANT INSERT ON official_key TO gateway_writer;
