-- compat: 1
-- Archives of the message log (reference 6.3): which record goes into which file, and how far each chain of files is.
-- Only the owner writes here; the role that serves may look.

CREATE TABLE archive (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain       text NOT NULL,              -- the group of records: '' for all, or a member's or subsystem's identifier
    position    integer NOT NULL,           -- in its chain, from 1
    state       text NOT NULL CHECK (state IN ('planned', 'named', 'durable', 'removed')),
    records     integer NOT NULL CHECK (records > 0),
    first_time  timestamptz NOT NULL,
    last_time   timestamptz NOT NULL,
    file        text,
    digest      text,                       -- the last chain digest in the file
    changed     timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (chain, position),
    CHECK ((file IS NULL) = (state = 'planned') AND (digest IS NULL) = (file IS NULL))
);

-- A record is in at most one archive; its row goes when the record does.
CREATE TABLE archived_record (
    record_number bigint PRIMARY KEY,
    time          timestamptz NOT NULL,
    uid           uuid NOT NULL,
    archive       bigint NOT NULL REFERENCES archive
);
CREATE INDEX archived_record_archive ON archived_record (archive, record_number);

GRANT SELECT ON archive, archived_record TO gateway_writer;
