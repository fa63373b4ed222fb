-- compat: 20
-- What citizens ask an agency, and its answers, sealed under the data keys of the log. A program that does not know this would take
-- an inquiry for empty, and write the next one in clear. What is there is sealed when a server with `evidence.seal_with` starts.

-- In clear in `content` and `words`, or in an envelope under the data key `sealed_by`.
ALTER TABLE inquiry ALTER COLUMN content DROP NOT NULL, ADD COLUMN sealed bytea, ADD COLUMN sealed_by uuid;
ALTER TABLE inquiry ADD CHECK ((content IS NULL) = (sealed IS NOT NULL) AND (sealed IS NULL) = (sealed_by IS NULL));
ALTER TABLE inquiry_answer ALTER COLUMN words DROP NOT NULL, ADD COLUMN sealed bytea, ADD COLUMN sealed_by uuid;
ALTER TABLE inquiry_answer ADD CHECK ((words IS NULL) = (sealed IS NOT NULL) AND (sealed IS NULL) = (sealed_by IS NULL));

GRANT INSERT (sealed, sealed_by) ON inquiry TO gateway_writer;
GRANT INSERT (sealed, sealed_by) ON inquiry_answer TO gateway_writer;
