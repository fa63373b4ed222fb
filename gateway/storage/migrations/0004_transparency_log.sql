-- compat: 1
-- The transparency log: one shard a year, entries that nobody changes, and what a sequencer needs to go on after a crash.

-- `note` is the checkpoint of `size`, signed before it was committed: what may be published at any time. `fence` grows with each
-- leader; whoever holds a smaller one has been replaced.
CREATE TABLE log_shard (
    origin    text PRIMARY KEY,
    size      bigint NOT NULL CHECK (size >= 0),
    root      bytea NOT NULL CHECK (octet_length(root) = 32),
    note      bytea NOT NULL,
    fence     bigint NOT NULL DEFAULT 0,
    frozen    text,                                -- why nothing may be published any more
    frozen_at timestamptz,
    CHECK ((frozen IS NULL) = (frozen_at IS NULL))
);

-- Submitted entries, first without index (the queue), then with it. Arrival orders the queue and nothing else: it is not the order
-- of commits, so a row is taken because it has no index, never because its arrival is above the last.
CREATE SEQUENCE log_entry_arrival AS bigint;
CREATE TABLE log_entry (
    record    uuid PRIMARY KEY,                    -- the submitter's: the same record sent twice stays one
    origin    text NOT NULL,
    source    text NOT NULL,                       -- which security server, and its own gap-free count
    sequence  bigint NOT NULL CHECK (sequence >= 0),
    entry     bytea NOT NULL CHECK (octet_length(entry) <= 65535),
    leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32),
    received  timestamptz NOT NULL DEFAULT clock_timestamp(),
    arrival   bigint NOT NULL DEFAULT nextval('log_entry_arrival'),
    index     bigint CHECK (index >= 0),
    UNIQUE (origin, source, sequence),
    UNIQUE (origin, index)
);
ALTER TABLE log_entry ALTER COLUMN entry SET STORAGE EXTERNAL;
CREATE INDEX log_entry_queue ON log_entry (origin, arrival) WHERE index IS NULL;
CREATE INDEX log_entry_leaf_hash ON log_entry (leaf_hash);

CREATE FUNCTION log_entry_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an entry of the log stands where it stands' USING ERRCODE = '23000';
END $$;
CREATE TRIGGER log_entry_stands BEFORE UPDATE ON log_entry
    FOR EACH ROW WHEN (OLD.index IS NOT NULL) EXECUTE FUNCTION log_entry_stands();

-- Files of a committed size that may not be on the disk yet. Written again after a crash: the same bytes.
CREATE TABLE log_staged (
    origin text NOT NULL,
    size   bigint NOT NULL,
    path   text NOT NULL,
    data   bytea NOT NULL,
    PRIMARY KEY (origin, size, path)
);

-- Folders of partial tiles whose full tile was committed at `replaced`; readers of older checkpoints get time to finish.
CREATE TABLE log_partial (
    origin   text NOT NULL,
    path     text NOT NULL,
    replaced timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (origin, path)
);

-- What a log or witness said that cannot be true: for a court, and for whoever finds out what happened.
CREATE TABLE log_evidence (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    origin text NOT NULL,
    at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    why    text NOT NULL,
    names  text[] NOT NULL,
    data   bytea[] NOT NULL,
    CHECK (cardinality(names) = cardinality(data))
);

GRANT SELECT ON log_shard, log_entry, log_staged, log_partial, log_evidence TO gateway_writer;
GRANT INSERT (origin, size, root, note), UPDATE (size, root, note, fence, frozen, frozen_at) ON log_shard TO gateway_writer;
GRANT INSERT (record, origin, source, sequence, entry, leaf_hash), UPDATE (index) ON log_entry TO gateway_writer;
GRANT INSERT, DELETE ON log_staged, log_partial TO gateway_writer;
GRANT INSERT (origin, why, names, data) ON log_evidence TO gateway_writer;
GRANT USAGE ON SEQUENCE log_entry_arrival TO gateway_writer;
