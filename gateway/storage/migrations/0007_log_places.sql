-- compat: 7
-- Entries of the log are never updated: their place, and that they wait for one, are rows of their own. An update of a row with four
-- indexes cost seven times the insert of a place, and this way nobody needs the right to change an entry at all.

CREATE TABLE log_place (
    origin text NOT NULL,
    index  bigint NOT NULL CHECK (index >= 0),
    record uuid NOT NULL UNIQUE,
    PRIMARY KEY (origin, index)
);

-- Arrival orders the queue and nothing else: it is not the order of commits, so exactly the rows that were taken are deleted, never
-- all up to the last one.
CREATE TABLE log_queue (
    origin  text NOT NULL,
    arrival bigint NOT NULL DEFAULT nextval('log_entry_arrival'),
    record  uuid NOT NULL,
    PRIMARY KEY (origin, arrival)
);

INSERT INTO log_place (origin, index, record) SELECT origin, index, record FROM log_entry WHERE index IS NOT NULL;
INSERT INTO log_queue (origin, arrival, record) SELECT origin, arrival, record FROM log_entry WHERE index IS NULL;

DROP TRIGGER log_entry_stands ON log_entry;
DROP FUNCTION log_entry_stands();
REVOKE UPDATE (index) ON log_entry FROM gateway_writer;
ALTER TABLE log_entry DROP COLUMN index, DROP COLUMN arrival;
ALTER TABLE log_staged ALTER COLUMN data SET STORAGE EXTERNAL;

GRANT SELECT ON log_place, log_queue TO gateway_writer;
GRANT INSERT ON log_place TO gateway_writer;
GRANT INSERT (origin, record), DELETE ON log_queue TO gateway_writer;
