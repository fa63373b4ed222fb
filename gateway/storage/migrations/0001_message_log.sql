-- compat: 1
-- The message log (reference 6.1): four kinds of records, exact bytes, enough to verify each from this database alone.

-- A sequence and not an identity column: identity on partitioned tables needs PostgreSQL 17.
CREATE SEQUENCE message_record_number AS bigint;

CREATE TABLE message_record (
    number            bigint NOT NULL DEFAULT nextval('message_record_number'),
    uid               uuid NOT NULL,             -- made by the writer: the same record sent twice stays one
    time              timestamptz NOT NULL,      -- the exchange's moment: certificates were judged at it
    written           timestamptz NOT NULL DEFAULT clock_timestamp(),
    side              text NOT NULL CHECK (side IN ('client', 'server')),
    kind              text NOT NULL CHECK (kind IN ('request', 'response')),
    message_id        text NOT NULL,
    request_id        text NOT NULL,
    client            text NOT NULL,
    service           text NOT NULL,
    peer_server       text,
    decision          text CHECK ((decision IS NOT NULL) = (side = 'server' AND kind = 'request')),
    request_number    bigint CHECK ((request_number IS NOT NULL) = (kind = 'response')),
    part              bytea NOT NULL,
    signature         bytea NOT NULL,
    hash_chain_result bytea,
    hash_chain        bytea,
    has_body          boolean NOT NULL,          -- an empty body part is not the same as none (reference 3.9)
    body              bytea,                     -- small bodies
    body_id           uuid,                      -- large ones: body_chunk
    body_size         bigint,
    body_sha512       bytea,
    conf_fingerprint  text NOT NULL,
    PRIMARY KEY (time, uid),
    CHECK (has_body = (body_sha512 IS NOT NULL) AND has_body = (body_size IS NOT NULL)),
    CHECK (has_body = ((body IS NULL) <> (body_id IS NULL)) AND (has_body OR body IS NULL AND body_id IS NULL))
) PARTITION BY RANGE (time);

-- Signatures and message parts hold base64 and digests: compressing them costs more than it saves.
ALTER TABLE message_record
    ALTER COLUMN part SET STORAGE EXTERNAL,
    ALTER COLUMN signature SET STORAGE EXTERNAL,
    ALTER COLUMN hash_chain_result SET STORAGE EXTERNAL,
    ALTER COLUMN hash_chain SET STORAGE EXTERNAL,
    ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE INDEX message_record_message_id ON message_record (message_id);
CREATE INDEX message_record_request_id ON message_record (request_id);
CREATE INDEX message_record_body_id ON message_record (body_id) WHERE body_id IS NOT NULL;
CREATE TABLE message_record_default PARTITION OF message_record DEFAULT;

-- Pieces of 1 MiB, written before the record that names them. A crash in between leaves pieces without a record.
CREATE TABLE body_chunk (
    body_id uuid NOT NULL,
    n       integer NOT NULL,
    written timestamptz NOT NULL DEFAULT clock_timestamp(),
    data    bytea NOT NULL,
    PRIMARY KEY (body_id, n)
);
ALTER TABLE body_chunk ALTER COLUMN data SET STORAGE EXTERNAL;

-- The global configuration by which records were judged, kept in the transaction of the first record that used it.
CREATE TABLE globalconf_snapshot (
    fingerprint text PRIMARY KEY,
    written     timestamptz NOT NULL DEFAULT clock_timestamp(),
    names       text[] NOT NULL,
    contents    bytea[] NOT NULL,
    CHECK (cardinality(names) = cardinality(contents))
);

-- Requests already taken, by who sent them and the id that *its server* gave them; information systems repeat message ids.
CREATE TABLE replay_claim (
    peer       text NOT NULL,
    request_id text NOT NULL,
    seen       timestamptz NOT NULL,
    PRIMARY KEY (peer, request_id)
);
CREATE INDEX replay_claim_seen ON replay_claim (seen);

-- No UPDATE, DELETE or TRUNCATE for anybody who serves; record numbers and the moment of writing are not the writer's to choose.
GRANT SELECT ON message_record, body_chunk, globalconf_snapshot, replay_claim, schema_migration TO gateway_writer;
GRANT INSERT (uid, time, side, kind, message_id, request_id, client, service, peer_server, decision, request_number, part,
              signature, hash_chain_result, hash_chain, has_body, body, body_id, body_size, body_sha512, conf_fingerprint)
    ON message_record TO gateway_writer;
GRANT INSERT (body_id, n, data) ON body_chunk TO gateway_writer;
GRANT INSERT (fingerprint, names, contents) ON globalconf_snapshot TO gateway_writer;
GRANT INSERT ON replay_claim TO gateway_writer;
GRANT USAGE ON SEQUENCE message_record_number TO gateway_writer;
