-- compat: 11
-- Access records sealed at rest. A program that does not know this would show citizens lists in which these are missing.

-- Sealed: `content` holds person, texts and seed under the data key `sealed_by`; the record is found by `token`, and `fields` shows
-- what lists are made by. In clear: as before.
ALTER TABLE access_record
    ALTER COLUMN person_kind DROP NOT NULL,
    ALTER COLUMN person DROP NOT NULL,
    ALTER COLUMN seed DROP NOT NULL,
    ADD COLUMN token bytea CHECK (octet_length(token) = 16),
    ADD COLUMN content bytea,
    ADD COLUMN sealed_by uuid,
    ADD CHECK (num_nulls(token, content, sealed_by) IN (0, 3)),
    ADD CHECK (num_nulls(person_kind, person, seed) = num_nonnulls(token, content, sealed_by));

DROP INDEX access_record_person;
CREATE INDEX access_record_person ON access_record (person, person_kind, time DESC, number DESC) WHERE person IS NOT NULL;
CREATE INDEX access_record_token ON access_record (token, time DESC) WHERE token IS NOT NULL;

GRANT INSERT (token, content, sealed_by) ON access_record TO gateway_writer;
