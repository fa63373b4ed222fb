-- compat: 6
-- Message parts and bodies sealed at rest. A program that does not know this would read envelopes for messages, and write beside
-- them what should be sealed.

-- Destroying a key empties `wrapped`; the row stays and says when, by whom and why. `kek`: id of the operator's key around it.
CREATE TABLE data_key (
    id           uuid PRIMARY KEY,
    day          date NOT NULL,              -- UTC, of the records' time
    member       text NOT NULL,
    made         timestamptz NOT NULL DEFAULT clock_timestamp(),
    kek          text NOT NULL,
    wrapped      bytea,
    destroyed    timestamptz,
    destroyed_by text,
    reason       text,
    CHECK ((wrapped IS NULL) = (destroyed IS NOT NULL)),
    CHECK ((destroyed IS NULL) = (destroyed_by IS NULL) AND (destroyed IS NULL) = (reason IS NULL))
);

-- Servers that share the log share its keys.
CREATE UNIQUE INDEX data_key_in_use ON data_key (day, member) WHERE wrapped IS NOT NULL;

-- NULL: the part and the body are the message's own bytes.
ALTER TABLE message_record ADD COLUMN sealed_by uuid;

GRANT SELECT, INSERT (id, day, member, kek, wrapped) ON data_key TO gateway_writer;
GRANT INSERT (sealed_by) ON message_record TO gateway_writer;
